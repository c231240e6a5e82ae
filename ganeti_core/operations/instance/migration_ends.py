"""The two ends of a migration: ask both what they have of the guest, and put them in order.

The guest runs on the target only by `Ends.arrives`. Until then the source has it: running, or
standing still because all of it was sent. So whoever knows what both ends have can always go one
way or the other, and no guess is needed: only where an end is silent, the way is taken on which the
guest can never run twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeVar

from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.debt import Debt
from ganeti_core.operations.saga import Entry, Tag
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import hook_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec
    from ganeti_core.rpc.calls import Call

T = TypeVar("T")

Has = Literal["none", "runs", "receiving", "sent"]
Outcome = Literal["moved", "owed", "stayed"]
"""``owed``: it has moved, but the target, which is silent, must still be ordered to run it."""

PATIENCE = 5.0
"""Seconds that an end may be silent: a node daemon restarts in less."""
PAUSE = 0.25
UNDECIDED = 30.0
"""Seconds that ends which are silent are asked again, where neither says where the guest is: it may
stand still, and whoever gives up leaves it so until an administrator looks."""


class _Undecided(Exception):
    """Neither end says where the guest is."""


class _Silent(Exception):
    """A node says nothing, or nothing that proves anything."""


@dataclass(frozen=True)
class Ends:
    """An instance on its way from `source` to `target`."""

    ctx: OpContext
    instance: Instance
    spec: InstanceSpec
    source: Node
    target: Node

    def settle(self) -> Outcome:
        """End the transfer, and decide where the guest is; what the other end has is thrown away.

        Where it stayed, an undo entry lets it run on; the caller settles the saga, or commits.

        :raises OpExecError: that cannot be found out for long, or it runs on both
        """
        until, is_last = time.monotonic() + UNDECIDED, False
        while True:
            try:
                return self._settle()
            except _Undecided as exc:
                if is_last:
                    raise OpExecError(
                        f"Where instance {self.instance.name} runs cannot be found out: "
                        f"{self.source.name} does not say that it runs there, nor "
                        f"{self.target.name} that it does not; run gnt-instance migrate --cleanup "
                        f"{self.instance.name} when both nodes and their hypervisors are well"
                        ) from exc
            # Those that answer by now are asked once more: one may have come back a moment ago.
            is_last = time.monotonic() > until or not (
                self._is_silent(self.source) or self._is_silent(self.target))
            time.sleep(PAUSE)

    def _settle(self) -> Outcome:
        """One try of `settle`.

        :raises _Undecided: neither end says enough
        """
        source, target = self._source_after_abort(), self._has(self.target)
        if target == "runs":
            if source == "runs":
                raise OpExecError(
                    f"Instance {self.instance.name} runs on {self.source.name} and on "
                    f"{self.target.name}: stop it on one of them by hand at once")
            return "moved"
        # A silent target may have been ordered to run it already, and must not be overtaken.
        if source == "sent" and (outcome := self.arrives()) != "stayed":
            return outcome
        self._give_back(source)
        return "stayed"

    def arrives(self) -> Outcome:
        """Order the target to run the guest; ``stayed`` when it has not got it."""
        try:
            self._patiently(lambda: self.ctx.call(self.target, self.finish_call("target", True)))
        except _Silent:
            return "owed"
        except GanetiError as exc:
            if self._has(self.target) == "runs":
                return "moved"
            self.ctx.warn(f"{self.instance.name} cannot run on {self.target.name}: {exc}")
            return "stayed"
        return "moved"

    def _source_after_abort(self) -> Has | None:
        try:
            self._patiently(lambda: self.ctx.call(self.source, self.abort_call()))
        except (_Silent, GanetiError):
            return None
        return self._has(self.source)

    def _has(self, node: Node) -> Has | None:
        try:
            return self._patiently(lambda: has_of(self.ctx, self.instance, node))
        except (_Silent, GanetiError):
            return None

    def _is_silent(self, node: Node) -> bool:
        try:
            has_of(self.ctx, self.instance, node)
        except GanetiError as exc:
            return Debt.of(exc).kind == "silent"
        return False

    def _give_back(self, source: Has | None) -> None:
        """Throw away what the target has, then let the guest run on the source."""
        try:
            self._patiently(lambda: self.ctx.call(self.target, self.finish_call("target", False)))
            left = self._has(self.target)
        except (_Silent, GanetiError):
            left = None
        if source != "runs" and left != "none":
            raise _Undecided
        if source == "none":
            self.ctx.warn(f"Instance {self.instance.name} does not run on {self.source.name} any "
                          "more: it ended there during the migration")
            return
        self.ctx.saga.record(self.source.uuid, self.finish_call("source", False),
                             f"let {self.instance.name} run on")

    def _patiently(self, ask: Callable[[], T]) -> T:
        """What a node says, which may be restarting.

        :raises _Silent: it says nothing for too long
        :raises GanetiError: it refused
        """
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except GanetiError as exc:
                if Debt.of(exc).kind != "silent":
                    raise
                if time.monotonic() > until:
                    raise _Silent(str(exc)) from exc
            time.sleep(PAUSE)

    def finish_call(self, end: Literal["source", "target"], success: bool) -> Call:
        return self.ctx.hook_call(
            HYPERVISORS, self.instance.hypervisor, "migration_finish", subject=self.instance.uuid,
            instance=self.spec, source=end == "source", success=success)

    def abort_call(self) -> Call:
        return self.ctx.hook_call(
            HYPERVISORS, self.instance.hypervisor, "migration_abort", subject=self.instance.uuid,
            instance=self.spec)


def has_of(ctx: OpContext, instance: Instance, node: Node) -> Has:
    """What a node has of a guest.

    :raises GanetiError: it does not say
    """
    found: str = ctx.hook(node, HYPERVISORS, instance.hypervisor, "migration_status",
                          instance=spec_of(ctx, instance)).guest
    return _known(instance, found)


def where_is(ctx: OpContext, instance: Instance, nodes: Iterable[Node]) -> dict[str, Has]:
    """What each of the nodes (by uuid) has of a guest; those that have nothing are left out.

    :raises GanetiError: one of them does not say
    """
    call = ctx.hook_call(HYPERVISORS, instance.hypervisor, "migration_status",
                         instance=spec_of(ctx, instance))
    found: dict[str, Has] = {}
    answers = hook_answers(HYPERVISORS, instance.hypervisor, "migration_status",
                           ctx.fan_out(nodes, lambda _node: call))
    for uuid, status in answers.items():
        if isinstance(status, GanetiError):
            raise OpExecError(f"Node {ctx.snapshot.nodes[uuid].name} cannot be asked whether it "
                              f"has instance {instance.name}: {status}") from status
        if (has := _known(instance, status.guest)) != "none":
            found[uuid] = has
    return found


def _known(instance: Instance, has: str) -> Has:
    if has == "unknown":
        raise OpExecError(f"hypervisor {instance.hypervisor} does not say which end of a migration "
                          "a node has")
    return has  # type: ignore[return-value]  # the contract's literals but for the one above


def receiver_of(entries: Iterable[Entry]) -> str | None:
    """The node (its uuid) where a saga has prepared a receiver."""
    return next((entry.node for entry in entries if Tag.ENDS_RECEIVER in entry.tags), None)
