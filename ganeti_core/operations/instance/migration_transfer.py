"""Waiting for a migration's transfer: what it does is in the job's log, and one that cannot end, or
stands still, is given up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganeti_core.errors import HypervisorError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import MigrationStatus

FIRST_POLL, POLL = 0.01, 0.1
"""Seconds between two looks at a transfer, at first and near its end, and otherwise: the guest
stands still until its end is seen."""
SOON = 0.5
"""Seconds from which on the end is near."""
FIRST_REPORT, REPORT = 2.0, 10.0
"""Seconds until the first line of progress, and between two later ones."""
STALLED = 60.0
"""Seconds without a byte more after which a transfer is given up: the connection may be cut without
a word, and then the kernel would wait for a quarter of an hour."""
MIB = 1 << 20


@dataclass
class Progress:
    """Notices when a transfer stands still, and says how it goes; times are those of a clock that
    never goes back.

    :param reported: when and at which count of bytes the last line was made
    """

    since: float
    transferred: int = -1
    reported: tuple[float, int] | None = None

    def goes_on(self, transferred: int, now: float) -> bool:
        """Whether something was transferred in the last `STALLED` seconds."""
        if transferred != self.transferred:
            self.transferred, self.since = transferred, now
        return now - self.since <= STALLED

    def line(self, status: MigrationStatus, now: float) -> str:
        """Return how far the transfer is, how fast it has been since the last line, and how long it
        may take if the guest changes nothing more of its memory."""
        if self.reported is None:
            self.reported = (now, status.transferred_ram)
        then, before = self.reported
        self.reported = (now, status.transferred_ram)
        done = (status.transferred_ram if status.remaining_ram is None
                else status.total_ram - status.remaining_ram)
        words = [f"{100 * done / status.total_ram:.2f} %"]
        if now > then and status.transferred_ram > before:
            speed = (status.transferred_ram - before) / (now - then)
            words.append(f"{speed / MIB:.1f} MiB/s")
            if status.remaining_ram is not None:
                words.append(f"about {status.remaining_ram / speed:.0f} s left")
        return "* memory transfer progress: " + ", ".join(words)


@contextmanager
def named_failure(instance: Instance) -> Iterator[None]:
    """Say what failed, whichever end notices it first and at whatever step: one that is lost may be
    missed as the transfer begins, while it lasts, or when the guest is to run.

    :raises OpExecError: a hypervisor refused, or the transfer failed
    """
    try:
        yield
    except HypervisorError as exc:
        raise OpExecError(f"Could not migrate instance {instance.name}: {exc.message}") from exc


def await_transfer(ctx: OpContext, instance: Instance, source: Node, target: Node) -> None:
    """Wait until the guest is handed over.

    :raises HypervisorError: the transfer failed, or does not go on; the guest is the source's
    """
    began, spec = time.monotonic(), spec_of(ctx, instance)
    next_report, progress = began + FIRST_REPORT, Progress(began, reported=(began, 0))
    while True:
        status: MigrationStatus = ctx.hook(
            source, HYPERVISORS, instance.hypervisor, "migration_status", instance=spec)
        if status.state == "completed":
            return
        if status.can_switch:
            ctx.feedback(f"* handing the guest over to {target.name} before all of its memory is "
                         "there")
            ctx.hook(source, HYPERVISORS, instance.hypervisor, "migration_switch",
                     subject=instance.uuid, instance=spec)
            continue
        now = time.monotonic()
        if why := _hopeless(status, progress.goes_on(status.transferred_ram, now), source, target):
            raise HypervisorError(why)
        if now > next_report and status.total_ram:
            ctx.feedback(progress.line(status, now))
            next_report = now + REPORT
        ctx.check_cancelled()
        time.sleep(_pause(status, now - began))


def _pause(status: MigrationStatus, elapsed: float) -> float:
    """How long not to look: only a moment at first, and when the rest will soon be there."""
    if elapsed < 1.0:
        return FIRST_POLL
    speed = status.transferred_ram / elapsed
    if status.remaining_ram is not None and status.remaining_ram < speed * SOON:
        return FIRST_POLL
    return POLL


def _hopeless(status: MigrationStatus, goes_on: bool, source: Node, target: Node) -> str:
    """Why the transfer is not to be waited for any longer; empty while it is."""
    if status.state != "active":
        return status.message or (
            f"the transfer ended as {status.state}, and its hypervisor does not say why: see "
            f"what the guest's log says on {source.name} and on {target.name}")
    if status.endless:
        return status.endless
    if not goes_on:
        return (f"nothing has been transferred for {STALLED:g} s; check the connection between "
                f"{source.name} and {target.name}")
    return ""
