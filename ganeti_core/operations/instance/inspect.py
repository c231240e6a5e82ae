"""``OP_INSTANCE_QUERY_DATA`` and ``OP_INSTANCE_CONSOLE``: tell about instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.instance import InstanceConsole, InstanceQueryData
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.instance.running import lock_instance, primary_of, running_on
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.consoles import console_document
from ganeti_core.query.instance_data import instance_data
from ganeti_core.specs.disks import node_ref

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance
    from ganeti_core.operations.context import OpContext


class QueryData(Operation[InstanceQueryData, list[str]]):
    """Tell all about instances."""

    opcode = InstanceQueryData

    def locks(self, op: InstanceQueryData, snapshot: Snapshot) -> LockRequest:
        if not op.use_locking:
            return request(op)
        return request(op, *(Want(Level.INSTANCE, snapshot.instance(name).name, exclusive=False)
                             for name in op.instances))

    def plan(self, op: InstanceQueryData, ctx: OpContext) -> list[str]:
        if op.instances:
            return [ctx.snapshot.instance(name).name for name in op.instances]
        return sorted(instance.name for instance in ctx.snapshot.instances.values())

    def run(self, op: InstanceQueryData, ctx: OpContext, plan: list[str]) -> dict[str, Any]:
        return instance_data(ctx.current, ctx.host, ctx.services.live, plan, static=op.static)


class Console(Operation[InstanceConsole, "Instance"]):
    """Return how to reach the console of a running instance."""

    opcode = InstanceConsole

    def locks(self, op: InstanceConsole, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceConsole, ctx: OpContext) -> Instance:
        return ctx.snapshot.instance(op.instance_name)

    def run(self, op: InstanceConsole, ctx: OpContext, plan: Instance) -> dict[str, Any]:
        node = primary_of(ctx, plan)
        if running_on(ctx, plan, node) is None:
            state = "ERROR_down" if plan.admin_state == "up" else f"ADMIN_{plan.admin_state}"
            raise OpPrereqError(
                f"Instance {plan.name} is not running (state {state})", ECODE_STATE)
        console = ctx.hook(node, HYPERVISORS, plan.hypervisor, "console",
                           instance=spec_of(ctx, plan), node=node_ref(node))
        return console_document(ctx.current, console, node)


OPERATIONS = (QueryData(), Console())
