"""Which copies of disks miss something that was written: kept with the disk, before it is written.

A node that was away cannot know by itself that its copy is old. So whoever lets a disk be written
while a copy cannot follow writes that down first, in the configuration; it is forgotten when the
copies have been seen alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.plugin_api.data import DiskStatus
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, MIRRORED
from ganeti_core.query.live import DiskQuestion
from ganeti_core.specs.disks import disk_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.errors import GanetiError
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec
    from ganeti_core.plugins import PluginHost


def with_left_behind(
    ctx: OpContext, disks: Sequence[DiskSpec], nodes: Sequence[Node], *, force: bool = False
) -> list[DiskSpec]:
    """Write down which copies do not follow what the first of `nodes` is going to write.

    A first node that is left behind itself may not write, unless it is forced to: then nothing is
    written down yet, for the template is going to refuse.

    :returns: the disks with what is known of their copies
    """
    present = {node.uuid for node in nodes}
    writer = "" if force else nodes[0].uuid
    marked = []
    for disk in disks:
        absent = [ref.uuid for ref in disk.nodes if ref.uuid not in present]
        marked.append(_marked(ctx, disk, absent, writer=writer) if absent else disk)
    return marked


def left_behind(ctx: OpContext, disk: DiskSpec, node: str) -> DiskSpec:
    """Write down that the copy on a node (uuid), which was to follow, does not."""
    return _marked(ctx, disk, [node])


def ask_copies(
    ctx: OpContext, questions: Sequence[DiskQuestion], disks: Iterable[DiskSpec]
) -> Mapping[tuple[str, str], DiskStatus | GanetiError]:
    """Ask how disks are; forget what was written down of those whose copies are seen alike.

    What a node has reported since they were asked stays: an answer may be older than that.

    :param disks: those that may have caught up
    :returns: how they are, by the uuids of node and disk
    """
    reports = ctx.services.marks.reports()
    states = ctx.services.live.disk_states(questions)
    whole = seen_alike(states)
    for disk in disks:
        if disk.uuid in whole:
            with ctx.saga.alive():
                ctx.services.marks.forget(disk.uuid, reports)
    return states


def asked_where_written(
    snapshot: Snapshot, host: PluginHost, instances: Iterable[Instance]
) -> list[DiskQuestion]:
    """How disks of instances are on their primary nodes; of offline nodes nothing is known."""
    return [DiskQuestion(node, disk_spec(snapshot, host, disk, index, instance.name))
            for instance in instances if not instance.forthcoming
            if not (node := snapshot.nodes[instance.primary_node]).offline
            for index, disk in enumerate(snapshot.disks_of(instance))]


def seen_alike(states: Mapping[tuple[str, str], DiskStatus | GanetiError]) -> set[str]:
    """The disks (uuids) of which a node that writes to them sees that all copies follow.

    :param states: how disks are, by the uuids of node and disk
    """
    return {disk for (_, disk), status in states.items()
            if isinstance(status, DiskStatus) and status.exists and status.is_open
            and status.local == "ok" and not status.degraded}


def fallen_behind(
    ctx: OpContext, states: Mapping[tuple[str, str], DiskStatus | GanetiError],
    disks: Iterable[DiskSpec],
) -> None:
    """Write down the copies of disks that are written to on their first node, and do not follow.

    That may be the one of that node itself, where it writes to another one's.

    :param states: how the disks are, by the uuids of node and disk
    """
    lost: list[tuple[str, DiskQuestion]] = []
    for disk in disks:
        first, *copies = (ref.uuid for ref in disk.nodes) if disk.nodes else ("",)
        status = states.get((first, disk.uuid))
        if not (isinstance(status, DiskStatus) and status.is_open and status.degraded
                and status.sync_percent is None):
            continue
        if status.local == "ok":
            _marked(ctx, disk, copies, writer=first)
        elif status.local == "faulty":
            lost += [(first, DiskQuestion(node, disk)) for copy in copies
                     if not (node := ctx.current.nodes[copy]).offline]
    found = ctx.services.live.disk_states([question for _, question in lost]) if lost else {}
    for first, question in lost:
        copy = found[question.key]
        if isinstance(copy, DiskStatus) and copy.has_all:
            _marked(ctx, question.disk, [first], writer=question.node.uuid)


def writes_now(ctx: OpContext, disks: Iterable[DiskSpec], node: str) -> None:
    """Forget that the copy on a node (uuid) was left behind: by now it is the one that counts."""
    for disk in disks:
        with ctx.saga.alive():
            ctx.services.marks.drop(disk.uuid, node)


def _marked(
    ctx: OpContext, disk: DiskSpec, nodes: Collection[str], *, writer: str = ""
) -> DiskSpec:
    if MIRRORED not in ctx.host.describe(DISK_TEMPLATES, disk.template).capabilities:
        return disk
    with ctx.saga.alive():
        stale = ctx.services.marks.add(disk.uuid, nodes, writer=writer)
    return replace(disk, stale=stale)
