"""``OP_RESTRICTED_COMMAND``: run what the administrators of nodes allow there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.other import RestrictedCommand
from ganeti_core.operations.base import Operation, request
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext


class Run(Operation[RestrictedCommand, tuple["Node", ...]]):
    """Each node decides for itself whether it has such a command."""

    opcode = RestrictedCommand

    def locks(self, op: RestrictedCommand, snapshot: Snapshot) -> LockRequest:
        return request(op, *(Want(Level.NODE, snapshot.node(name).uuid, exclusive=op.use_locking)
                             for name in op.nodes))

    def plan(self, op: RestrictedCommand, ctx: OpContext) -> tuple[Node, ...]:
        if not op.nodes:
            raise OpPrereqError("No nodes were given on which to run the command", ECODE_INVAL)
        return tuple(ctx.snapshot.node(name) for name in op.nodes)

    def run(
        self, op: RestrictedCommand, ctx: OpContext, plan: tuple[Node, ...]
    ) -> list[tuple[bool, str]]:
        call = service_call("node.restricted", {"command": op.command})
        answers = ctx.fan_out(plan, lambda _node: call)
        result = []
        for node in plan:
            answer = answers[node.uuid]
            failed = isinstance(answer, GanetiError)
            result.append((not failed, f"Command '{op.command}' on node '{node.name}' failed: "
                                       f"{answer}" if failed else str(answer)))
        return result


OPERATIONS = (Run(),)
