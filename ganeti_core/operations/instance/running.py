"""Steps with running guests that several operations share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_ENVIRON, ECODE_STATE, OpPrereqError, RpcError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.operations.base import request
from ganeti_core.operations.disk_work import close_calls, demote_calls, open_disks
from ganeti_core.operations.specs import disks_of, spec_of, with_disks
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import InstanceSpec, RunningInstance
    from ganeti_core.rpc.calls import Call


def lock_instance(op: OpCode, snapshot: Snapshot, name: str) -> LockRequest:
    """The lock of one instance, under its full name.

    :raises OpPrereqError: no such instance
    """
    return request(op, Want(Level.INSTANCE, snapshot.instance(name).name))


def primary_of(ctx: OpContext, instance: Instance, *, offline_ok: bool = False) -> Node:
    """:raises OpPrereqError: the primary node is offline (`ECODE_STATE`)"""
    node = ctx.snapshot.nodes[instance.primary_node]
    if node.offline and not offline_ok:
        raise OpPrereqError(f"Instance primary node '{node.name}' is offline", ECODE_STATE)
    return node


def running_on(
    ctx: OpContext, instance: Instance, node: Node, *, despite_refusals: bool = False
) -> RunningInstance | None:
    """Ask a node whether the guest runs there, when nothing is owed to it that could change that.

    :param despite_refusals: for who only stops the guest, which may be the very cure
    :raises OpPrereqError: the node does not answer, or must first finish what is owed to it
        (`ECODE_ENVIRON`)
    """
    ctx.settle_debts(node, frozenset((instance.uuid, instance.name)),
                     despite_refusals=despite_refusals)
    try:
        found: RunningInstance | None = ctx.hook(
            node, HYPERVISORS, instance.hypervisor, "info", instance=spec_of(ctx, instance))
    except RpcError as exc:
        raise OpPrereqError(f"Error checking node {node.name}: {exc}", ECODE_ENVIRON) from exc
    return found


def start_call(ctx: OpContext, spec: InstanceSpec, *, paused: bool = False) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, "start", subject=spec.uuid, instance=spec,
                         paused=paused)


def stop_call(
    ctx: OpContext, instance: Instance, *, force: bool = True, timeout: float = 0.0
) -> Call:
    return ctx.hook_call(HYPERVISORS, instance.hypervisor, "stop", subject=instance.uuid,
                         instance=spec_of(ctx, instance), force=force, timeout=timeout)


def disk_nodes(ctx: OpContext, instance: Instance, first: Node) -> tuple[Node, ...]:
    """The nodes that take part when the instance's disks are used on `first`.

    Those that hold copies follow it; one that is offline is left out.
    """
    others = [ctx.current.nodes[uuid]
              for uuid in (instance.primary_node, *instance.secondary_nodes) if uuid != first.uuid]
    copies = [node for node in others if not node.offline] if instance.secondary_nodes else []
    return (first, *copies)


def open_on(
    ctx: OpContext, instance: Instance, node: Node, *, undo: bool = True
) -> InstanceSpec:
    """Open the instance's disks for use on a node; return it with its paths there.

    :param undo: close them again if the operation fails
    """
    opened = open_disks(ctx, disk_nodes(ctx, instance, node), instance.uuid,
                        disks_of(ctx, instance), undo=undo)
    return with_disks(spec_of(ctx, instance), opened)


def close_on(ctx: OpContext, instance: Instance, node: Node) -> list[Owed]:
    """The calls that close the instance's disks where they are used from a node."""
    return close_calls(ctx, disk_nodes(ctx, instance, node), instance.uuid,
                       disks_of(ctx, instance))


def leave(ctx: OpContext, instance: Instance, node: Node) -> list[Owed]:
    """The calls that end the use of its disks on a node that the instance has left."""
    return demote_calls(ctx, (node,), instance.uuid, disks_of(ctx, instance))


def stop_restartable(
    ctx: OpContext, instance: Instance, node: Node, timeout: float
) -> bool:
    """Stop a guest gracefully, and tell whether it ran; until the pivot, its start is the undo.

    :raises GanetiError: it could not be stopped
    """
    if running_on(ctx, instance, node) is None:
        return False
    spec = open_on(ctx, instance, node, undo=False)
    ctx.saga.record(node.uuid, start_call(ctx, spec), f"start {instance.name} again")
    ctx.call(node, stop_call(ctx, instance, force=False, timeout=timeout))
    return True


def as_asked(
    spec: InstanceSpec, hvparams: dict[str, Any], beparams: dict[str, Any]
) -> InstanceSpec:
    """The instance with parameters for this start only."""
    return replace(spec, hvparams=spec.hvparams | hvparams, beparams=spec.beparams | beparams)
