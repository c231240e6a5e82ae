"""Run one job: its opcodes one after the other, each under its locks, in a worker thread.

The event loop waits for locks and commits, so neither occupies a thread; a thread is used only
while an operation plans and acts. A thread cannot be ended: that of a killed job is left behind
with a saga that refuses it everything, while another thread undoes what it had begun.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_TEMP_NORES,
    BlockDeviceError,
    GanetiError,
    HypervisorError,
    JobCanceled,
    OpExecError,
    OpPrereqError,
    RequestError,
    StaleEpoch,
    StoreBroken,
)
from ganeti_core.jobs.inbox import Inbox, resolve
from ganeti_core.jobs.job import (
    CANCELED,
    ERROR,
    FINAL,
    RUNNING,
    SUCCESS,
    WAITING,
    Job,
    OpState,
    now,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import LockRequest
from ganeti_core.opcodes.registry import parse
from ganeti_core.opcodes.secrets import lost_secrets, secrets_in
from ganeti_core.operations.base import check_real, check_uuids, expected_by
from ganeti_core.operations.context import Journaling, OpContext, Services
from ganeti_core.operations.debt import Debt
from ganeti_core.operations.registry import operation_of
from ganeti_core.operations.saga import Saga
from ganeti_core.operations.scripts import run_after, run_before, run_config_update
from ganeti_core.operations.waiting import Waiting
from ganeti_core.spans import Place, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from ganeti_core.config.database import Write
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.jobs.queue import JobQueue
    from ganeti_core.locking import LockManager, Ticket, Want
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.base import Operation
    from ganeti_core.operations.saga import Entry
    from ganeti_core.operations.scripts import Scripts

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that an opportunistic request waits for the least that it needs."""
LOOK = 0.5
"""Seconds between two looks, while locks are waited for, at whether the job was canceled."""
CANCELED_TEXT = "Job canceled by request"
INTERRUPTED = "the master stopped while this opcode ran; what it had begun was undone"


@dataclass(frozen=True)
class Env:
    """What all runners share."""

    loop: asyncio.AbstractEventLoop
    inbox: Inbox
    queue: JobQueue
    locks: LockManager
    store: Store
    services: Services
    pool: ThreadPoolExecutor
    changed: Callable[[Job], None]
    """Wakes who waits for a change of the job; called in the loop."""


@dataclass(frozen=True)
class Acting:
    """An opcode whose thread acts: its saga, and what comes of it."""

    saga: Saga
    outcome: asyncio.Future[Any]


class _Left(Exception):
    """The master stops before this opcode has begun."""


class _Killed(Exception):
    """The opcode was killed; its saga still had these entries."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        super().__init__()
        self.entries = entries


class JobRunner:
    """Runs one job to its end."""

    def __init__(self, env: Env, job: Job, sagas: dict[int, list[Entry]] | None = None) -> None:
        self._env = env
        self.job = job
        self._sagas = sagas or {}
        self.ticket: Ticket | None = None
        self.waiting = Waiting()
        self._further: list[Ticket] = []
        self._granted: asyncio.Future[None] | None = None
        self._leaving = False
        self._acting: Acting | None = None

    def cancel(self) -> bool:
        """Ask the job to stop; True when it has not begun to act and so stops for sure."""
        self.job.cancel_wanted = True
        if self.ticket is not None and self._env.locks.cancel(self.ticket):
            if self._granted is not None and not self._granted.done():
                self._granted.set_exception(JobCanceled(CANCELED_TEXT))
            return True
        return False

    def leave(self) -> None:
        """The master stops: an opcode that acts goes on to its end, nothing more begins."""
        self._leaving = True
        if self.ticket is None or not self._env.locks.cancel(self.ticket):
            return
        if self._granted is not None and not self._granted.done():
            self._granted.set_exception(_Left())

    async def kill(self) -> bool:
        """End the opcode that acts, whatever its thread does; what it had begun is undone.

        False when none acts, or when it is ending already.
        """
        self.job.cancel_wanted = True
        acting = self._acting
        if acting is None:
            return False
        entries = await self._env.loop.run_in_executor(self._env.pool, acting.saga.poison)
        if entries is None:
            return False
        self._env.services.nodes.abandon(str(self.job.id))
        resolve(acting.outcome, _Killed(entries))
        return True

    def reorder(self) -> None:
        """The priorities changed: if the job waits for locks, it waits at another place."""
        waiting = next((op for op in self.job.ops if op.status == WAITING), None)
        if self.ticket is not None and waiting is not None:
            self._env.locks.reorder(self.ticket, waiting.priority)

    @property
    def waiting_ticket(self) -> Ticket | None:
        """The locks that the job waits for, if any."""
        tickets = [*([self.ticket] if self.ticket else []), *self._further]
        return next((ticket for ticket in tickets if ticket.state == "waiting"), None)

    async def run(self, *, only_begun: bool = False) -> None:
        """Run every opcode that is not finished, then end the job.

        :param only_begun: end what a dead master left running, and leave what follows in the queue
        """
        job = self.job
        job.start = job.start or now()
        for index, state in enumerate(job.ops):
            if state.status in FINAL:
                continue
            try:
                if self._leaving or (only_begun and not self._has_begun(index)):
                    raise _Left
                status, result = await self._run_op(index, state)
            except _Left:
                # In the database it is queued still: the next master goes on with it.
                return
            await self._write_end(index, status, result)
            if status != SUCCESS:
                return
        if job.end is None:
            await self._write_end(len(job.ops), SUCCESS, None)

    def _has_begun(self, index: int) -> bool:
        """Whether an opcode that is not finished was interrupted."""
        # Undo without the row that says it runs: that one met a full disk.
        return self.job.ops[index].status == RUNNING or index in self._sagas

    async def _run_op(self, index: int, state: OpState) -> tuple[str, Any]:
        """Run one opcode; return its final state and its result."""
        state.start = state.start or now()
        interrupted = self._has_begun(index)
        if not interrupted:
            state.move(WAITING)
            self._env.changed(self.job)
        try:
            return SUCCESS, await self._attempt(index, state, interrupted=interrupted)
        except _Left:
            raise
        except JobCanceled:
            return CANCELED, CANCELED_TEXT
        except (HypervisorError, BlockDeviceError) as exc:
            # Clients know two ways in which an operation fails; a driver's error is the second.
            return ERROR, OpExecError(str(exc)).to_wire()
        except GanetiError as exc:
            return ERROR, exc.to_wire()
        except Exception as exc:  # wall: a bug in an operation must not stop the engine
            log.exception("job %d opcode %d", self.job.id, index)
            return ERROR, OpExecError(f"internal error: {exc!r}").to_wire()
        finally:
            self._env.services.reservations.release(str(self.job.id))

    async def _attempt(self, index: int, state: OpState, *, interrupted: bool) -> Any:
        op = _opcode(state)
        operation = operation_of(op)
        if interrupted:
            return await self._recover(index, op, operation)
        self._check_cancelled()
        if operation.waits_before_locks:
            ctx = self._context(index, op, self._env.store.snapshot, self._saga(index, ()))
            await self._env.loop.run_in_executor(
                self._env.pool, operation.before_locks, op, ctx)
            self._check_cancelled()
        try:
            snapshot = await self._acquire(operation, op, state)
            self._check_cancelled()
            state.move(RUNNING)
            state.exec = now()
            row = self._change(index, {
                "status": RUNNING, "start": state.start, "exec": state.exec})
            # Not waited for: the journal keeps the order, so whatever this opcode makes durable
            # before it acts (its undo, or this row again) is behind it.
            self._env.queue.journal.submit([row], lambda _error: None)
            self._env.changed(self.job)
            return await self._act(index, op, operation, snapshot, row)
        finally:
            self._release()

    def _check_cancelled(self) -> None:
        if self._leaving:
            raise _Left
        if self.job.cancel_wanted:
            raise JobCanceled(CANCELED_TEXT)

    async def _act(
        self, index: int, op: OpCode, operation: Operation[Any, Any], snapshot: Snapshot,
        running: Write,
    ) -> Any:
        """Have a thread execute the operation; if the job is killed, another one undo it."""
        saga = self._saga(index, (), running)
        acting = self._acting = Acting(saga, self._env.loop.create_future())
        ctx = self._context(index, op, snapshot, saga)
        self._env.inbox.run(self._env.pool, partial(self._thread_ended, acting),
                            self._traced, self._execute, index, op, operation, ctx)
        try:
            return await acting.outcome
        except _Killed as killed:
            entries = killed.entries
        finally:
            self._acting = None
        return await self._env.loop.run_in_executor(
            self._env.pool, self._traced, self._undo_killed, index, op, operation, entries)

    def _thread_ended(self, acting: Acting, result: Any, error: BaseException | None) -> None:
        if not acting.saga.poisoned:
            resolve(acting.outcome, error, result)
            return
        # The job went on without this thread: give back what it took meanwhile.
        log.info("job %d: the thread of the killed opcode has ended (%r)", self.job.id, error)
        self._env.services.reservations.release(str(self.job.id))

    async def _acquire(
        self, operation: Operation[Any, Any], op: OpCode, state: OpState
    ) -> Snapshot:
        """Take the operation's locks; again, if the configuration moved and they differ.

        :raises OpPrereqError: what it names has gone meanwhile; locks may be held then
        """
        while True:
            snapshot = self._env.store.snapshot
            request = operation.locks(op, snapshot)
            self._granted = self._env.loop.create_future()
            self.ticket = self._env.locks.request(
                str(self.job.id), request, self._on_granted, state.priority)
            if self.ticket.state != "granted":
                self._env.changed(self.job)
                await self._patiently(self.ticket, self._granted)
            newest = self._env.store.snapshot
            if newest.serial == snapshot.serial or operation.locks(op, newest) == request:
                return newest
            self._release()

    async def _patiently(self, ticket: Ticket, granted: asyncio.Future[None]) -> None:
        """Wait for the locks; for those of an opportunistic choice only a short time.

        :raises OpPrereqError: too few of what there is to choose from is free
        """
        choice = ticket.request.any_of
        while choice is not None and not granted.done():
            await asyncio.wait((granted,), timeout=PATIENCE)
            mine = f"{choice.level.title}/"
            blockers = self._env.locks.blockers(ticket)
            if blockers and all(name.startswith(mine) for name, _ in blockers) and (
                    self._env.locks.cancel(ticket)):
                raise OpPrereqError(
                    f"Fewer than {choice.count} locks of the level {choice.level.title} are free",
                    ECODE_TEMP_NORES)
        await granted

    def _on_granted(self, ticket: Ticket) -> None:
        # A grant within the request itself, before `ticket` is known here, is seen by its state.
        if ticket is self.ticket:
            self._env.inbox.put(self._wake, ticket)

    def _wake(self, ticket: Ticket) -> None:
        if ticket is self.ticket and self._granted is not None and not self._granted.done():
            self._granted.set_result(None)

    def _take_more(
        self, saga: Saga, priority: int, wants: Sequence[Want]
    ) -> Callable[[], None]:
        """In a worker thread: wait for further locks; return a function that gives them back.

        :raises JobCanceled: the job was canceled or killed meanwhile
        """
        granted = threading.Event()
        with saga.alive():
            ticket = self._env.locks.request(
                str(self.job.id), LockRequest.of(*wants), lambda _ticket: granted.set(), priority)
            self._further.append(ticket)
        while not granted.wait(LOOK):
            stopped = self.job.cancel_wanted and self._env.locks.cancel(ticket)
            if stopped or ticket.state == "cancelled":
                raise JobCanceled(CANCELED_TEXT)

        def give_back() -> None:
            self._env.locks.release(ticket)

        return give_back

    def _release(self) -> None:
        for ticket in (*self._further, *([self.ticket] if self.ticket is not None else [])):
            if not self._env.locks.cancel(ticket):
                self._env.locks.release(ticket)
        self._further, self.ticket = [], None

    # In a worker thread

    def _traced(self, work: Callable[..., Any], index: int, *arguments: Any) -> Any:
        """Do what is done for an opcode; calls to nodes are told of as parts of it."""
        services = self._env.services
        if services.spans is None:
            return work(index, *arguments)
        cluster = self._env.store.snapshot.cluster.uuid
        with within(Place.of_opcode(cluster, self.job.id, index), services.spans):
            return work(index, *arguments)

    def _execute(
        self, index: int, op: OpCode, operation: Operation[Any, Any], ctx: OpContext
    ) -> Any:
        scripts = plan = None
        try:
            ctx = replace(ctx, expected=expected_by(op, ctx.snapshot))
            check_uuids(op, ctx.snapshot)
            check_real(operation, op, ctx.snapshot)
            plan = operation.plan(op, ctx)
            ctx.services.drivers.check(operation.needs(op, ctx, plan))
            scripts = operation.scripts(op, ctx, plan)
            run_before(ctx, op, scripts)
            if op.dry_run:
                ctx.info("dry-run mode requested, not actually executing the operation")
                return operation.dry_run_result(op, plan)
            result = operation.run(op, ctx, plan)
            if not self.job.ops[index].committed and ctx.saga.entries:
                ctx.commit((), result)
            self._run_after(op, operation, ctx, plan, scripts)
            return result
        except BaseException as exc:
            if ctx.saga.poisoned or isinstance(exc, StaleEpoch) or self._env.queue.journal.broken:
                # Not ours to undo (any more): what the database says decides, here or elsewhere.
                raise
            if self.job.ops[index].committed:
                if isinstance(exc, OpExecError):
                    with suppress(JobCanceled):  # too late: the change is there
                        self._tell_of_change(ctx, op, scripts)
                    raise  # what the operation did after its pivot failed: it says so, and stays
                log.exception("job %d: an error after the commit", self.job.id)
                return self.job.ops[index].result
            if self._undone(operation, op, ctx):
                raise
            self._run_after(op, operation, ctx, plan, scripts)
            return self.job.ops[index].result

    def _run_after(
        self, op: OpCode, operation: Operation[Any, Any], ctx: OpContext, plan: Any,
        scripts: Scripts | None,
    ) -> None:
        run_after(ctx, op, scripts, lambda: operation.scripts(op, ctx, plan))
        self._tell_of_change(ctx, op, scripts)

    @staticmethod
    def _tell_of_change(ctx: OpContext, op: OpCode, scripts: Scripts | None) -> None:
        if ctx.saga.changed_config:
            run_config_update(ctx, op, scripts)

    def _undone(self, operation: Operation[Any, Any], op: OpCode, ctx: OpContext) -> bool:
        """Undo what was recorded; False when the operation turned out to be complete."""
        if not ctx.saga.entries:
            return True
        ctx.saga.closing = True
        try:
            if operation.recover(op, ctx):
                return False
            debts = ctx.settle()
        except (StaleEpoch, StoreBroken):
            raise
        except GanetiError as exc:
            if self.job.ops[ctx.op_index].committed:
                return False
            # Nobody knows how far it came: what there is to undo must not be forgotten.
            unknown = Debt.of(exc)
            debts = ctx.settle(lambda _entry: unknown)
        for debt in debts:
            ctx.warn(f"could not undo ({debt.note}): {debt.why}; it is remembered and done as "
                     "soon as possible")
        return True

    def _undo_killed(
        self, index: int, op: OpCode, operation: Operation[Any, Any], entries: Sequence[Entry]
    ) -> Any:
        """Finish or undo what the thread that was left behind had begun."""
        saga = self._saga(index, entries)
        saga.closing = True
        ctx = self._context(index, op, self._env.store.snapshot, saga,
                            caller=f"{self.job.id}:killed")
        return self._end_saga(index, op, operation, ctx, JobCanceled(CANCELED_TEXT))

    async def _recover(
        self, index: int, op: OpCode, operation: Operation[Any, Any]
    ) -> Any:
        """Finish or undo an opcode that a dead master left running."""
        return await self._env.loop.run_in_executor(
            self._env.pool, self._traced, self._recover_now, index, op, operation)

    def _recover_now(
        self, index: int, op: OpCode, operation: Operation[Any, Any]
    ) -> Any:
        saga = self._saga(index, self._sagas.get(index, ()))
        saga.closing = True
        ctx = self._context(index, op, self._env.store.snapshot, saga)
        return self._end_saga(index, op, operation, ctx, OpExecError(INTERRUPTED))

    def _end_saga(
        self, index: int, op: OpCode, operation: Operation[Any, Any], ctx: OpContext,
        undone: GanetiError,
    ) -> Any:
        """Go on after the pivot, or undo and raise `undone`."""
        state = self.job.ops[index]
        if state.committed:
            ctx.settle()
            operation.resume(op, ctx)
        elif self._undone(operation, op, ctx):
            raise undone
        return state.result

    def _saga(
        self, index: int, entries: Sequence[Entry], running: Write | None = None
    ) -> Saga:
        return Saga(self._env.queue.journal, self.job.id, index, entries, running)

    def _context(
        self, index: int, op: OpCode, snapshot: Snapshot, saga: Saga, caller: str = "",
    ) -> OpContext:
        state = self.job.ops[index]

        def cancelled() -> bool:
            # After its pivot, and while it is undone, an operation must go on to its end.
            return self.job.cancel_wanted and not (state.committed or saga.closing)

        def log_entry(kind: str, content: Any) -> None:
            if saga.poisoned:
                return
            self._env.inbox.put(self._add_log, index, kind, content)

        def rows_of_result(result: Any) -> list[Write]:
            return [self._change(index, {"committed": True, "result": result})]

        def committed(result: Any) -> None:
            state.committed = True
            state.result = result

        return OpContext(
            self._env.services, snapshot, self.job.id, index, saga,
            Journaling(rows_of_result, committed), log_entry,
            partial(self._take_more, saga, state.priority),
            cancelled, tuple(op.reason), self._chosen(), caller, self.waiting,
            debug_level=op.debug_level)

    def _chosen(self) -> frozenset[str] | None:
        ticket = self.ticket
        return None if ticket is None or ticket.request.any_of is None else ticket.taken

    # Journal

    def _add_log(self, index: int, kind: str, content: Any) -> None:
        self.job.log_serial += 1
        entry = (self.job.log_serial, now(), kind, content)
        self.job.ops[index].log.append(entry)
        row = self._change(index, {"log": [entry]})
        self._env.queue.journal.submit([row], lambda _error: None)
        self._env.changed(self.job)

    def _change(self, index: int, doc: dict[str, Any]) -> Write:
        return self._env.queue.change_row(self.job, {"op": index, **doc})

    async def _write_end(self, index: int, status: str, result: Any) -> None:
        """Write the end of an opcode, and in the same commit that of the job if it is its last.

        Nobody sees the end before it is durable.
        """
        ends = self._ends(index, status, result)
        job_end = now() if status != SUCCESS or index >= len(self.job.ops) - 1 else None
        rows = [self._change(number, doc) for number, doc in ends.items()]
        if job_end is not None:
            rows.append(self._env.queue.change_row(
                self.job, {"job": {"start": self.job.start, "end": job_end}}))
        await self._env.inbox.commit_patiently(self._env.queue.journal, rows)
        for number, doc in ends.items():
            state = self.job.ops[number]
            state.status, state.result, state.end = doc["status"], doc["result"], doc["end"]
        self.job.end = job_end
        if job_end is not None:
            for state in self.job.ops:
                _forget_secrets(state)
        self._env.changed(self.job)

    def _ends(self, index: int, status: str, result: Any) -> dict[int, dict[str, Any]]:
        """How this opcode ends; those behind one that failed or was canceled do not run."""
        if index >= len(self.job.ops):
            return {}
        state, when = self.job.ops[index], now()
        ends: dict[int, dict[str, Any]] = {index: {
            "status": status, "result": result, "end": when, "start": state.start,
            "exec": state.exec}}
        if status != SUCCESS:
            skipped = (OpExecError("Preceding opcode failed").to_wire()
                       if status == ERROR else CANCELED_TEXT)
            ends |= {later: {"status": status, "result": skipped, "end": when}
                     for later in range(index + 1, len(self.job.ops))}
        return ends


def _opcode(state: OpState) -> OpCode:
    """:raises GanetiError: the opcode cannot be run after it came back from disk"""
    if state.op is not None:
        return state.op
    try:
        op = parse(state.input)
    except RequestError as exc:
        raise OpPrereqError(f"this job cannot be read any more: {exc}", "internal_error") from exc
    if lost := lost_secrets(op):
        raise OpPrereqError(
            f"the secret parameter '{lost[0]}' was not kept when the master restarted: "
            "submit the job again", "wrong_input")
    state.op, state.input = op, None
    return op


def _forget_secrets(state: OpState) -> None:
    if state.op is not None and secrets_in(state.op):
        state.input, state.op = state.plain_input(), None
