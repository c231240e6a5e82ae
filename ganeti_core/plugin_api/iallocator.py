"""The contract of instance allocators: choose nodes for instances."""

from __future__ import annotations

from typing import Any

from .context import HookContext
from .data import Description
from .kinds import Kind, hookspec, where


class IallocatorSpec:
    """What the core may ask of an allocator, on the master.

    Request and answer are documents of the iallocator protocol, version 2: the request has the
    cluster's state (``nodes``, ``nodegroups``, ``instances``) and ``request`` with its ``type``;
    the answer has ``success``, ``info`` and ``result``.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the allocator. Capabilities: the request types that it answers."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=300.0)
    def solve(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; changes nothing.

        :raises OpExecError: it broke; "no room" is an answer with ``success: false``, no error
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=300.0)
    def explain(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        """Say for every node (or pair) why it was not chosen, or its score and what made it.

        The answer's ``text`` is for people, lines apart; the rest is the allocator's own form.
        """
        raise NotImplementedError


IALLOCATORS = Kind("iallocators", IallocatorSpec, optional=frozenset({"explain"}))
