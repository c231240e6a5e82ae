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
    the answer has ``success``, ``info`` and ``result``. ``disk_templates`` says of every
    template in use whether it is ``shared`` and whether it is ``mirrored`` (on two nodes). A node
    that does not answer has no figures; it is ``offline``, and ``silent`` as long as nobody has
    marked it so. A node that lacks a driver which the request needs is ``drained``, and
    ``lacks`` says what is missing; it is empty otherwise. A request of type ``allocate-secondary``
    says in ``disk_template`` which one the instance is to have.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the allocator: parameters as JSON Schema, capabilities.

        Capabilities: the request types that it answers; it is asked no others.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=300.0)
    def solve(
        self, ctx: HookContext, request: dict[str, Any], parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """Return one request; changes nothing.

        :param parameters: what the administrator set for allocations by the default allocator; a
            flag, given without a value, is None. Sparse: of those described, what was set
        :raises OpExecError: it broke; "no room" is an answer with ``success: false``, no error
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master", timeout=300.0)
    def explain(
        self, ctx: HookContext, request: dict[str, Any], parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """Say for every node (or pair) why it was not chosen, or its score and what made it.

        The answer's ``text`` is for people, lines apart; the rest is the allocator's own form.
        """
        raise NotImplementedError


IALLOCATORS = Kind(
    "iallocators", IallocatorSpec, optional=frozenset({"explain"}),
    capabilities=frozenset({
        "allocate", "allocate-secondary", "change-group", "multi-allocate", "node-evacuate",
        "relocate"}),
)
