"""``OP_INSTANCE_RECREATE_DISKS``: make lost disks of a stopped instance anew, empty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    OpExecError,
    OpPrereqError,
)
from ganeti_core.opcodes.instance import InstanceRecreateDisks
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import check_space, is_shared, remove_calls
from ganeti_core.operations.instance.running import lock_instance, running_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import check_has_disks, stopped_on
from ganeti_core.operations.instance.target import check_target
from ganeti_core.operations.parameters import mebibytes
from ganeti_core.operations.specs import disk_spec_of, node_ref
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.scripts import Scripts

_CHANGEABLE = frozenset({"size", "mode", "spindles"})


@dataclass(frozen=True)
class RecreatePlan:
    """The instance as it will be, its new disks by index, and the nodes that hold them."""

    instance: Instance
    disks: dict[int, Disk]
    nodes: tuple[Node, ...]


class Recreate(Operation[InstanceRecreateDisks, RecreatePlan]):
    """Make disks again, all or some, where they were or on other nodes."""

    opcode = InstanceRecreateDisks

    def locks(self, op: InstanceRecreateDisks, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceRecreateDisks, ctx: OpContext) -> RecreatePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        check_has_disks(instance)
        if op.iallocator:
            raise OpPrereqError(
                "The parameter 'iallocator' is not available in this version: name the nodes",
                ECODE_INVAL)
        asked = _asked(op, len(instance.disks))
        moves = bool(op.nodes)
        nodes = _new_nodes(op, ctx, instance, asked) if moves else _old_nodes(ctx, instance)
        disks = {index: _disk(ctx, instance, index, params, nodes if moves else None)
                 for index, params in asked.items()}
        for index, disk in disks.items():
            _check_lost(ctx, instance, index, disk, nodes[0])
        for node in nodes:
            check_space(ctx, node, instance.disk_template, sum(d.size for d in disks.values()))
        uuids = tuple(node.uuid for node in nodes)
        return RecreatePlan(replace(instance, primary_node=uuids[0], secondary_nodes=uuids[1:]),
                            disks, nodes)

    def scripts(self, op: InstanceRecreateDisks, ctx: OpContext, plan: RecreatePlan) -> Scripts:
        return instance_scripts(ctx, "instance-recreate-disks", plan.instance, {})

    def run(self, op: InstanceRecreateDisks, ctx: OpContext, plan: RecreatePlan) -> None:
        instance = plan.instance
        specs = [disk_spec_of(ctx, disk, index, instance.name)
                 for index, disk in plan.disks.items()]
        for node in plan.nodes:
            steps = remove_calls(ctx, node, instance.uuid, specs)
            ctx.saga.record_all([(where.uuid, call, note) for where, call, note in steps])
            for spec in specs:
                try:
                    ctx.hook(node, DISK_TEMPLATES, spec.template, "create",
                             subject=instance.uuid, disk=spec)
                except GanetiError as exc:
                    raise OpExecError(
                        f"Can't create block device of disk {spec.index} on node {node.name} for "
                        f"instance {instance.name}: {exc.args[0] if exc.args else exc}") from exc
        ctx.commit([*(Put(disk) for disk in plan.disks.values()), Put(instance)])


def _asked(op: InstanceRecreateDisks, count: int) -> dict[int, dict[str, Any]]:
    """The disks to make, by index, with what changes about them."""
    found: dict[int, dict[str, Any]] = {}
    for entry in op.disks or range(count):
        match entry:
            case int(index):
                params: dict[str, Any] = {}
            case [int(index), dict(params)]:
                pass
            case _:
                raise OpPrereqError(f"Invalid disk specification {entry!r}", ECODE_INVAL)
        if not 0 <= index < count:
            raise OpPrereqError(f"Invalid disk index {index}", ECODE_INVAL)
        if index in found:
            raise OpPrereqError(f"Disk index {index} given more than once", ECODE_INVAL)
        unknown = sorted(params.keys() - _CHANGEABLE)
        if unknown:
            raise OpPrereqError(
                f"Disk changes for disk {index}: '{unknown[0]}' cannot be changed", ECODE_INVAL)
        found[index] = params
    return found


def _old_nodes(ctx: OpContext, instance: Instance) -> tuple[Node, ...]:
    stopped_on(ctx, instance, "cannot recreate disks")
    nodes = tuple(ctx.snapshot.nodes[uuid]
                  for uuid in (instance.primary_node, *instance.secondary_nodes))
    for node in nodes:
        if node.offline:
            raise OpPrereqError(f"Node '{node.name}' is offline", ECODE_STATE)
    return nodes


def _new_nodes(
    op: InstanceRecreateDisks, ctx: OpContext, instance: Instance, asked: dict[int, Any]
) -> tuple[Node, ...]:
    """Other nodes for all disks; the old primary may be dead."""
    if len(op.nodes) != 1 + len(instance.secondary_nodes):
        raise OpPrereqError(
            f"Instance {instance.name} has {1 + len(instance.secondary_nodes)} nodes, but "
            f"{len(op.nodes)} replacement nodes were given", ECODE_INVAL)
    if len(asked) != len(instance.disks):
        raise OpPrereqError("Can't recreate disks partially and change the nodes at the same time",
                            ECODE_INVAL)
    if instance.admin_state == "up":
        raise OpPrereqError(
            f"Instance '{instance.name}' is marked to be up, cannot recreate disks", ECODE_STATE)
    old = ctx.snapshot.nodes[instance.primary_node]
    if not old.offline and running_on(ctx, instance, old) is not None:
        raise OpPrereqError(
            f"Instance '{instance.name}' is running, cannot recreate disks", ECODE_STATE)
    nodes = tuple(ctx.snapshot.node(name) for name in op.nodes)
    for node in nodes:
        check_target(ctx, instance, node, starts=False)
    return nodes


def _disk(
    ctx: OpContext, instance: Instance, index: int, params: dict[str, Any],
    nodes: tuple[Node, ...] | None,
) -> Disk:
    """The disk as it will be; on new nodes its template plans it again."""
    old = ctx.snapshot.disks_of(instance)[index]
    mode = params.get("mode", old.mode)
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    size = mebibytes(params.get("size", old.size), f"disk {index}")
    disk = replace(old, size=size, mode=mode, spindles=params.get("spindles", old.spindles))
    if nodes is None:
        return disk
    disk = replace(disk, nodes=tuple(node.uuid for node in nodes))
    if is_shared(ctx, old.template):
        return disk
    asked = DiskRequest(disk.uuid, index, size, instance.name, mode, disk.name, disk.spindles)
    planned = ctx.host.driver(DISK_TEMPLATES, disk.template).layout(
        request=asked, nodes=tuple(node_ref(node) for node in nodes), granted={},
        settings=ctx.settings).disk
    return replace(disk, logical_id=planned.logical_id)


def _check_lost(
    ctx: OpContext, instance: Instance, index: int, disk: Disk, node: Node
) -> None:
    """:raises OpPrereqError: the disk is there; its data would be kept, which nobody asked for"""
    spec = disk_spec_of(ctx, disk, index, instance.name)
    status = ctx.hook(node, DISK_TEMPLATES, disk.template, "status", disk=spec)
    if status.exists:
        raise OpPrereqError(
            f"Disk {index} of instance {instance.name} exists on node {node.name} "
            f"({status.path or 'no path'}), it cannot be made anew", ECODE_STATE)


OPERATIONS = (Recreate(),)
