"""Wait until the copies of an instance's disks hold what its primary node has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, OpExecError, PluginError
from ganeti_core.operations.left_behind import ask_copies
from ganeti_core.operations.specs import disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.live import DiskQuestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec, DiskStatus

POLL = 1.0
"""Longest time between two looks, seconds."""
FIRST_POLL = 0.05
REPORT = 60.0
"""Seconds between two lines of progress when nothing else is to be said."""
PATIENCE = 10.0
"""Seconds that copies may be behind without anything that fills them."""
SILENCE = 60.0
"""Seconds that a driver on a busy node may fail to say how the disks are: this can take hours."""


def has_copies(ctx: OpContext, instance: Instance) -> bool:
    """Whether disks of the instance have copies that can be behind."""
    return have_copies(ctx, ctx.current.disks_of(instance))


def have_copies(ctx: OpContext, disks: Iterable[Disk | DiskSpec]) -> bool:
    """Whether some of the disks have copies that can be behind."""
    return any(ctx.host.describe(DISK_TEMPLATES, disk.template).nodes > 1 for disk in disks)


def wait_for_sync(
    ctx: OpContext, instance: Instance, disks: Sequence[DiskSpec] | None = None
) -> None:
    """Wait until no copy of the disks is behind; their progress is in the job's log.

    :param disks: those of an instance that is not committed yet
    :raises OpExecError: a copy is behind and nothing fills it, or the node cannot be asked
    """
    asked = list(disks) if disks is not None else disks_of(ctx, instance)
    copied = [disk for disk in asked
              if ctx.host.describe(DISK_TEMPLATES, disk.template).nodes > 1]
    if not copied:
        return
    ctx.info(f"Waiting for instance {instance.name} to sync disks")
    node = ctx.current.nodes[instance.primary_node]
    pause, report, stuck = FIRST_POLL, 0.0, time.monotonic() + PATIENCE
    silent = time.monotonic() + SILENCE
    while True:
        try:
            behind = _behind(ctx, instance, node, copied)
        except _NotSaid as exc:
            if time.monotonic() > silent:
                raise
            ctx.info(f"{exc.message}; asking again")
            ctx.check_cancelled()
            time.sleep(POLL)
            stuck = time.monotonic() + PATIENCE
            continue
        if not behind:
            break
        now = time.monotonic()
        silent = now + SILENCE
        if any(status.sync_percent is not None for _, status in behind):
            stuck = now + PATIENCE
            if now >= report:
                _report(ctx, behind)
                report = now + REPORT
        elif now > stuck:
            raise OpExecError(
                f"Disks of instance {instance.name} are degraded and nothing synchronizes them: "
                + "; ".join(f"disk {disk.index}: {status.reason or 'a copy is behind'}"
                            for disk, status in behind))
        ctx.check_cancelled()
        time.sleep(pause)
        pause = min(2 * pause, POLL)
    ctx.info(f"Instance {instance.name}'s disks are in sync")


class _NotSaid(OpExecError):
    """The driver's process on the node died, or was killed because it took too long."""


def _behind(
    ctx: OpContext, instance: Instance, node: Node, disks: Sequence[DiskSpec]
) -> list[tuple[DiskSpec, DiskStatus]]:
    states = ask_copies(ctx, [DiskQuestion(node, disk) for disk in disks], disks)
    found: list[tuple[DiskSpec, DiskStatus]] = []
    for disk in disks:
        status = states[node.uuid, disk.uuid]
        if isinstance(status, GanetiError):
            kind = _NotSaid if isinstance(status, PluginError) else OpExecError
            raise kind(f"Can't get any data about the disks of instance {instance.name} "
                       f"from node {node.name}: {status}") from status
        if status.degraded or status.local != "ok":
            found.append((disk, status))
    return found


def _report(ctx: OpContext, behind: Sequence[tuple[DiskSpec, DiskStatus]]) -> None:
    for disk, status in behind:
        if status.sync_percent is None:
            continue
        left = ("no time estimate" if status.sync_seconds is None
                else f"{_duration(status.sync_seconds)} remaining (estimated)")
        ctx.info(f"- device disk/{disk.index}: {status.sync_percent:5.2f}% done, {left}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join([*([f"{hours}h"] if hours else []), *([f"{minutes}m"] if hours or minutes
                                                          else []), f"{rest}s"])
