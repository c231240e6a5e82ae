"""Operations that exercise the engine: wait, fail, talk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.test import TestDelay, TestDummy
from ganeti_core.operations.base import Operation, request
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

STEP = 0.2
"""Seconds between two looks at whether the job was canceled."""


@dataclass(frozen=True)
class DelayPlan:
    """On which nodes to wait."""

    nodes: tuple[Node, ...]


class Delay(Operation[TestDelay, DelayPlan]):
    """``OP_TEST_DELAY``: wait on the master and on nodes."""

    opcode = TestDelay

    def locks(self, op: TestDelay, snapshot: Snapshot) -> LockRequest:
        names = [*op.on_nodes, *(op.on_node_uuids or ())]
        nodes = [snapshot.node(name) for name in names]
        wants = () if op.no_locks else tuple(Want(Level.NODE, node.uuid) for node in nodes)
        return request(op, *wants)

    def plan(self, op: TestDelay, ctx: OpContext) -> DelayPlan:
        if op.duration <= 0:
            raise OpPrereqError("Duration must be greater than zero", ECODE_INVAL)
        names = [*op.on_nodes, *(op.on_node_uuids or ())]
        return DelayPlan(tuple(ctx.snapshot.node(name) for name in names))

    def run(self, op: TestDelay, ctx: OpContext, plan: DelayPlan) -> None:
        for turn in range(op.repeat or 1):
            if op.repeat:
                ctx.info(f"Test delay iteration {turn}/{op.repeat - 1}")
            if op.on_master:
                _wait(op.duration, ctx)
            if plan.nodes:
                _wait_on_nodes(op.duration, ctx, plan.nodes)


def _wait(duration: float, ctx: OpContext) -> None:
    deadline = time.monotonic() + duration
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, STEP))
        ctx.check_cancelled()


def _wait_on_nodes(duration: float, ctx: OpContext, nodes: tuple[Node, ...]) -> None:
    call = service_call("node.delay", {"duration": duration}, timeout=duration + 30)
    for uuid, answer in ctx.fan_out(nodes, lambda _node: call).items():
        if isinstance(answer, GanetiError):
            name = ctx.snapshot.nodes[uuid].name
            raise OpExecError(f"Error during delay on node {name}: {answer}")


class Dummy(Operation[TestDummy, None]):
    """``OP_TEST_DUMMY``: answer what was asked for, or fail."""

    opcode = TestDummy

    def plan(self, op: TestDummy, ctx: OpContext) -> None:
        return

    def run(self, op: TestDummy, ctx: OpContext, plan: None) -> Any:
        if op.fail:
            raise OpExecError("failure was asked for")
        for message in op.messages or ():
            ctx.feedback(str(message))
        return op.result


OPERATIONS = (Delay(), Dummy())
