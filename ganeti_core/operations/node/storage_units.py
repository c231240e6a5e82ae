"""``OP_NODE_QUERYVOLS``, ``OP_NODE_MODIFY_STORAGE`` and ``OP_REPAIR_NODE_STORAGE``.

They are faces of hooks that a disk template need not have. Types of storage are those that disk
templates declare, or their own names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.names import nice_key
from ganeti_core.opcodes.node import NodeModifyStorage, NodeQueryvols
from ganeti_core.opcodes.other import RepairNodeStorage
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.node.storage import storage_types
from ganeti_core.operations.node_drivers import Need
from ganeti_core.plugin_api.data import DiskStatus
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.live import DiskQuestion
from ganeti_core.rpc.calls import hook_answers, hook_call
from ganeti_core.specs.disks import disk_spec

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import Volume

FIELDS = ("node", "phys", "vg", "name", "size", "instance")


@dataclass(frozen=True)
class VolumesPlan:
    """Which nodes are asked, for the volumes of which disk templates."""

    nodes: tuple[Node, ...]
    templates: tuple[str, ...]


class Volumes(Operation[NodeQueryvols, VolumesPlan]):
    """List the volumes of nodes, and whose they are."""

    opcode = NodeQueryvols

    def locks(self, op: NodeQueryvols, snapshot: Snapshot) -> LockRequest:
        if not op.nodes:
            return request(op, Want(Level.NODE, ALL, exclusive=False))
        return request(op, *(Want(Level.NODE, snapshot.node(name).uuid, exclusive=False)
                             for name in op.nodes))

    def plan(self, op: NodeQueryvols, ctx: OpContext) -> VolumesPlan:
        if unknown := [name for name in op.output_fields if name not in FIELDS]:
            raise OpPrereqError(f"Unknown output fields selected: {','.join(unknown)}",
                                ECODE_INVAL)
        enabled = [name for name in ctx.snapshot.cluster.enabled_disk_templates
                   if ctx.host.has(DISK_TEMPLATES, name)]
        templates = tuple(name for name in enabled
                          if "volumes" in ctx.host.offers(DISK_TEMPLATES, name))
        if not templates:
            raise OpPrereqError("No disk template whose volumes can be listed is enabled in this "
                                f"cluster. Enabled disk templates are: {','.join(enabled)}",
                                ECODE_INVAL)
        nodes = [ctx.snapshot.node(name) for name in op.nodes] or [*ctx.snapshot.nodes.values()]
        usable = {node.uuid: node for node in nodes if node.vm_capable and not node.offline}
        return VolumesPlan(tuple(sorted(usable.values(), key=lambda node: nice_key(node.name))),
                           templates)

    def run(self, op: NodeQueryvols, ctx: OpContext, plan: VolumesPlan) -> list[list[str]]:
        rows = []
        owners = _owners(ctx, plan.templates)
        for template in plan.templates:
            answers = _volumes(ctx, plan.nodes, template)
            for node in plan.nodes:
                found = answers[node.uuid]
                if isinstance(found, GanetiError):
                    ctx.warn(f"Can't compute volume data on node {node.name}: {found}")
                    continue
                for volume in sorted(found, key=lambda one: nice_key(one.device)):
                    owner = owners.get((node.uuid, template, volume.identity), "-")
                    values = _values(node, volume, owner)
                    rows.append([values[name] for name in op.output_fields])
        return rows


@dataclass(frozen=True)
class UnitPlan:
    """A storage unit of a node."""

    node: Node
    template: str
    storage_type: str
    name: str


class Modify(Operation[NodeModifyStorage, UnitPlan]):
    """Change a storage unit."""

    opcode = NodeModifyStorage

    def locks(self, op: NodeModifyStorage, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, snapshot.node(op.node_name).uuid))

    def plan(self, op: NodeModifyStorage, ctx: OpContext) -> UnitPlan:
        if not op.changes:
            raise OpPrereqError("Please pass at least one modification", ECODE_INVAL)
        return _unit(op, ctx, "modify_storage", "modified")

    def needs(self, op: NodeModifyStorage, ctx: OpContext, plan: UnitPlan) -> list[Need]:
        return [Need(plan.node, DISK_TEMPLATES, plan.template)]

    def run(self, op: NodeModifyStorage, ctx: OpContext, plan: UnitPlan) -> None:
        ctx.hook(plan.node, DISK_TEMPLATES, plan.template, "modify_storage",
                 subject=plan.node.uuid, storage_type=plan.storage_type, name=plan.name,
                 changes=op.changes)


class Repair(Operation[RepairNodeStorage, UnitPlan]):
    """Make a storage unit consistent again, where no instance has its only whole disks there."""

    opcode = RepairNodeStorage

    def locks(self, op: RepairNodeStorage, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, snapshot.node(op.node_name).uuid))

    def plan(self, op: RepairNodeStorage, ctx: OpContext) -> UnitPlan:
        plan = _unit(op, ctx, "repair_storage", "repaired")
        for problem in _faulty_elsewhere(ctx, plan.node):
            if not op.ignore_consistency:
                raise OpPrereqError(f"{problem}; --ignore-consistency goes on all the same",
                                    ECODE_STATE)
            ctx.warn(problem)
        return plan

    def needs(self, op: RepairNodeStorage, ctx: OpContext, plan: UnitPlan) -> list[Need]:
        return [Need(plan.node, DISK_TEMPLATES, plan.template)]

    def run(self, op: RepairNodeStorage, ctx: OpContext, plan: UnitPlan) -> None:
        ctx.feedback(f"Repairing storage unit '{plan.name}' on {plan.node.name} ...")
        ctx.hook(plan.node, DISK_TEMPLATES, plan.template, "repair_storage",
                 subject=plan.node.uuid, storage_type=plan.storage_type, name=plan.name)


def _unit(
    op: NodeModifyStorage | RepairNodeStorage, ctx: OpContext, hook: str, done: str
) -> UnitPlan:
    """:raises OpPrereqError: the type of storage cannot do that, or the node is offline"""
    node = ctx.snapshot.node(op.node_name)
    if node.offline:
        raise OpPrereqError(f"Can't use offline node '{node.name}'", ECODE_STATE)
    enabled = [name for name in ctx.snapshot.cluster.enabled_disk_templates
               if ctx.host.has(DISK_TEMPLATES, name)]
    able = [name for name in enabled if hook in ctx.host.offers(DISK_TEMPLATES, name)]
    template = next((name for name in able
                     if op.storage_type in (name, *storage_types(ctx, name))), None)
    if template is None:
        known = ", ".join(one for name in able for one in storage_types(ctx, name))
        raise OpPrereqError(
            f"Storage units of type '{op.storage_type}' can not be {done} (types that can: "
            f"{known or 'none'})", ECODE_INVAL)
    if not op.name:
        raise OpPrereqError("The name of the storage unit is missing", ECODE_INVAL)
    return UnitPlan(node, template, str(op.storage_type), op.name)


def _volumes(
    ctx: OpContext, nodes: tuple[Node, ...], template: str
) -> dict[str, list[Volume] | GanetiError]:
    """The volumes in the storages of a disk template, by node (uuid)."""
    call = hook_call(DISK_TEMPLATES, template, "volumes", settings=ctx.settings)
    return hook_answers(
        DISK_TEMPLATES, template, "volumes", ctx.fan_out(nodes, lambda _node: call))


def _owners(ctx: OpContext, templates: tuple[str, ...]) -> dict[tuple[str, str, str], str]:
    """The names of instances, by node, disk template and identity of what they have there."""
    # One version of the configuration: instances are not locked, and may be removed meanwhile.
    snapshot, found = ctx.current, {}
    for instance in snapshot.instances.values():
        for index, disk in enumerate(
                () if instance.forthcoming else snapshot.disks_of(instance)):
            for part in disk_spec(snapshot, ctx.host, disk, index, instance.name).tree():
                if part.template in templates:
                    identity = ctx.on_master.call(
                        DISK_TEMPLATES, part.template, "identity", disk=part)
                    for node in (instance.primary_node, *instance.secondary_nodes):
                        found[node, part.template, identity] = instance.name
    return found


def _values(node: Node, volume: Volume, owner: str) -> dict[str, str]:
    return {"node": node.name, "phys": volume.device, "vg": volume.storage, "name": volume.name,
            "size": str(volume.size), "instance": owner}


def _faulty_elsewhere(ctx: OpContext, node: Node) -> list[str]:
    """Which instances of a node have no whole disks on their other node, as far as is known."""
    snapshot = ctx.snapshot
    problems, questions, owners = [], [], {}
    for instance in snapshot.instances.values():
        nodes = (instance.primary_node, *instance.secondary_nodes)
        if instance.forthcoming or node.uuid not in nodes:
            continue
        for other in (snapshot.nodes[uuid] for uuid in nodes if uuid != node.uuid):
            if other.offline:
                problems.append(f"Instance '{instance.name}' has its other disks on node "
                                f"'{other.name}', which is offline")
                continue
            for index, disk in enumerate(snapshot.disks_of(instance)):
                questions.append(DiskQuestion(
                    other, disk_spec(snapshot, ctx.host, disk, index, instance.name)))
                owners[other.uuid, disk.uuid] = (
                    f"Instance '{instance.name}' has faulty disks on node '{other.name}'")
    states = ctx.services.live.disk_states(questions) if questions else {}
    return [*problems, *dict.fromkeys(
        owners[key] for key, status in states.items() if not _is_whole(status))]


def _is_whole(status: DiskStatus | GanetiError) -> bool:
    return isinstance(status, DiskStatus) and status.exists and status.local == "ok"


OPERATIONS = (Volumes(), Modify(), Repair())
