"""``OP_NODE_POWERCYCLE``: reset a node hard, whatever goes on there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.opcodes.node import NodePowercycle
from ganeti_core.operations.base import Operation
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import hook_answer

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext


class PowerCycle(Operation[NodePowercycle, "Node"]):
    """Let a node's hypervisor reset it.

    It is the last resort: it waits for no lock, and for nothing that the node owes.
    """

    opcode = NodePowercycle

    def plan(self, op: NodePowercycle, ctx: OpContext) -> Node:
        node = ctx.snapshot.node(op.node_name)
        if node.uuid == ctx.snapshot.cluster.master_node and not op.force:
            raise OpPrereqError(
                "The node is the master and the force parameter was not set", ECODE_INVAL)
        if node.offline:
            raise OpPrereqError(f"Node '{node.name}' is marked offline: it cannot be asked for "
                                "anything", ECODE_STATE)
        return node

    def run(self, op: NodePowercycle, ctx: OpContext, plan: Node) -> str:
        ctx.saga.begin()
        hypervisor = _hypervisor(ctx, plan)
        asked = ctx.hook_call(HYPERVISORS, hypervisor, "power_cycle")
        answer = ctx.fan_out([plan], lambda _: asked)[plan.uuid]
        ctx.services.touched(plan.uuid)
        if isinstance(answer, GanetiError):
            raise OpExecError(f"Failed to schedule the reboot: {answer}")
        return str(hook_answer(HYPERVISORS, hypervisor, "power_cycle", answer))


def _hypervisor(ctx: OpContext, node: Node) -> str:
    """Return the first enabled hypervisor that the node has, as far as is known."""
    enabled = ctx.snapshot.cluster.enabled_hypervisors
    has = ctx.services.drivers.facts([node]).get(node.uuid, {}).get("kinds", {})
    return next((name for name in enabled if name in has.get(HYPERVISORS.name, {})), enabled[0])


OPERATIONS = (PowerCycle(),)
