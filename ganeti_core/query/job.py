"""Jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.errors import RequestError
from ganeti_core.opcodes.base import FINAL_STATUSES
from ganeti_core.query.fields import Absent, Field, or_unavailable, table
from ganeti_core.query.view import Resource, View
from ganeti_core.query_language import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


DEFAULT_PRIORITY = 0


class JobRow(NamedTuple):
    """A job's id and document; without document there is no such job."""

    id: int
    job: Mapping[str, Any] | None


def priority(job: Mapping[str, Any]) -> int:
    """A job's priority: the most urgent of its opcodes that are not finished."""
    urgent = [op["priority"] for op in job["ops"] if op["status"] not in FINAL_STATUSES]
    return min(urgent, default=DEFAULT_PRIORITY)


_SHOWN_UNSET = ("depends", "comment")


def _shown(opcode: Mapping[str, Any]) -> dict[str, Any]:
    """An opcode as clients see it: parameters that were not given are left out, but for two."""
    return {name: value for name, value in opcode.items()
            if value is not None or name in _SHOWN_UNSET}


def _of_job(value: Callable[[Mapping[str, Any]], Any]) -> Callable[[JobRow], Any]:
    return lambda row: Absent.UNAVAIL if row.job is None else value(row.job)


def _of_ops(value: Callable[[Mapping[str, Any]], Any]) -> Callable[[JobRow], Any]:
    return _of_job(lambda job: [value(op) for op in job["ops"]])


def _timestamp(name: str, title: str, what: str, key: str) -> Field[JobRow]:
    return Field(name, title, "other",
                 f"Timestamp of {what} (tuple containing seconds and microseconds)",
                 _of_job(lambda job: or_unavailable(job.get(key))),
                 comparison=Comparison.TIMESTAMP)


_FIELDS: list[Field[JobRow]] = [
    Field("id", "ID", "number", "Job ID", lambda row: row.id),
    Field("status", "Status", "text", "Job status", _of_job(lambda job: job["status"])),
    Field("priority", "Priority", "number", "Current job priority (19 to -20)",
          _of_job(priority)),
    Field("archived", "Archived", "bool", "Whether job is archived",
          _of_job(lambda job: bool(job.get("archived")))),
    Field("ops", "OpCodes", "other", "List of all opcodes",
          _of_ops(lambda op: _shown(op["input"]))),
    Field("opresult", "OpCode_result", "other", "List of opcodes results",
          _of_ops(lambda op: op["result"])),
    Field("opstatus", "OpCode_status", "other", "List of opcodes status",
          _of_ops(lambda op: op["status"])),
    Field("oplog", "OpCode_log", "other", "List of opcode output logs",
          _of_ops(lambda op: op["log"])),
    Field("opstart", "OpCode_start", "other",
          "List of opcode start timestamps (before acquiring locks)",
          _of_ops(lambda op: op.get("start_timestamp"))),
    Field("opexec", "OpCode_exec", "other",
          "List of opcode execution start timestamps (after acquiring locks)",
          _of_ops(lambda op: op.get("exec_timestamp"))),
    Field("opend", "OpCode_end", "other", "List of opcode execution end timestamps",
          _of_ops(lambda op: op.get("end_timestamp"))),
    Field("oppriority", "OpCode_prio", "other", "List of opcode priorities",
          _of_ops(lambda op: op["priority"])),
    Field("summary", "Summary", "other", "List of per-opcode summaries",
          _of_ops(lambda op: op["summary"])),
    _timestamp("received_ts", "Received", "when job was received", "received_timestamp"),
    _timestamp("start_ts", "Start", "job start", "start_timestamp"),
    _timestamp("end_ts", "End", "job end", "end_timestamp"),
]


class JobResource(Resource[JobRow]):
    """Lists jobs, in the order of their ids. Archived ones only when asked for."""

    what = "job"
    name_field = "id"
    cached = False  # documents change while jobs run
    fields = table(_FIELDS)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[JobRow]:
        if names is None:
            archived = "archived" in view.wanted
            found = [JobRow(job["id"], job) for job in view.jobs.jobs(None, archived)]
            return sorted(found, key=lambda row: row.id)
        ids = [job_id(name) for name in names]
        by_id = {job["id"]: job for job in view.jobs.jobs(ids, True)}
        return [JobRow(number, by_id.get(number)) for number in ids]

    def key(self, row: JobRow) -> str:
        return str(row.id)


def job_id(data: object) -> int:
    """Read a job id, a number or its digits.

    :raises RequestError: it is neither; Ganeti's text
    """
    if isinstance(data, str):
        if not (data.isascii() and data.isdigit()) or len(data) > 18:
            raise RequestError(f"parsing job id: cannot parse string '{data:.100}'")
        return int(data)
    if isinstance(data, bool) or not isinstance(data, int):
        raise RequestError("Unable to read JobId")
    if data < 0:
        raise RequestError(f"Invalid job ID '{data}'")
    return data
