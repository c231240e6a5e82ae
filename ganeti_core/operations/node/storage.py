"""``OP_NODE_QUERY_STORAGE``: the units of the storage of nodes, and the room in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.names import nice_key
from ganeti_core.opcodes.node import NodeQueryStorage
from ganeti_core.operations.base import Operation, request
from ganeti_core.plugin_api.data import StorageUnit
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS
from ganeti_core.query.live import NodeLive, spaces
from ganeti_core.rpc.calls import hook_answers, hook_call
from ganeti_core.specs.storages import default_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

FIELDS = ("node", "type", "name", "size", "used", "free", "allocatable")


@dataclass(frozen=True)
class StoragePlan:
    """Whose room is asked for: nodes, the disk template that takes it, the type of units."""

    nodes: tuple[Node, ...]
    template: str
    storage_type: str


class Query(Operation[NodeQueryStorage, StoragePlan]):
    """List storage units of one type, which one disk template knows; see `storage_types`."""

    opcode = NodeQueryStorage

    def locks(self, op: NodeQueryStorage, snapshot: Snapshot) -> LockRequest:
        if not op.nodes:
            return request(op, Want(Level.NODE, ALL, exclusive=False))
        return request(op, *(Want(Level.NODE, snapshot.node(name).uuid, exclusive=False)
                             for name in op.nodes))

    def plan(self, op: NodeQueryStorage, ctx: OpContext) -> StoragePlan:
        unknown = [name for name in op.output_fields if name not in FIELDS]
        if unknown:
            raise OpPrereqError(f"Unknown output fields selected: {','.join(unknown)}",
                                ECODE_INVAL)
        nodes = [ctx.snapshot.node(name) for name in op.nodes] or [
            *ctx.snapshot.nodes.values()]
        nodes = sorted({node.uuid: node for node in nodes if node.vm_capable}.values(),
                       key=lambda node: nice_key(node.name))
        template = _template(op, ctx)
        return StoragePlan(tuple(nodes), template,
                           op.storage_type or storage_types(ctx, template)[0])

    def run(self, op: NodeQueryStorage, ctx: OpContext, plan: StoragePlan) -> list[list[Any]]:
        asked = [node for node in plan.nodes if not node.offline]
        answers = _units(ctx, asked, plan)
        rows = []
        for node in asked:
            found = answers[node.uuid]
            if isinstance(found, GanetiError):
                ctx.warn(f"Can't get storage data from node {node.name}: {found}")
                continue
            for unit in sorted(found, key=lambda unit: nice_key(unit.name)):
                if op.name in (None, unit.name):
                    values = _values(node, plan.storage_type, unit)
                    rows.append([values[name] for name in op.output_fields])
        return rows


def storage_types(ctx: OpContext, template: str) -> tuple[str, ...]:
    """Return the types of storage units that a disk template knows, its own name if no others."""
    return ctx.host.describe(DISK_TEMPLATES, template).storage_types or (template,)


def _units(
    ctx: OpContext, nodes: Sequence[Node], plan: StoragePlan
) -> Mapping[str, Sequence[StorageUnit] | GanetiError]:
    """Return the units on each node (uuid)."""
    if "storage_units" not in ctx.host.offers(DISK_TEMPLATES, plan.template):
        live = ctx.services.live.gather(nodes, frozenset({spaces(plan.template)}))
        return {uuid: _from_spaces(answer, plan.template) for uuid, answer in live.items()}
    call = hook_call(DISK_TEMPLATES, plan.template, "storage_units", settings=ctx.settings,
                     storage_type=plan.storage_type)
    return hook_answers(DISK_TEMPLATES, plan.template, "storage_units",
                        ctx.fan_out(nodes, lambda _node: call))


def _from_spaces(
    live: NodeLive | GanetiError, template: str
) -> Sequence[StorageUnit] | GanetiError:
    problem = live if isinstance(live, GanetiError) else live.answers.get(spaces(template))
    if isinstance(problem, GanetiError) or not isinstance(live, NodeLive):
        return problem if isinstance(problem, GanetiError) else ()
    return [StorageUnit(space.name, space.total, space.total - space.free, space.free)
            for space in live.spaces(template) or ()]


def _template(op: NodeQueryStorage, ctx: OpContext) -> str:
    """:raises OpPrereqError: none that is enabled knows this type, or none takes room of nodes"""
    enabled = [name for name in ctx.snapshot.cluster.enabled_disk_templates
               if ctx.host.has(DISK_TEMPLATES, name)]
    known = f"Enabled disk templates are: {','.join(enabled)}"
    if op.storage_type is None:
        default = default_template(ctx.host, ctx.snapshot.cluster)
        if default is None:
            raise OpPrereqError("No disk template that takes room of nodes is enabled in this "
                                f"cluster. {known}", ECODE_INVAL)
        return default
    for name in enabled:
        reported = NO_DISKS not in ctx.host.describe(DISK_TEMPLATES, name).capabilities
        if reported and op.storage_type in (name, *storage_types(ctx, name)):
            return name
    raise OpPrereqError(f"No disk template of storage type '{op.storage_type}' is enabled in this "
                        f"cluster. {known}", ECODE_INVAL)


def _values(node: Node, storage_type: str, unit: StorageUnit) -> dict[str, Any]:
    return {"node": node.name, "type": storage_type, "name": unit.name, "size": unit.size,
            "used": unit.used, "free": unit.free, "allocatable": unit.allocatable}


OPERATIONS = (Query(),)
