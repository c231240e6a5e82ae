"""``OP_INSTANCE_MULTI_ALLOC``: create several instances, their nodes chosen together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.reservations import Reservation, Resources
from ganeti_core.errors import (
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NOTUNIQUE,
    OpExecError,
    OpPrereqError,
    RequestError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.names import host_name
from ganeti_core.opcodes.instance import InstanceCreate, InstanceMultiAlloc
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import template_without_disks
from ganeti_core.operations.host_names import check_host_is_free
from ganeti_core.operations.instance.hardware import disk_requests
from ganeti_core.operations.instance.nics import FROM_POOL
from ganeti_core.operations.placement.choose import check_nodes, default_allocator, solution
from ganeti_core.operations.placement.document import Request
from ganeti_core.operations.placement.new_instance import new_instance_needs
from ganeti_core.operations.placement.request import Wanted, requested_instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class MultiPlan:
    """The creations, by name, and the allocator that chooses their nodes; empty where they have
    them already."""

    creations: dict[str, InstanceCreate]
    allocator: str = ""


@dataclass(frozen=True)
class _Placed:
    """The creations that can be tried, by name, and the names for which there is no room."""

    creations: dict[str, InstanceCreate]
    failed: tuple[str, ...] = ()


class MultiAlloc(Operation[InstanceMultiAlloc, MultiPlan]):
    """Choose nodes for all, then create each in a job of its own."""

    opcode = InstanceMultiAlloc

    def plan(self, op: InstanceMultiAlloc, ctx: OpContext) -> MultiPlan:
        creations = _creations(op, ctx)
        placed = [name for name, creation in creations.items() if creation.pnode]
        if placed and op.iallocator is None and len(placed) == len(creations):
            return MultiPlan(creations)
        if placed:
            raise OpPrereqError("Mixing instances with and without a node is not possible: "
                                f"{', '.join(placed)}", ECODE_INVAL)
        plan = MultiPlan(creations, default_allocator(ctx, op.iallocator))
        if op.dry_run:
            _choose(ctx, plan)  # it ends here, and asks whether there are places
        return plan

    def run(self, op: InstanceMultiAlloc, ctx: OpContext, plan: MultiPlan) -> dict[str, Any]:
        # Nobody chooses between the choice and the reservations for those that were chosen for.
        with ctx.services.reservations.turn():
            placed = _choose(ctx, plan)
            creations = placed.creations.values()

            def result(ids: Sequence[int]) -> dict[str, Any]:
                return {"jobs": [[True, job_id] for job_id in ids],
                        "allocatable": list(placed.creations), "failed": list(placed.failed)}

            return result(ctx.submit_jobs(
                op, [[creation] for creation in creations],
                [_reservation(ctx, creation) for creation in creations],
                result) if creations else ())


def _choose(ctx: OpContext, plan: MultiPlan) -> _Placed:
    if not plan.allocator:
        return _Placed(plan.creations)
    result = solution(ctx, plan.allocator, Request({
        "type": "multi-allocate",
        "instances": [_item(ctx, creation) for creation in plan.creations.values()]}), "nodes")
    return _placed(ctx, plan.allocator, result, plan.creations)


def _reservation(ctx: OpContext, creation: InstanceCreate) -> Reservation:
    """What a creation will set aside itself, from now on."""
    memory = _item(ctx, creation)["memory"]
    nodes = [ctx.current.node(name) for name in (creation.pnode, creation.snode) if name]
    template = creation.disk_template or template_without_disks(ctx)
    try:
        disks = disk_requests(creation.instance_name, creation.disks,
                              no_disks=not creation.disks)
        needs = new_instance_needs(ctx, template, disks, (memory, nodes))
    except OpPrereqError:
        needs = {nodes[0].uuid: Resources(memory)}  # its job will say what is wrong with its disks
    return Reservation(creation.instance_name, needs)


def _creations(op: InstanceMultiAlloc, ctx: OpContext) -> dict[str, InstanceCreate]:
    found: dict[str, InstanceCreate] = {}
    for entry in op.instances:
        try:
            creation = InstanceCreate.parse(entry)
        except (RequestError, TypeError, AttributeError) as exc:
            raise OpPrereqError(f"Invalid instance description: {exc}", ECODE_INVAL) from exc
        name = host_name(creation.instance_name)
        if creation.iallocator:
            raise OpPrereqError(f"Instance {name}: name an iallocator for all instances, not for "
                                "one", ECODE_INVAL)
        if name in found:
            raise OpPrereqError(f"There are duplicate instance names: {name}", ECODE_INVAL)
        if name in ctx.snapshot.names.get("instance", {}):
            raise OpPrereqError(f"Instance '{name}' is already in the cluster", ECODE_EXISTS)
        check_host_is_free(ctx, name)
        found[name] = replace(creation, instance_name=name)
    if not found:
        raise OpPrereqError("No instances were given", ECODE_INVAL)
    _check_distinct(found.values())
    return found


def _check_distinct(creations: Iterable[InstanceCreate]) -> None:
    """:raises OpPrereqError: cards would have one MAC, or addresses of one network
    (`ECODE_NOTUNIQUE`)"""
    nics = [nic for creation in creations for nic in creation.nics if isinstance(nic, dict)]
    macs = Counter(str(nic["mac"]).lower() for nic in nics if ":" in str(nic.get("mac")))
    addresses = Counter((nic["network"], nic["ip"]) for nic in nics if nic.get("network")
                        and isinstance(nic.get("ip"), str) and nic["ip"] != FROM_POOL)
    taken = [mac for mac, count in macs.items() if count > 1]
    taken += [address for (_, address), count in addresses.items() if count > 1]
    if taken:
        raise OpPrereqError(f"Several of the instances would have the address {taken[0]}",
                            ECODE_NOTUNIQUE)


def _item(ctx: OpContext, creation: InstanceCreate) -> dict[str, Any]:
    item = requested_instance(ctx, Wanted(
        creation.instance_name, creation.disk_template or template_without_disks(ctx),
        creation.hypervisor or ctx.snapshot.cluster.enabled_hypervisors[0],
        creation.os_type or "", creation.beparams, creation.disks, creation.nics, creation.tags))
    group = ctx.snapshot.group(creation.group_name).name if creation.group_name else None
    return {**item, "group_name": group}


def _placed(
    ctx: OpContext, allocator: str, result: list[Any], creations: dict[str, InstanceCreate]
) -> _Placed:
    wrong = OpExecError(f"iallocator '{allocator}' gave a result of the wrong form, which must be "
                        f"[allocated, failed]: {str(result)[:200]}")
    match result:
        case [list(allocated), list(failed)]:
            pass
        case _:
            raise wrong
    chosen = {}
    for entry in allocated:
        match entry:
            case [str(name), [primary, *others]] if name in creations and len(others) < 2:
                check_nodes(ctx, allocator, [primary, *others])
                chosen[name] = replace(creations[name], pnode=primary, opportunistic_locking=False,
                                       snode=others[0] if others else None)
            case _:
                raise wrong
    return _Placed(chosen, tuple(map(str, failed)))


OPERATIONS = (MultiAlloc(),)
