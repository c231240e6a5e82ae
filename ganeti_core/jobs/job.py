"""A job: its opcodes, their states and the one table of legal transitions.

Jobs are changed by the engine's event loop alone. Everybody else sees documents (`document`).
"""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import JobQueueError, RequestError
from ganeti_core.opcodes.base import FINAL_STATUSES
from ganeti_core.opcodes.registry import parse, summary
from ganeti_core.opcodes.secrets import lost_secrets, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.opcodes.base import OpCode

QUEUED, WAITING, CANCELING, RUNNING = "queued", "waiting", "canceling", "running"
CANCELED, SUCCESS, ERROR = "canceled", "success", "error"
FINAL = frozenset(FINAL_STATUSES)

_TRANSITIONS: dict[str, frozenset[str]] = {
    QUEUED: frozenset({WAITING, CANCELED, ERROR}),
    WAITING: frozenset({RUNNING, QUEUED, CANCELING, CANCELED, ERROR, SUCCESS}),
    RUNNING: frozenset({CANCELING, SUCCESS, ERROR, CANCELED}),
    CANCELING: frozenset({CANCELED, ERROR, SUCCESS}),
    CANCELED: frozenset(),
    SUCCESS: frozenset(),
    ERROR: frozenset(),
}

STATUSES = tuple(_TRANSITIONS)

to_json = json.JSONEncoder(separators=(",", ":")).encode
"""Encodes documents of jobs; made once, for that takes longer than most documents."""

Timestamp = tuple[int, int]
"""Seconds and microseconds since 1970, as Ganeti writes times."""

LogEntry = tuple[int, Timestamp, str, Any]
"""Serial within the job, time, type (``message``), content."""


def now() -> Timestamp:
    """The current time."""
    nanoseconds = time.time_ns()
    return nanoseconds // 1_000_000_000, nanoseconds // 1000 % 1_000_000


@dataclass(slots=True)
class OpState:
    """One opcode of a job, and how far it is.

    :param committed: its result is in the database together with its changes: it may only finish
    """

    op: OpCode | None
    input: dict[str, Any] | None
    priority: int
    status: str = QUEUED
    result: Any = None
    log: list[LogEntry] = field(default_factory=list)
    start: Timestamp | None = None
    exec: Timestamp | None = None
    end: Timestamp | None = None
    committed: bool = False

    def move(self, status: str) -> None:
        """:raises JobQueueError: there is no such transition"""
        if status == self.status:
            return
        if status not in _TRANSITIONS[self.status]:
            raise JobQueueError(f"an opcode cannot go from {self.status} to {status}")
        self.status = status

    def plain_input(self) -> dict[str, Any]:
        """The opcode's dict without secrets."""
        if self.input is not None:
            return self.input
        if self.op is None:
            return {}
        return redacted(self.op, self.op.to_dict())

    def summary(self) -> str:
        return summary(self.input or {}) if self.op is None else self.op.summary()


@dataclass(slots=True, eq=False)
class Job:
    """A list of opcodes that run one after the other."""

    id: int
    ops: list[OpState]
    received: Timestamp
    start: Timestamp | None = None
    end: Timestamp | None = None
    sequence: Iterator[int] = field(default_factory=itertools.count)
    """Numbers the rows of changes; drawn from the loop and from worker threads."""
    log_serial: int = 0
    cancel_wanted: bool = False

    @property
    def status(self) -> str:
        """The job's state, from those of its opcodes."""
        found = QUEUED
        unfinished = [op.status for op in self.ops if op.status != SUCCESS]
        for status in unfinished:
            if status in (CANCELING, ERROR, CANCELED):
                return status
            if status != QUEUED:
                found = status
        return found if unfinished else SUCCESS

    @property
    def final(self) -> bool:
        return self.end is not None

    @property
    def priority(self) -> int:
        """Of the most urgent opcode that is not finished."""
        return min((op.priority for op in self.ops if op.status not in FINAL), default=0)

    def summary(self) -> list[str]:
        return [op.summary() for op in self.ops]


class _OpDocument(dict[str, Any]):
    """An opcode as plain data. ``input`` and ``summary`` are made when they are asked for: who
    waits for a state asks for neither.
    """

    __slots__ = ("_state",)

    def __init__(self, state: OpState) -> None:
        super().__init__(
            status=state.status, result=state.result, log=state.log, priority=state.priority,
            start_timestamp=state.start, exec_timestamp=state.exec, end_timestamp=state.end)
        self._state = state

    def __missing__(self, key: str) -> Any:
        if key == "input":
            return self._state.plain_input()
        if key == "summary":
            return self._state.summary()
        raise KeyError(key)


def document(job: Job, *, archived: bool = False) -> dict[str, Any]:
    """The job as plain data, for queries; secrets are out."""
    return {
        "id": job.id,
        "status": job.status,
        "received_timestamp": job.received,
        "start_timestamp": job.start,
        "end_timestamp": job.end,
        "archived": archived,
        "priority": job.priority,
        "ops": [_OpDocument(op) for op in job.ops],
    }


def encode(job: Job) -> str:
    """The whole job as it stands in the database."""
    return to_json({
        "received": job.received, "start": job.start, "end": job.end, "log_serial": job.log_serial,
        "ops": [_encode_op(op) for op in job.ops]})


def _encode_op(op: OpState) -> dict[str, Any]:
    doc: dict[str, Any] = {"input": op.plain_input(), "priority": op.priority}
    if op.status != QUEUED:
        doc |= {"status": op.status, "result": op.result, "log": op.log, "start": op.start,
                "exec": op.exec, "end": op.end, "committed": op.committed}
    return doc


def decode(job_id: int, text: str) -> Job:
    """Read what `encode` wrote."""
    doc = json.loads(text)
    ops = [_decode_op(op) for op in doc["ops"]]
    return Job(job_id, ops, _time(doc["received"]) or (0, 0), _time(doc.get("start")),
               _time(doc.get("end")), log_serial=doc.get("log_serial", 0))


def _decode_op(doc: Mapping[str, Any]) -> OpState:
    """Read an opcode; one that cannot be run as it is stays a dict: the runner says why."""
    op, data = None, doc["input"]
    try:
        op = parse(data)
    except RequestError:
        pass
    else:
        # An opcode takes half the memory of its dict. One that lost its secrets cannot be run.
        op, data = (None, data) if lost_secrets(op) else (op, None)
    state = OpState(op, data, doc["priority"])
    _update_op(state, doc)
    return state


def _update_op(state: OpState, doc: Mapping[str, Any]) -> None:
    for name in ("status", "result", "priority", "committed"):
        if name in doc:
            setattr(state, name, doc[name])
    for name in ("start", "exec", "end"):
        if name in doc:
            setattr(state, name, _time(doc[name]))
    for serial, when, kind, content in doc.get("log", ()):
        state.log.append((serial, (when[0], when[1]), kind, content))


def _time(value: Any) -> Timestamp | None:
    return None if value is None else (int(value[0]), int(value[1]))


def apply_change(job: Job, text: str) -> None:
    """Bring a job from the database up to date with one of its change rows."""
    doc = json.loads(text)
    for name, value in doc.get("job", {}).items():
        setattr(job, name, _time(value))
    if "op" in doc:
        state = job.ops[doc["op"]]
        _update_op(state, doc)
        job.log_serial = max([job.log_serial, *(entry[0] for entry in state.log[-1:])])
