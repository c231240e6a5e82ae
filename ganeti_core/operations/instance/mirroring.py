"""Other disks for a running instance: its hypervisor copies them while the guest goes on.

From the end of the copying on both are written to, so the commit that names the new ones may come
at any moment: before it the undo ends the copying, after it whoever is master lets the guest have
the new ones alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.disk_work import make_disks, owed_calls, plan_verb
from ganeti_core.operations.instance.migration_transfer import STALLED, Progress
from ganeti_core.operations.instance.running import open_on, primary_of, running_on
from ganeti_core.operations.specs import disks_of, spec_of
from ganeti_core.plugin_api.hypervisor import DISK_MIRROR, HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec, MirrorStatus
    from ganeti_core.rpc.calls import Call

FIRST_POLL, POLL = 0.02, 0.5
REPORT = 10.0
"""Seconds between two lines of progress."""

Pair = tuple["DiskSpec", "DiskSpec"]
"""What the guest has, and what it is to have."""


def mirrored_on(ctx: OpContext, instance: Instance, reason: str) -> Node:
    """The node of an instance that is up, and whose disks can be copied meanwhile.

    :param reason: what cannot be done otherwise, as the end of the message
    :raises OpPrereqError: they cannot (`ECODE_STATE`)
    """
    begin = f"Instance '{instance.name}' is marked to be up, {reason}"
    if DISK_MIRROR not in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        raise OpPrereqError(f"{begin}: the hypervisor {instance.hypervisor} cannot copy disks of "
                            "guests that run; stop it first", ECODE_STATE)
    node = primary_of(ctx, instance)
    guest = running_on(ctx, instance, node)
    if guest is None or not guest.runs:
        how = "it does not run" if guest is None else f"its guest is {guest.state}"
        raise OpPrereqError(f"{begin}: {how}; stop or start it first", ECODE_STATE)
    return node


@dataclass(frozen=True)
class Mirroring:
    """The disks of one running instance that become others.

    :param spec: the instance, with its old disks
    """

    ctx: OpContext
    spec: InstanceSpec
    node: Node
    pairs: tuple[Pair, ...]

    def begin(self) -> None:
        """Begin to copy all; ending that is the undo."""
        for old, new in self.pairs:
            self.ctx.feedback(f"Copying disk/{old.index} while the guest runs")
            self.ctx.act(self.node, self._call("mirror_disk", (old, new)),
                         self._call("end_mirror", (old, new)),
                         f"end the copying of disk {old.index} of {self.spec.name}")

    def wait(self) -> None:
        """Wait until all are in sync.

        :raises OpExecError: a copy broke off, or does not go on; the guest has its old disks
        """
        waits = {old.uuid: Progress(time.monotonic()) for old, _ in self.pairs}
        began, reported = time.monotonic(), time.monotonic()
        while True:
            found = [(pair, self._status(pair)) for pair in self.pairs]
            now = time.monotonic()
            for pair, status in found:
                self._check(pair, status, waits[pair[0].uuid], now)
            if all(status.state == "synced" for _, status in found):
                return
            if now - reported > REPORT:
                reported = now
                for (old, _), status in found:
                    self.ctx.feedback(f"disk/{old.index}: {_percent(status)}")
            self.ctx.check_cancelled()
            time.sleep(FIRST_POLL if now - began < 1.0 else POLL)

    def owed(self) -> list[Owed]:
        """What is to be done after the commit: the guest gets the new disks alone."""
        return [(self.node, self._call("switch_disk", pair),
                 f"let {self.spec.name} have its new disk {pair[0].index}") for pair in self.pairs]

    def _status(self, pair: Pair) -> MirrorStatus:
        found: MirrorStatus = self.ctx.hook(
            self.node, HYPERVISORS, self.spec.hypervisor, "mirror_status", instance=self.spec,
            disk=pair[0], onto=pair[1])
        return found

    def _check(self, pair: Pair, status: MirrorStatus, progress: Progress, now: float) -> None:
        what = f"disk/{pair[0].index} of {self.spec.name} could not be copied"
        if status.state not in ("active", "synced"):
            raise OpExecError(f"{what}: {status.message or f'its copy is {status.state}'}")
        if not progress.goes_on(status.copied, now) and status.state == "active":
            raise OpExecError(f"{what}: nothing was written for {STALLED:g} s")

    def _call(self, hook: str, pair: Pair) -> Call:
        return self.ctx.hook_call(
            HYPERVISORS, self.spec.hypervisor, hook, subject=self.spec.uuid, instance=self.spec,
            disk=pair[0], onto=pair[1])


def _percent(status: MirrorStatus) -> str:
    return f"{100 * status.copied / (status.total or 1):.1f} %"


def mirror_onto_new(
    ctx: OpContext, instance: Instance, nodes: Sequence[Node], new: Sequence[DiskSpec]
) -> tuple[Mirroring, list[Owed]]:
    """Make new disks for a running instance and begin to copy the old ones onto them.

    :param nodes: of the new disks, the primary node first
    :returns: the copying, and what opens all of them again after the commit, for a node that was
        booted meanwhile
    """
    primary = nodes[0]
    opened_old = open_on(ctx, instance, primary, undo=False)
    opened = make_disks(ctx, nodes, instance.uuid, new, opened=True)
    mirroring = Mirroring(ctx, spec_of(ctx, instance), primary,
                          tuple(zip(opened_old.disks, opened, strict=True)))
    mirroring.begin()
    steps = plan_verb(ctx, "open", [*disks_of(ctx, instance), *new], nodes)
    again = owed_calls(ctx, instance.uuid, [
        step for step in steps if step.node == primary.uuid])
    return mirroring, again
