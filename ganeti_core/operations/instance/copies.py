"""Whether a mirror holds all that its instance has written: asked before it moves there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.operations.left_behind import ask_copies
from ganeti_core.operations.specs import disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.live import DiskQuestion

_LOCAL = {"sync": "being filled", "stale": "older than another", "faulty": "faulty",
          "unknown": "in an unknown state"}

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskStatus


def check_copies(
    ctx: OpContext, instance: Instance, target: Node, *, ignore: bool = False,
    stands_still: bool = False, hint: str = "",
) -> None:
    """Ask the node that an instance moves to how its copies of the disks are.

    :param ignore: go on with a warning
    :param stands_still: its guest does while it moves, so no other copy need be whole
    :param hint: what to do about it, for the message
    :raises OpPrereqError: one is missing, behind, or cannot be asked about (`ECODE_STATE`)
    """
    if not instance.disks or ctx.host.describe(DISK_TEMPLATES, instance.disk_template).nodes < 2:
        return
    source = ctx.current.nodes[instance.primary_node]
    copies = disks_of(ctx, instance)
    states = ask_copies(ctx, [DiskQuestion(target, disk) for disk in copies], copies)
    problems = [f"disk {disk.index} {problem}" for disk in copies
                if (problem := _problem(
                    states[target.uuid, disk.uuid], source, stands_still=stands_still))]
    if not problems:
        return
    text = (f"Instance {instance.name}: on target node {target.name} {'; '.join(problems)}. What "
            f"was written on node {source.name} and has not reached {target.name} would be lost")
    if not ignore:
        raise OpPrereqError(f"{text}{hint}", ECODE_STATE)
    ctx.warn(f"{text}; going on, as was asked for")


def _problem(
    status: DiskStatus | GanetiError, source: Node, *, stands_still: bool
) -> str:
    if isinstance(status, GanetiError):
        return f"cannot be asked about: {status.message}"
    if not status.exists:
        return "has no copy"
    reason = f": {status.reason}" if status.reason else ""
    behind = "" if status.sync_percent is None else f" ({status.sync_percent:.1f} % in sync)"
    if status.local != "ok":
        return f"has a copy that is {_LOCAL[status.local]}{behind}{reason}"
    if stands_still and status.has_all:
        return ""
    # A copy that was whole when its partner died is as good as one can be.
    if status.degraded and (behind or not source.offline):
        return f"is degraded{behind}{reason}"
    return ""
