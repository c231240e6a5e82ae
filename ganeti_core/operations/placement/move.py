"""Choose where an instance moves to, set memory aside there, and keep the node as it is meanwhile.

Source and target are locked, shared with other moves: neither can be removed, drained, marked
offline or assigned to another group before the move has ended. A target that is known beforehand is
locked with the instance. For one that an allocator chooses no node is locked until it has chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.operations.base import request
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.instance_policy import check_move_policy
from ganeti_core.operations.networking import check_links
from ganeti_core.operations.placement.choose import choose_nodes, default_allocator
from ganeti_core.operations.placement.memory import reserve_memory
from ganeti_core.operations.placement.nodes import check_target, kept, still_usable
from ganeti_core.operations.placement.request import relocate_request
from ganeti_core.operations.placement.retry import retry_for_resources

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceFailover, InstanceMigrate
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class Move:
    """An instance that is to move.

    :param memory: MiB that its guest will use on the target; 0 when it is not to run
    :param doing: for messages: ``failing over``
    :param least: MiB that would do, where its guest can be made smaller; None: it cannot
    """

    instance: Instance
    memory: int
    doing: str
    least: int | None = None


@dataclass(frozen=True)
class Taken:
    """Where an instance moves to, and the memory that is set aside for its guest there, MiB."""

    node: Node
    memory: int


def move_locks(op: InstanceFailover | InstanceMigrate, snapshot: Snapshot) -> LockRequest:
    """Lock the instance, and the nodes of the move if its target is known already.

    :raises OpPrereqError: no such instance or node
    """
    instance = snapshot.instance(op.instance_name)
    wants = [Want(Level.INSTANCE, instance.name)]
    target = (instance.secondary_nodes[0] if instance.secondary_nodes
              else snapshot.node(op.target_node).uuid if op.target_node else None)
    if target is not None:
        wants += kept([instance.primary_node, target])
    return request(op, *wants)


def take_target(
    op: InstanceFailover | InstanceMigrate, ctx: OpContext, move: Move
) -> Taken:
    """Take the node to move to: the secondary, the one asked for, or the allocator's choice.

    The memory that the guest needs there is set aside.

    :raises OpPrereqError: it cannot move, or not there
    """
    target = _known_target(op, ctx, move.instance)
    if target is None:
        allocator = default_allocator(ctx, op.iallocator)
        return retry_for_resources(ctx, lambda: _allocated(op, ctx, move, allocator))
    check_target(target)
    check_move_policy(ctx, move.instance, target, ignore=op.ignore_ipolicy)
    if not move.memory:
        return Taken(target, 0)
    check_links(ctx, move.instance, move.instance.nics, target)
    return Taken(target, retry_for_resources(ctx, lambda: _reserve(ctx, move, target)))


def _reserve(ctx: OpContext, move: Move, target: Node) -> int:
    return reserve_memory(
        ctx, move.instance, target, move.memory, move.doing, least=move.least)


def _known_target(
    op: InstanceFailover | InstanceMigrate, ctx: OpContext, instance: Instance
) -> Node | None:
    """The only node it can move to, or the one that was asked for; None: any may be chosen."""
    if instance.secondary_nodes:
        secondary = ctx.snapshot.nodes[instance.secondary_nodes[0]]
        if op.target_node is not None and ctx.snapshot.node(op.target_node).uuid != secondary.uuid:
            raise OpPrereqError(
                f"Instances with disk template {instance.disk_template} cannot be moved to "
                f"arbitrary nodes: only to {secondary.name}", ECODE_INVAL)
        return secondary
    if not is_shared(ctx, instance.disk_template):
        raise OpPrereqError(
            f"Instance's disk layout '{instance.disk_template}' does not allow migrations or "
            "failovers", ECODE_STATE)
    if op.target_node is None:
        return None
    if op.iallocator is not None:
        raise OpPrereqError("Do not specify both, iallocator and target node", ECODE_INVAL)
    target = ctx.snapshot.node(op.target_node)
    _check_elsewhere(instance, target)
    return target


def _check_elsewhere(instance: Instance, target: Node) -> None:
    if target.uuid == instance.primary_node:
        raise OpPrereqError(
            f"Cannot migrate instance {instance.name} to its primary node ({target.name})",
            ECODE_STATE)


def _allocated(
    op: InstanceFailover | InstanceMigrate, ctx: OpContext, move: Move, allocator: str
) -> Taken:
    instance = move.instance
    # Memory is set aside before the next job chooses, so that it sees this choice.
    with ctx.services.reservations.turn():
        source = ctx.current.nodes[instance.primary_node].name
        names = choose_nodes(ctx, allocator, relocate_request(ctx, instance, [source]))
        chosen = ctx.current.node(names[0])
        _check_elsewhere(instance, chosen)
        ctx.services.reservations.hold_resources(
            instance.name, {chosen.uuid: Resources(memory=move.memory)}, ctx.owner)
    give_back = ctx.lock_more(*kept([instance.primary_node, chosen.uuid]))
    memory = 0
    try:
        (target,) = still_usable(ctx, [chosen])
        check_move_policy(ctx, instance, target, ignore=op.ignore_ipolicy)
        if move.memory:
            check_links(ctx, instance, instance.nics, target)
            memory = _reserve(ctx, move, target)
    except BaseException:
        give_back()
        raise
    ctx.info(f"Selected nodes for instance {instance.name} via iallocator {allocator}: "
             f"{target.name}")
    return Taken(target, memory)
