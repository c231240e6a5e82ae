"""Jobs: shown, awaited, canceled; and those that are submitted only to know their result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.opcodes.base import FINAL_STATUSES
from ganeti_core.rapi.failures import bad_request, not_found
from ganeti_core.rapi.fields import JOB, OS_BULK
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.submission import reason_trail

if TYPE_CHECKING:
    from ganeti_core.rapi.request import Call, Request

WAIT_SECONDS = 10.0
"""How long a client is kept waiting for a change, as by Ganeti."""
UNCHANGED = "nochange"
MOST_WAITS = 60
"""Waits for a job whose result a request wants: ten minutes."""


def job_number(request: Request) -> int:
    """The number in the path."""
    return int(request.name)


async def job(call: Call) -> bytes:
    """Show a job; of one that does not exist everything but the number is null, as in Ganeti."""
    number = job_number(call.request)
    (row,) = await call.master.call("QueryJobs", [number], JOB)
    return encoded(dict(zip(JOB, row, strict=True)) if row else dict.fromkeys(JOB) | {"id": number})


async def cancel(call: Call) -> bytes:
    """Cancel a job: whether that was possible, and a sentence."""
    return await call.master.text("CancelJob", job_number(call.request))


async def wait(call: Call) -> bytes:
    """Wait for a change of a job; null when there was none for a while.

    :raises HttpFailure: the body does not say what to look at
    """
    request = call.request
    fields = request.body_parameter("fields")
    previous = request.object_body().get("previous_job_info")
    serial = request.object_body().get("previous_log_serial")
    if not isinstance(fields, list):
        raise bad_request("The 'fields' parameter should be a list")
    if not isinstance(previous, list | None):
        raise bad_request("The 'previous_job_info' parameter should be a list")
    if not isinstance(serial, int | None) or isinstance(serial, bool):
        raise bad_request("The 'previous_log_serial' parameter should be a number")
    change = await call.master.call(
        "WaitForJobChange", job_number(request), fields, previous, serial, WAIT_SECONDS,
        wait=WAIT_SECONDS)
    if change is None:
        raise not_found()
    if change == UNCHANGED:
        return b"null"
    info, entries = change
    return encoded({"job_info": info, "log_entries": entries})


async def result_of(call: Call, operation: dict[str, Any]) -> Any:
    """Submit a job of one opcode and return its result.

    :raises GanetiError: the job's own, or it does not end in ten minutes
    """
    trail = reason_trail(call.request, call.operation)
    number = await call.master.submit([{**operation, "reason": trail}])
    seen = JobSeen(["status", "opresult"])
    for _ in range(MOST_WAITS):
        seen.take(await call.master.call(
            "WaitForJobChange", number, seen.fields, seen.values, seen.serial, WAIT_SECONDS,
            wait=WAIT_SECONDS))
        if seen.values and seen.values[0] in FINAL_STATUSES:
            break
    status, results = seen.values or ["", []]
    if status == "success":
        return results[0]
    if status == "error":
        raise GanetiError.from_wire(results[0])
    raise GanetiError(f"job {number} was {status}" if status in FINAL_STATUSES
                      else f"job {number} does not end")


async def operating_systems(call: Call) -> bytes:
    """List what can be installed, a name per variant; in bulk all that is known of each."""
    fields = list(OS_BULK) if call.request.flag("bulk") else ["name", "variants"]
    rows = await result_of(call, {
        "OP_ID": "OP_OS_DIAGNOSE", "output_fields": fields, "names": []})
    if not call.request.flag("bulk"):
        return encoded([name for row in rows for name in _names(*row)])
    found = [dict(zip(OS_BULK, row, strict=True)) for row in rows]
    return encoded([{**one, "parameters": [
        {"name": name, "description": text} for name, text in one["parameters"]]}
        for one in found])


def _names(name: str, variants: list[str]) -> list[str]:
    return [f"{name}+{variant}" for variant in variants] or [name]
