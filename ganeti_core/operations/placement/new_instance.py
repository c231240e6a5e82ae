"""Where a new instance goes: ask the allocator, and set aside what it needs there.

No node is locked meanwhile, so creations run in parallel and may choose the same (see `retry`).
What was chosen is locked then, shared, so that it is what it was until the instance is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model.params import filled_beparams
from ganeti_core.operations.placement.choose import choose_nodes, default_allocator, explain_choice
from ganeti_core.operations.placement.nodes import check_apart
from ganeti_core.operations.placement.request import allocate_request
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.specs.storages import NewDisks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest


def place_instance(
    op: InstanceCreate, ctx: OpContext, draft: Instance, disks: Sequence[DiskRequest]
) -> tuple[Node, ...]:
    """Return the nodes asked for, or those the allocator chooses, and set aside what it needs."""
    if op.pnode and op.iallocator:
        raise OpPrereqError("Do not specify both, iallocator and node", ECODE_INVAL)
    if op.pnode:
        needed = ctx.host.describe(DISK_TEMPLATES, draft.disk_template).nodes
        names = [op.pnode, *([op.snode] if op.snode else [])]
        if len(names) != needed:
            raise OpPrereqError(f"Disk template {draft.disk_template} needs {needed} node(s), "
                                f"{len(names)} given", ECODE_INVAL)
        check_apart([ctx.current.node(name) for name in names])
        return _reserved(ctx, draft, disks, names)
    allocator = default_allocator(ctx, op.iallocator)
    asked = allocate_request(op, ctx, draft, disks)
    # One at a time, for two that choose at once choose the same; but not behind an allocator that
    # hangs.
    with ctx.services.reservations.turn():
        names = choose_nodes(ctx, allocator, asked)
        nodes = _reserved(ctx, draft, disks, names)
    ctx.info(f"Selected nodes for instance {draft.name} via iallocator {allocator}: "
             f"{', '.join(names)}")
    return nodes


def explain_placement(
    op: InstanceCreate, ctx: OpContext, draft: Instance, disks: Sequence[DiskRequest]
) -> None:
    """Put into the job's log how the allocator sees every node, where it is asked to choose."""
    if not op.explain or op.pnode:
        return
    allocator = default_allocator(ctx, op.iallocator)
    explain_choice(ctx, allocator, allocate_request(op, ctx, draft, disks))


def _reserved(
    ctx: OpContext, draft: Instance, disks: Sequence[DiskRequest], names: Sequence[str]
) -> tuple[Node, ...]:
    """The nodes of these names, with what the instance needs set aside on them."""
    nodes = tuple(ctx.current.node(name) for name in names)
    memory = filled_beparams(ctx.snapshot.cluster, draft)["maxmem"]
    needed = new_instance_needs(ctx, draft.disk_template, disks, (memory, nodes))
    ctx.services.reservations.hold_resources(draft.name, needed, ctx.owner)
    return nodes


def new_instance_needs(
    ctx: OpContext, template: str, disks: Sequence[DiskRequest], on: tuple[int, Sequence[Node]]
) -> dict[str, Resources]:
    """Return what a new instance needs on its nodes, by their uuid.

    :param on: its memory (MiB), which its primary node has, and its nodes, that one first
    :raises OpPrereqError: the options of a disk make no sense
    """
    memory, nodes = on
    new = NewDisks(ctx.current, ctx.on_master, ctx.settings, template, disks)
    space = new.space_on(nodes).storages if disks else {}
    return {node.uuid: Resources(0 if at else memory, space) for at, node in enumerate(nodes)}
