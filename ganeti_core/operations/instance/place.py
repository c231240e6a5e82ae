"""Where a new instance goes: ask the allocator, set the room aside, and ask again if it was lost.

No node is locked, so creations run in parallel and may choose the same room. Whoever set it aside
first has it; the other chooses again. Only when that does not help is it told to try later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ganeti_core.config.reservations import Room
from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, ECODE_TEMP_NORES, OpPrereqError
from ganeti_core.locking import AnyOf, Level
from ganeti_core.model.params import filled_beparams
from ganeti_core.operations.placement import (
    choose_nodes,
    default_allocator,
    explain_choice,
    nic_document,
)
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest

T = TypeVar("T")

TRIES = 5
PATIENCE = 2.0
"""Seconds to wait before each new try, until another job gives room back."""


def candidates(op: InstanceCreate, snapshot: Snapshot) -> AnyOf | None:
    """The nodes to choose from that are free, if only such are wanted; they are held meanwhile."""
    if op.pnode or not op.opportunistic_locking:
        return None
    usable = frozenset(node.uuid for node in snapshot.nodes.values()
                       if node.vm_capable and not node.offline and not node.drained)
    return AnyOf(Level.NODE, usable, count=1, exclusive=False)


def until_there_is_room(op: InstanceCreate, ctx: OpContext, attempt: Callable[[], T]) -> T:
    """Call `attempt` until it finds room.

    :raises OpPrereqError: there is none (`ECODE_NORES`), or other jobs, or those who hold locks of
        nodes, have it (`ECODE_TEMP_NORES`)
    """
    reservations = ctx.services.reservations
    for turn in range(1, TRIES + 1):
        seen = reservations.version
        try:
            return attempt()
        except OpPrereqError as exc:
            if exc.ecode != ECODE_NORES:
                raise
            others = reservations.others_hold_room(ctx.owner)
            if turn == TRIES or (turn > 1 and not others):
                if not others and not op.opportunistic_locking:
                    raise
                raise OpPrereqError(str(exc.args[0]), ECODE_TEMP_NORES) from exc
            reservations.give_up_room(ctx.owner)
            if others:
                ctx.info(f"No room for the instance now, choosing again: {exc.args[0]}")
                reservations.wait_for_change(seen, PATIENCE)
            ctx.check_cancelled()
    raise AssertionError("the last turn answers or raises")


def choose_place(
    op: InstanceCreate, ctx: OpContext, draft: Instance, requests: Sequence[DiskRequest]
) -> tuple[Node, ...]:
    """The nodes that were asked for, or that the allocator chooses; their room is set aside."""
    if op.pnode and op.iallocator:
        raise OpPrereqError("Do not specify both, iallocator and node", ECODE_INVAL)
    needed = 2 if "mirrored" in ctx.host.describe(
        DISK_TEMPLATES, draft.disk_template).capabilities else 1
    if op.pnode:
        names = [op.pnode, *([op.snode] if op.snode else [])]
        if len(names) != needed:
            raise OpPrereqError(f"Disk template {draft.disk_template} needs {needed} node(s), "
                                f"{len(names)} given", ECODE_INVAL)
    else:
        allocator = default_allocator(ctx, op.iallocator)
        # One at a time, for two that choose at once choose the same; but not behind an allocator
        # that hangs.
        asked = _allocation(op, ctx, draft, requests, needed)
        if op.explain:
            explain_choice(ctx, allocator, asked)
        with ctx.services.reservations.turn():
            names = choose_nodes(ctx, allocator, asked)
            nodes = _held(ctx, draft, requests, names)
        ctx.info(f"Selected nodes for instance {draft.name} via iallocator {allocator}: "
                 f"{', '.join(names)}")
        return nodes
    return _held(ctx, draft, requests, names)


def _held(
    ctx: OpContext, draft: Instance, requests: Sequence[DiskRequest], names: Sequence[str]
) -> tuple[Node, ...]:
    """The nodes of these names, with the instance's room set aside on them."""
    nodes = tuple(ctx.snapshot.node(name) for name in names)
    memory = filled_beparams(ctx.snapshot.cluster, draft)["maxmem"]
    disk = sum(asked.size for asked in requests)
    ctx.services.reservations.hold_room(
        {node.uuid: Room(memory if node is nodes[0] else 0, disk) for node in nodes}, ctx.owner)
    return nodes


def _allocation(
    op: InstanceCreate, ctx: OpContext, draft: Instance, requests: Sequence[DiskRequest],
    needed: int,
) -> dict[str, Any]:
    """The request of the allocator's protocol."""
    beparams = filled_beparams(ctx.snapshot.cluster, draft)
    asked: dict[str, Any] = {
        "type": "allocate", "name": draft.name, "memory": beparams["maxmem"],
        "vcpus": beparams["vcpus"], "spindle_use": beparams["spindle_use"],
        "disks": [{"size": r.size, "mode": r.mode, "spindles": r.spindles} for r in requests],
        "disk_space_total": sum(r.size for r in requests), "disk_template": draft.disk_template,
        "nics": [nic_document({"mac": nic.mac, "ip": nic.ip, **nic.nicparams})
                 for nic in draft.nics],
        "os": draft.os, "hypervisor": draft.hypervisor, "tags": list(draft.tags),
        "required_nodes": needed}
    if op.group_name:
        asked["group_name"] = ctx.snapshot.group(op.group_name).name
    return asked
