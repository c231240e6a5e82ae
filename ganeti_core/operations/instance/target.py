"""Choose and check where an instance moves to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    ECODE_NORES,
    ECODE_STATE,
    OpPrereqError,
    RpcError,
)
from ganeti_core.model.params import filled_beparams
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.placement import choose_nodes, default_allocator
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext


def choose_target(
    ctx: OpContext, instance: Instance, asked: str | None, allocator: str | None
) -> Node:
    """The node to move to: the secondary, the one asked for, or the allocator's choice.

    :raises OpPrereqError: it cannot move, or not there
    """
    if instance.secondary_nodes:
        secondary = ctx.snapshot.nodes[instance.secondary_nodes[0]]
        if asked is not None and ctx.snapshot.node(asked).uuid != secondary.uuid:
            raise OpPrereqError(
                f"Instances with disk template {instance.disk_template} cannot be moved to "
                f"arbitrary nodes: only to {secondary.name}", ECODE_INVAL)
        return secondary
    if not is_shared(ctx, instance.disk_template):
        raise OpPrereqError(
            f"Instance's disk layout '{instance.disk_template}' does not allow migrations or "
            "failovers", ECODE_STATE)
    if asked is not None and allocator is not None:
        raise OpPrereqError("Do not specify both, iallocator and target node", ECODE_INVAL)
    if asked is not None:
        target = ctx.snapshot.node(asked)
    else:
        target = _allocated(ctx, instance, default_allocator(ctx, allocator))
    if target.uuid == instance.primary_node:
        raise OpPrereqError(
            f"Cannot migrate instance {instance.name} to its primary node ({target.name})",
            ECODE_STATE)
    return target


def _allocated(ctx: OpContext, instance: Instance, allocator: str) -> Node:
    source = ctx.snapshot.nodes[instance.primary_node].name
    names = choose_nodes(ctx, allocator, {
        "type": "relocate", "name": instance.name, "relocate_from": [source], "required_nodes": 1,
        "disk_space_total": sum(disk.size for disk in ctx.snapshot.disks_of(instance))})
    ctx.info(f"Selected nodes for instance {instance.name} via iallocator {allocator}: "
             f"{', '.join(names)}")
    return ctx.snapshot.node(names[0])


def check_target(ctx: OpContext, instance: Instance, target: Node, *, starts: bool) -> None:
    """:raises OpPrereqError: the node cannot take the instance"""
    if target.offline:
        raise OpPrereqError(f"Can't use offline node '{target.name}'", ECODE_STATE)
    if target.drained:
        raise OpPrereqError(f"Can't use drained node '{target.name}'", ECODE_STATE)
    if not target.vm_capable:
        raise OpPrereqError(f"Can't use non-vm_capable node '{target.name}'", ECODE_STATE)
    if not starts:
        return
    try:
        facts = ctx.hook(target, HYPERVISORS, instance.hypervisor, "host_facts")
    except RpcError as exc:
        raise OpPrereqError(f"Node '{target.name}' cannot be asked: {exc}", ECODE_ENVIRON) from exc
    wanted = filled_beparams(ctx.snapshot.cluster, instance)["minmem"]
    if facts.memory_free < wanted:
        raise OpPrereqError(
            f"Not enough memory on node {target.name} for instance {instance.name}: needed "
            f"{wanted} MiB, available {facts.memory_free} MiB", ECODE_NORES)
