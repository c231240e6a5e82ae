"""Operations that exercise the engine: wait, fail, talk."""

from __future__ import annotations

import select
import socket
import tempfile
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError, RequestError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.registry import parse
from ganeti_core.opcodes.test import TestDelay, TestDummy
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.expand import submitted
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import OpContext

STEP = 0.2
"""Seconds between two looks at whether the job was canceled."""
INTERRUPTIBLE = "delay-test"
"""Kind of the log entry that names the socket through which a delay can be ended."""


@dataclass(frozen=True)
class DelayPlan:
    """On which nodes to wait."""

    nodes: tuple[Node, ...]


class Delay(Operation[TestDelay, DelayPlan]):
    """``OP_TEST_DELAY``: wait on the master and on nodes."""

    opcode = TestDelay

    def locks(self, op: TestDelay, snapshot: Snapshot) -> LockRequest:
        nodes = {node.uuid for node in _nodes(op, snapshot)}
        if op.on_master:
            nodes.add(snapshot.cluster.master_node)
        return request(op, *(() if op.no_locks else (Want(Level.NODE, uuid) for uuid in nodes)))

    def plan(self, op: TestDelay, ctx: OpContext) -> DelayPlan:
        if op.duration <= 0:
            raise OpPrereqError("Duration must be greater than zero", ECODE_INVAL)
        return DelayPlan(_nodes(op, ctx.snapshot))

    def run(self, op: TestDelay, ctx: OpContext, plan: DelayPlan) -> None:
        for turn in range(op.repeat or 1):
            if op.repeat:
                ctx.info(f"Test delay iteration {turn}/{op.repeat - 1}")
            if op.interruptible:
                if _interrupted(op.duration, ctx):
                    return
            elif plan.nodes:
                _wait_on_nodes(op.duration, ctx, plan.nodes)  # the master waits as long for them
            elif op.on_master:
                _wait(op.duration, ctx)


def _nodes(op: TestDelay, snapshot: Snapshot) -> tuple[Node, ...]:
    found = [snapshot.node(name) for name in (*op.on_nodes, *(op.on_node_uuids or ()))]
    return tuple({node.uuid: node for node in found}.values())


def _wait(duration: float, ctx: OpContext) -> None:
    deadline = time.monotonic() + duration
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, STEP))
        ctx.check_cancelled()


def _interrupted(duration: float, ctx: OpContext) -> bool:
    """Wait until somebody connects to a socket and sends or closes, or the time is over.

    The job's log tells where it is. Return whether somebody came.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ganeti-delay-") as folder, socket.socket(
            socket.AF_UNIX) as listener:
        path = f"{folder}/sock"
        listener.bind(path)
        listener.listen(1)
        ctx.log_entry(INTERRUPTIBLE, [path])
        if not readable(listener, began + duration, ctx):
            return False
        caller, _ = listener.accept()
    with caller:
        left = began + duration - time.monotonic()
        ctx.feedback(f"Received connection, time to go is {max(0, left):.0f}")
        if not readable(caller, began + duration, ctx):
            return False
    ctx.feedback(f"Interrupted, time spent waiting: {time.monotonic() - began:.0f}")
    return True


def readable(sock: socket.socket, deadline: float, ctx: OpContext) -> bool:
    """Wait for something to read, at most until `deadline`."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, STEP) * 1000):
            return True
        ctx.check_cancelled()
    return False


def _wait_on_nodes(duration: float, ctx: OpContext, nodes: tuple[Node, ...]) -> None:
    call = service_call("node.delay", {"duration": duration}, timeout=duration + 30)
    for uuid, answer in ctx.fan_out(nodes, lambda _node: call).items():
        if isinstance(answer, GanetiError):
            name = ctx.snapshot.nodes[uuid].name
            raise OpExecError(f"Error during delay on node {name}: {answer}")


class Dummy(Operation[TestDummy, "list[list[OpCode]]"]):
    """``OP_TEST_DUMMY``: answer what was asked for, submit jobs, or fail."""

    opcode = TestDummy

    def plan(self, op: TestDummy, ctx: OpContext) -> list[list[OpCode]]:
        return _jobs(op.submit_jobs)

    def run(self, op: TestDummy, ctx: OpContext, plan: list[list[OpCode]]) -> Any:
        if op.fail:
            raise OpExecError("failure was asked for")
        for message in op.messages or ():
            ctx.feedback(str(message))
        if op.submit_jobs is None:
            return op.result
        return submitted(ctx, op, plan, pivot=op.result is None) | (
            {} if op.result is None else {"result": op.result})


def _jobs(asked: Any) -> list[list[OpCode]]:
    """Read a list of jobs, each a list of opcodes.

    :raises OpPrereqError: it is not such a list (`ECODE_INVAL`)
    """
    if asked is None:
        return []
    if not isinstance(asked, list) or not all(
            isinstance(job, list) and job and all(isinstance(op, dict) for op in job)
            for job in asked):
        raise OpPrereqError("submit_jobs must be a list of jobs, each a list of opcodes",
                            ECODE_INVAL)
    try:
        return [[parse({"reason": [], **op}) for op in job] for job in asked]
    except RequestError as exc:
        raise OpPrereqError(f"submit_jobs: {exc}", ECODE_INVAL) from exc


OPERATIONS = (Delay(), Dummy())
