"""Another primary node for an instance whose disks are there already: nothing is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.instance.running import running_on
from ganeti_core.operations.placement.nodes import check_target, kept

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import Want
    from ganeti_core.model import Instance, Node
    from ganeti_core.opcodes.instance import InstanceSetParams
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.instance.modify_parameters import Changed


def home_locks(op: InstanceSetParams, snapshot: Snapshot) -> list[Want]:
    """The lock of the node that becomes the primary one."""
    return kept([snapshot.node(op.pnode).uuid]) if op.pnode else []


def with_new_primary(op: InstanceSetParams, ctx: OpContext, changed: Changed) -> Changed:
    """The instance on the node that was asked for; nothing is stopped, started or copied.

    :raises OpPrereqError: its guest runs where it is, or its copies are on other nodes
    """
    if not op.pnode:
        return changed
    instance, node = changed.instance, ctx.snapshot.node(op.pnode)
    if op.disk_template or op.disks:
        raise OpPrereqError("The primary node and the disks cannot be changed at the same time",
                            ECODE_INVAL)
    if node.uuid == instance.primary_node:
        return changed
    _check_copies(ctx, instance, node)
    check_target(node)
    if not op.force:
        _check_stopped(ctx, instance)
    secondaries = tuple(instance.primary_node if uuid == node.uuid else uuid
                        for uuid in instance.secondary_nodes)
    return changed.with_([("pnode", node.name)], primary_node=node.uuid,
                         secondary_nodes=secondaries)


def _check_copies(ctx: OpContext, instance: Instance, node: Node) -> None:
    """Disks that have copies are on two nodes: no third one has them."""
    if not instance.secondary_nodes or is_shared(ctx, instance.disk_template) or (
            node.uuid in instance.secondary_nodes):
        return
    names = " or ".join(ctx.snapshot.nodes[uuid].name for uuid in instance.secondary_nodes)
    raise OpPrereqError(
        f"The disks of instance {instance.name} have copies, and node {node.name} has none of "
        f"them: only {names} can be the new primary node", ECODE_INVAL)


def _check_stopped(ctx: OpContext, instance: Instance) -> None:
    home = ctx.snapshot.nodes[instance.primary_node]
    try:
        runs = running_on(ctx, instance, home) is not None
    except GanetiError as exc:
        ctx.warn(f"Can't get instance runtime information: {exc}")
        return
    if runs:
        raise OpPrereqError(f"Instance is still running on {home.name}", ECODE_STATE)
