"""Carry out what disk templates plan: the one executor of disk steps, for every operation.

A verb (`plugin_api.disk_steps`) is planned for each disk by its template, on the master. What takes
the steps back is made durable before the first of them begins. Steps that follow a commit become
forward calls of the saga instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_STATE,
    GanetiError,
    JobCanceled,
    OpExecError,
    OpPrereqError,
    RpcError,
)
from ganeti_core.operations.left_behind import left_behind, with_left_behind, writes_now
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, SNAPSHOTS
from ganeti_core.specs.disks import node_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.master_hooks import MasterHooks
    from ganeti_core.plugin_api.data import DiskSpec, JsonDict, NodeRef, OpenDisk
    from ganeti_core.plugin_api.disk_steps import DiskStep, Verb
    from ganeti_core.rpc.calls import Call

Owed = tuple["Node", "Call", str]
"""A call that is to be made on a node, and what it does, for people."""

_DONE_BY = {"remove": "remove", "close": "close", "demote": "end writing to", "open": "open",
            "grow": "grow", "create": "create", "remove_snapshot": "remove the snapshot of"}


def steps_of(
    hooks: MasterHooks, verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict
) -> list[DiskStep]:
    """Let the template of `disk` plan a verb, and the templates of its children theirs.

    :raises OpPrereqError: the template cannot do that
    """
    if verb == "snapshot" and SNAPSHOTS not in hooks.host.describe(
            DISK_TEMPLATES, disk.template).capabilities:
        raise OpPrereqError(f"The disk template {disk.template} has no snapshots", ECODE_STATE)

    def of_child(
        verb: Verb, child: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict
    ) -> list[DiskStep]:
        return steps_of(hooks, verb, child, nodes, arguments)

    steps: list[DiskStep] = hooks.call(
        DISK_TEMPLATES, disk.template, "steps", {"child_steps": of_child},
        verb=verb, disk=disk, nodes=nodes, arguments=arguments)
    return steps


def plan_verb(
    ctx: OpContext, verb: Verb, disks: Iterable[DiskSpec], nodes: Sequence[Node], **arguments: Any
) -> list[DiskStep]:
    """Plan a verb for several disks, one after the other.

    :param nodes: where to act, the one that is to write first
    """
    refs = tuple(node_ref(node) for node in nodes)
    return [step for disk in disks for step in steps_of(ctx.on_master, verb, disk, refs, arguments)]


def carry_out(
    ctx: OpContext, subject: str, steps: Sequence[DiskStep], *, undo: bool = True
) -> dict[tuple[str, str], Any]:
    """Make the steps in their order, after what takes them back is durable.

    :param subject: uuid of the instance
    :param undo: False where nothing may be taken back, as when the disks are in use already
    :returns: what each hook returned, by the uuids of device and node
    :raises GanetiError: a required step failed; the saga takes back what was done
    """
    if undo and (owed := [_undo(ctx, subject, step) for step in steps if step.undo]):
        ctx.saga.record_all(owed)
    results: dict[tuple[str, str], Any] = {}
    stale: dict[str, tuple[str, ...]] = {}
    for step in steps:
        node = ctx.current.nodes[step.node]
        disk = replace(step.disk, stale=stale.get(step.disk.uuid, step.disk.stale))
        try:
            results[disk.uuid, step.node] = ctx.hook(
                node, DISK_TEMPLATES, disk.template, step.hook, subject=subject,
                disk=disk, **step.arguments)
        except GanetiError as exc:
            if step.required:
                raise _failure(step, node, exc) from exc
            ctx.warn(f"Could not {_note(step.hook, disk)} on node {node.name}: {exc}")
            stale[disk.uuid] = left_behind(ctx, disk, step.node).stale
    return results


def _failure(step: DiskStep, node: Node, exc: GanetiError) -> GanetiError:
    """The error as a user of the instance understands it; a lost answer stays what it is."""
    if step.hook != "create" or isinstance(exc, RpcError | JobCanceled):
        return exc
    return OpExecError(
        f"Can't create block device of disk {step.disk.index} on node {node.name} for instance "
        f"{step.disk.instance}: {exc.message}")


def _undo(ctx: OpContext, subject: str, step: DiskStep) -> tuple[str, Call, str]:
    call = ctx.hook_call(DISK_TEMPLATES, step.disk.template, step.undo, subject=subject,
                         disk=step.disk, **step.undo_arguments)
    return step.node, call, _note(step.undo, step.disk)


def _note(hook: str, disk: DiskSpec) -> str:
    return f"{_DONE_BY.get(hook, hook)} disk {disk.index} of {disk.instance}"


def owed_calls(ctx: OpContext, subject: str, steps: Iterable[DiskStep]) -> list[Owed]:
    """The steps as calls that are owed after a commit."""
    nodes = ctx.current.nodes
    return [(nodes[step.node],
             ctx.hook_call(DISK_TEMPLATES, step.disk.template, step.hook, subject=subject,
                           disk=step.disk, **step.arguments),
             _note(step.hook, step.disk)) for step in steps]


# The verbs, as operations use them


def make_disks(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec], *,
    opened: bool = False, kept: Collection[str] = (),
) -> list[DiskSpec]:
    """Make new disks on their nodes; removing them is the undo.

    :param opened: open them on the first node, too, and return them as it sees them
    :param kept: uuids of those that may be there already, with data: they are not removed again
    :raises OpExecError: a node cannot make one
    """
    steps = [replace(step, undo="") if step.disk.uuid in kept else step
             for step in plan_verb(ctx, "create", disks, nodes)]
    if opened:
        steps += plan_verb(ctx, "open", disks, nodes)
    results = carry_out(ctx, subject, steps)
    return [_opened(disk, nodes[0], results) for disk in disks] if opened else list(disks)


def wipe_disks(
    ctx: OpContext, node: Node, subject: str, disks: Iterable[DiskSpec], start: int = 0
) -> None:
    """Overwrite what open disks held before they were this instance's, where the cluster wants it.

    :param start: from where on, MiB
    :raises GanetiError: something may be left of it
    """
    if not ctx.current.cluster.prealloc_wipe_disks:
        return
    for disk in disks:
        ctx.feedback(f"* Wiping disk {disk.index} of {disk.instance} on node {node.name}")
        ctx.hook(node, DISK_TEMPLATES, disk.template, "wipe", subject=subject, disk=disk,
                 start=start)


def make_clean_disks(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec], *,
    kept: Collection[str] = (),
) -> list[Owed]:
    """Make new disks that nobody uses yet, and wipe them where the cluster wants it.

    :param kept: as for `make_disks`
    :returns: the calls that close them after the commit, where they had to be opened
    :raises OpExecError: a node cannot make one
    """
    wipes = ctx.current.cluster.prealloc_wipe_disks
    made = make_disks(ctx, nodes, subject, disks, opened=wipes, kept=kept)
    if not wipes:
        return []
    wipe_disks(ctx, nodes[0], subject, made)
    return close_calls(ctx, nodes, subject, disks)


def open_disks(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec], *,
    undo: bool = False,
) -> list[DiskSpec]:
    """Open disks for use on the first node; return them as it sees them, with their paths.

    :param undo: close them again if the operation fails
    :raises GanetiError: one could not be opened there
    """
    known = with_left_behind(ctx, disks, nodes)
    results = carry_out(ctx, subject, plan_verb(ctx, "open", known, nodes), undo=undo)
    return [_opened(disk, nodes[0], results) for disk in known]


def share_disks(
    ctx: OpContext, source: Node, target: Node, subject: str, disks: Sequence[DiskSpec]
) -> list[DiskSpec]:
    """Open disks on a second node while the first one uses them; return them as it sees them."""
    results = carry_out(ctx, subject, plan_verb(ctx, "share", disks, (source, target)))
    return [_opened(disk, target, results) for disk in disks]


def promote_disks(
    ctx: OpContext, node: Node, subject: str, disks: Sequence[DiskSpec], *, force: bool
) -> list[DiskSpec]:
    """Open disks on a node whose partner is lost; return them as it sees them.

    :param force: even if its copy may be old
    :raises GanetiError: the copy there cannot be used
    """
    known = with_left_behind(ctx, disks, (node,), force=force)
    steps = plan_verb(ctx, "promote", known, (node,), force=force)
    results = carry_out(ctx, subject, steps, undo=False)
    writes_now(ctx, known, node.uuid)
    return [_opened(disk, node, results) for disk in known]


def why_no_snapshots(ctx: OpContext, node: Node, disks: Sequence[DiskSpec]) -> str:
    """Say why disks cannot be copied at once; empty where they can.

    A template may need snapshots of what its devices lie on.
    """
    try:
        plan_verb(ctx, "snapshot", disks, (node,), name="any")
    except OpPrereqError as exc:
        return exc.message
    return ""


def snapshot_disks(
    ctx: OpContext, node: Node, subject: str, disks: Sequence[DiskSpec], name: str,
    quiet: Callable[[], Callable[[], object] | None],
) -> tuple[list[DiskSpec], list[Owed]]:
    """Copy open disks as they are now; until the pivot, removing the copies is the undo.

    :param quiet: lets nobody write, and returns what lets him write again, if anything does. Its
        undo is made before that of the copies: a guest does not wait for one that stays
    :returns: the disks with the paths of their copies, and the calls that remove them afterwards
    :raises GanetiError: one could not be copied
    """
    steps = plan_verb(ctx, "snapshot", disks, (node,), name=name)
    ctx.saga.record_all([_undo(ctx, subject, step) for step in steps if step.undo])
    let_write = quiet()
    results = carry_out(ctx, subject, steps, undo=False)
    if let_write is not None:
        let_write()
    # A device that lies on others may leave the copying to them.
    copies = [replace(disk, path=next((
        path for part in disk.tree() if (path := results.get((part.uuid, node.uuid), ""))), ""))
        for disk in disks]
    return copies, [(node, call, note) for _, call, note in (
        _undo(ctx, subject, step) for step in steps if step.undo)]


def _opened(disk: DiskSpec, node: Node, results: dict[tuple[str, str], Any]) -> DiskSpec:
    opened: OpenDisk = results[disk.uuid, node.uuid]
    return replace(disk.on(node.uuid), path=opened.path, uris=opened.uris)


def demote_calls(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec]
) -> list[Owed]:
    """The calls that end the use of disks on nodes that no longer write to them."""
    return owed_calls(ctx, subject, plan_verb(ctx, "demote", disks, nodes))


def close_calls(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec]
) -> list[Owed]:
    """The calls that close disks on nodes."""
    return owed_calls(ctx, subject, plan_verb(ctx, "close", disks, nodes))


def remove_calls(
    ctx: OpContext, nodes: Sequence[Node], subject: str, disks: Sequence[DiskSpec]
) -> list[Owed]:
    """The calls that close disks and remove them from nodes."""
    return [*close_calls(ctx, nodes, subject, disks),
            *owed_calls(ctx, subject, plan_verb(ctx, "remove", disks, nodes))]
