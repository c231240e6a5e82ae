"""``OP_TEST_JQUEUE`` and ``OP_TEST_OS_PARAMS``: what a client checks the job queue with."""

from __future__ import annotations

import socket
import tempfile
import time
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, OpExecError, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.test import TestJqueue, TestOsParams
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.test import readable

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext

NOTICE = "jqueue-test"
"""Kind of the log entries that a client confirms: ``[path of a socket, what happens, number]``."""
PREFIX = "TESTMSG="
CONNECT_SECONDS, CONFIRM_SECONDS = 20.0, 60.0


class Exercise(Operation[TestJqueue, None]):
    """Log messages, each confirmed by the client; then succeed, or fail."""

    opcode = TestJqueue
    waits_before_locks = True

    def before_locks(self, op: TestJqueue, ctx: OpContext) -> None:
        if op.notify_waitlock:
            _confirmed(ctx, "expandnames", None, OpPrereqError)

    def locks(self, op: TestJqueue, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, snapshot.cluster.master_node))

    def plan(self, op: TestJqueue, ctx: OpContext) -> None:
        return

    def run(self, op: TestJqueue, ctx: OpContext, plan: None) -> bool:
        if op.notify_exec:
            _confirmed(ctx, "exec", None)
        ctx.info("Executing")
        if op.log_messages:
            _confirmed(ctx, "startmsg", len(op.log_messages))
        for number, message in enumerate(op.log_messages, 1):
            ctx.info(f"Sending log message {number}")
            ctx.feedback(PREFIX + message)
            _confirmed(ctx, "logmsg", number)
        if op.fail:
            raise OpExecError("Opcode failure was requested")
        return True


def _confirmed(
    ctx: OpContext, what: str, number: int | None, error: type[GanetiError] = OpExecError
) -> None:
    """Tell the client through the job's log, and wait until it has come to a socket and gone.

    :raises GanetiError: it did not; of the class `error`
    """
    with tempfile.TemporaryDirectory(prefix="ganeti-jqueue-") as folder, socket.socket(
            socket.AF_UNIX) as listener:
        path = f"{folder}/sock"
        listener.bind(path)
        listener.listen(1)
        ctx.log_entry(NOTICE, [path, what, number])
        if not readable(listener, time.monotonic() + CONNECT_SECONDS, ctx):
            raise error(f"Client didn't connect in time ({CONNECT_SECONDS:g} s)")
        caller, _ = listener.accept()
    with caller:
        if not readable(caller, time.monotonic() + CONFIRM_SECONDS, ctx):
            raise error(f"Client failed to confirm notification ({CONFIRM_SECONDS:g} s)")


class ShowSecrets(Operation[TestOsParams, None]):
    """Say which secret parameters have arrived: the job's log is kept, so their values are not in
    it."""

    opcode = TestOsParams

    def plan(self, op: TestOsParams, ctx: OpContext) -> None:
        return

    def run(self, op: TestOsParams, ctx: OpContext, plan: None) -> None:
        if not op.osparams_secret:
            raise OpExecError("Opcode needs secret parameters")
        ctx.feedback(f"Secret OS parameters: {', '.join(sorted(op.osparams_secret))}")


OPERATIONS = (Exercise(), ShowSecrets())
