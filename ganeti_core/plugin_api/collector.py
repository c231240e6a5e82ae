"""The contract of data collectors: what the monitoring daemon reports of a node."""

from __future__ import annotations

from .context import HookContext
from .data import Description, Report
from .kinds import Kind, hookspec, where


class CollectorSpec:
    """What the monitoring daemon may ask of a collector, on its own node, every few seconds."""

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the collector. Capabilities: ``category:NAME`` (``storage``, ``instance``,
        ``daemon``, ``hypervisor``, or none), ``stateful`` (it is asked at its interval and keeps
        what it saw)."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def collect(self, ctx: HookContext) -> Report:
        """Collect once.

        :raises GanetiError: nothing can be said now; the report then carries the message
        """
        raise NotImplementedError


COLLECTORS = Kind("collectors", CollectorSpec)
