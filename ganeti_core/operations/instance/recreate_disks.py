"""``OP_INSTANCE_RECREATE_DISKS``: make lost disks of a stopped instance anew, empty."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.reservations import Resources
from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, Want
from ganeti_core.opcodes.instance import InstanceRecreateDisks
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.disks import check_spindles, is_shared, on_nodes, plan_disk, sized_as
from ganeti_core.operations.driver_needs import disk_needs
from ganeti_core.operations.instance.hardware import count_of
from ganeti_core.operations.instance.modify_disks import make_added
from ganeti_core.operations.instance.running import running_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import check_has_disks, stopped_on
from ganeti_core.operations.left_behind import writes_now
from ganeti_core.operations.parameters import given, mebibytes
from ganeti_core.operations.placement.choose import choose_nodes, default_allocator
from ganeti_core.operations.placement.disk_space import reserve_space
from ganeti_core.operations.placement.document import Request
from ganeti_core.operations.placement.instance_documents import nic_document
from ganeti_core.operations.placement.nodes import check_apart, check_target, kept, still_usable
from ganeti_core.operations.placement.request import Wanted, requested_instance
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.operations.scripts import Scripts

_CHANGEABLE = frozenset({"size", "mode", "spindles"})


@dataclass(frozen=True)
class RecreatePlan:
    """The instance as it will be, its new disks by index, and the nodes that hold them.

    :param unsure: uuids of those which may be there all the same
    """

    instance: Instance
    disks: dict[int, Disk]
    nodes: tuple[Node, ...]
    unsure: tuple[str, ...] = ()


class Recreate(Operation[InstanceRecreateDisks, RecreatePlan]):
    """Make disks again, all or some, where they were or on other nodes."""

    opcode = InstanceRecreateDisks

    def locks(self, op: InstanceRecreateDisks, snapshot: Snapshot) -> LockRequest:
        instance = snapshot.instance(op.instance_name)
        return request(op, Want(Level.INSTANCE, instance.name),
                       *kept(snapshot.node(name).uuid for name in op.nodes))

    def plan(self, op: InstanceRecreateDisks, ctx: OpContext) -> RecreatePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        check_has_disks(instance)
        asked = _asked(op, len(instance.disks))
        moves = bool(op.nodes or op.iallocator)
        nodes = _new_nodes(op, ctx, instance, asked) if moves else _old_nodes(ctx, instance)
        disks = {index: _disk(ctx, instance, index, params, nodes if moves else None)
                 for index, params in asked.items()}
        unsure = tuple(disk.uuid for index, disk in disks.items()
                       if not _is_lost(ctx, instance, index, disk, nodes))
        reserve_space(ctx, instance.name, nodes, space_needed(ctx.on_master, (
            disk_spec_of(ctx, disk, index, instance.name) for index, disk in disks.items())))
        uuids = tuple(node.uuid for node in nodes)
        return RecreatePlan(replace(instance, primary_node=uuids[0], secondary_nodes=uuids[1:]),
                            disks, nodes, unsure)

    def scripts(self, op: InstanceRecreateDisks, ctx: OpContext, plan: RecreatePlan) -> Scripts:
        return instance_scripts(ctx, "instance-recreate-disks", plan.instance, {})

    def needs(self, op: InstanceRecreateDisks, ctx: OpContext, plan: RecreatePlan) -> list[Need]:
        return disk_needs(plan.disks.values(), plan.nodes)

    def run(self, op: InstanceRecreateDisks, ctx: OpContext, plan: RecreatePlan) -> None:
        instance = plan.instance
        specs = [disk_spec_of(ctx, disk, index, instance.name)
                 for index, disk in plan.disks.items()]
        for node in plan.nodes:
            writes_now(ctx, specs, node.uuid)
        after = make_added(ctx, instance, plan.nodes, specs, wait=False, kept=plan.unsure)
        ctx.commit([*(Put(disk) for disk in plan.disks.values()), Put(instance)], forward=after)


def _asked(op: InstanceRecreateDisks, count: int) -> dict[int, dict[str, Any]]:
    """The disks to make, by index, with what changes about them."""
    found: dict[int, dict[str, Any]] = {}
    for entry in op.disks or range(count):
        match entry:
            case int(index):
                params: dict[str, Any] = {}
            case [int(index), dict(asked)]:
                params = given(asked)
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
    nodes = _nodes_of(ctx, instance)
    for node in nodes:
        if node.offline:
            raise OpPrereqError(f"Node '{node.name}' is offline", ECODE_STATE)
    return nodes


def _nodes_of(ctx: OpContext, instance: Instance) -> tuple[Node, ...]:
    return tuple(ctx.snapshot.nodes[uuid]
                 for uuid in (instance.primary_node, *instance.secondary_nodes))


def _new_nodes(
    op: InstanceRecreateDisks, ctx: OpContext, instance: Instance, asked: dict[int, Any]
) -> tuple[Node, ...]:
    """Other nodes for all disks, named or chosen; the old primary may be dead."""
    if op.nodes and op.iallocator:
        raise OpPrereqError("Give either the nodes or an iallocator that chooses them, not both",
                            ECODE_INVAL)
    if op.nodes and len(op.nodes) != 1 + len(instance.secondary_nodes):
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
    if op.iallocator:
        return _chosen_nodes(ctx, instance, op.iallocator)
    nodes = tuple(ctx.snapshot.node(name) for name in op.nodes)
    check_apart(nodes)
    for node in nodes:
        check_target(node)
    return nodes


def _chosen_nodes(ctx: OpContext, instance: Instance, asked: str) -> tuple[Node, ...]:
    """The nodes that an allocator would give the instance if it were new."""
    allocator = default_allocator(ctx, asked)
    disks = ctx.snapshot.disks_of(instance)
    wanted = requested_instance(ctx, Wanted(
        instance.name, instance.disk_template, instance.hypervisor, instance.os,
        instance.beparams,
        [{"size": disk.size, "mode": disk.mode, "spindles": disk.spindles} for disk in disks],
        [nic_document(ctx.host, {"mac": nic.mac, "ip": nic.ip, **nic.nicparams})
         for nic in instance.nics],
        instance.tags))
    space = space_needed(ctx.on_master, (
        disk_spec_of(ctx, disk, index, instance.name)
        for index, disk in enumerate(disks))).storages
    with ctx.services.reservations.turn():
        names = choose_nodes(ctx, allocator, Request({**wanted, "type": "allocate"}))
        nodes = tuple(ctx.current.node(name) for name in names)
        ctx.services.reservations.hold_resources(
            instance.name, {node.uuid: Resources(disk=space) for node in nodes}, ctx.owner)
    ctx.info(f"Selected nodes for instance {instance.name} via iallocator {allocator}: "
             f"{', '.join(names)}")
    ctx.lock_more(*kept(node.uuid for node in nodes))
    return still_usable(ctx, nodes)


def _disk(
    ctx: OpContext, instance: Instance, index: int, params: dict[str, Any],
    nodes: tuple[Node, ...] | None,
) -> Disk:
    """The disk as it will be; those that it lies on are as large as its template plans them."""
    old = ctx.snapshot.disks_of(instance)[index]
    mode = params.get("mode", old.mode)
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    size = mebibytes(params.get("size", old.size), f"disk {index}")
    spindles = old.spindles
    if params.get("spindles") is not None:
        spindles = count_of(params["spindles"], f"spindles of disk {index}")
        check_spindles(ctx, spindles, nodes or _nodes_of(ctx, instance))
    resized = (size, spindles) != (old.size, old.spindles)
    # What is known of the copies that are lost says nothing of new ones.
    disk = replace(old, size=size, mode=mode, spindles=spindles, stale=())
    if nodes is not None:
        disk = on_nodes(ctx, disk, nodes)
    if is_shared(ctx, old.template) or (nodes is None and not resized):
        return disk
    asked = DiskRequest(disk.uuid, index, size, instance.name, mode, disk.name, spindles)
    return sized_as(disk, plan_disk(
        ctx, disk.template, asked, nodes or _nodes_of(ctx, instance), instance.uuid))


def _is_lost(
    ctx: OpContext, instance: Instance, index: int, disk: Disk, nodes: tuple[Node, ...]
) -> bool:
    """Check that no node has (a copy of) the disk: one would be kept, or go when this is undone.

    :returns: False where a storage does not say so for certain
    :raises OpPrereqError: one has
    """
    spec = disk_spec_of(ctx, disk, index, instance.name)
    is_certain = True
    for node in nodes:
        status = ctx.hook(node, DISK_TEMPLATES, disk.template, "status", disk=spec.on(node.uuid))
        if status.exists:
            raise OpPrereqError(
                f"Disk {index} of instance {instance.name} exists on node {node.name} "
                f"({status.path or 'no path'}), it cannot be made anew", ECODE_STATE)
        is_certain = is_certain and status.local != "unknown"
    return is_certain


OPERATIONS = (Recreate(),)
