"""``OP_TEST_ALLOCATOR``: show what an allocator would be asked, or what it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, OpPrereqError
from ganeti_core.opcodes.test import TestAllocator
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.placement.choose import ask_allocator
from ganeti_core.operations.placement.document import Request, cluster_document
from ganeti_core.operations.placement.request import (
    Wanted,
    relocate_request,
    requested_instance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.operations.context import OpContext

Body = dict[str, Any]


class TryAllocator(Operation[TestAllocator, Body]):
    """Nothing is changed: direction ``in`` answers the document, ``out`` the allocator's answer."""

    opcode = TestAllocator

    def plan(self, op: TestAllocator, ctx: OpContext) -> Body:
        if op.direction == "out" and not op.iallocator:
            raise OpPrereqError("Missing allocator name", ECODE_INVAL)
        make = _REQUESTS.get(op.mode)
        if make is None:
            raise OpPrereqError(f"Invalid test allocator mode '{op.mode}'", ECODE_INVAL)
        return make(op, ctx)

    def run(self, op: TestAllocator, ctx: OpContext, plan: Body) -> str:
        if op.direction == "in":
            return json.dumps(cluster_document(ctx, Request(plan)))
        answer = ask_allocator(ctx, str(op.iallocator), Request(plan))
        return json.dumps(answer, separators=(",", ":")) + "\n"


def _item(op: TestAllocator, ctx: OpContext, name: str) -> Body:
    for attribute in ("memory", "disks", "disk_template", "os", "nics", "vcpus"):
        if getattr(op, attribute) is None:
            raise OpPrereqError(f"Missing attribute '{attribute}' on opcode input", ECODE_INVAL)
    if ctx.snapshot.find("instance", name) is not None:
        raise OpPrereqError(f"Instance '{name}' already in the cluster", ECODE_EXISTS)
    beparams = {"memory": op.memory, "vcpus": op.vcpus, "spindle_use": op.spindle_use}
    return requested_instance(ctx, Wanted(
        name, str(op.disk_template),
        op.hypervisor or ctx.snapshot.cluster.enabled_hypervisors[0], str(op.os), beparams,
        op.disks or (), op.nics or (), op.tags))


def _allocate(op: TestAllocator, ctx: OpContext) -> Body:
    request = {**_item(op, ctx, op.name), "type": "allocate"}
    if op.group_name:
        request["group_name"] = ctx.snapshot.group(op.group_name).name
    return request


def _multi_allocate(op: TestAllocator, ctx: OpContext) -> Body:
    items = [{**_item(op, ctx, f"{op.name}{at}"), "group_name": op.group_name}
             for at in range(op.count)]
    return {"type": "multi-allocate", "instances": items}


def _relocate(op: TestAllocator, ctx: OpContext) -> Body:
    instance = ctx.snapshot.instance(op.name)
    if instance.secondary_nodes:
        leave = instance.secondary_nodes
    elif is_shared(ctx, instance.disk_template):
        leave = (instance.primary_node,)
    else:
        raise OpPrereqError("Can't relocate non-mirrored instances", ECODE_INVAL)
    return dict(relocate_request(
        ctx, instance, [ctx.snapshot.nodes[uuid].name for uuid in leave]).body)


def _names(op: TestAllocator, ctx: OpContext) -> list[str]:
    if not op.instances:
        raise OpPrereqError("Missing instances", ECODE_INVAL)
    return [ctx.snapshot.instance(name).name for name in op.instances]


def _node_evacuate(op: TestAllocator, ctx: OpContext) -> Body:
    return {"type": "node-evacuate", "instances": _names(op, ctx),
            "evac_mode": op.evac_mode or "all"}


def _change_group(op: TestAllocator, ctx: OpContext) -> Body:
    groups = [ctx.snapshot.group(name).uuid for name in op.target_groups or ()]
    return {"type": "change-group", "instances": _names(op, ctx), "target_groups": groups}


_REQUESTS: dict[str, Callable[[TestAllocator, OpContext], Body]] = {
    "allocate": _allocate, "multi-allocate": _multi_allocate, "relocate": _relocate,
    "node-evacuate": _node_evacuate, "change-group": _change_group,
}

OPERATIONS = (TryAllocator(),)
