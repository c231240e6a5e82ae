"""Sending jobs and following them to their end."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from ganeti_core import errors
from ganeti_core.cli.failure import EXIT_FAILURE, JobSubmitted, describe, wrong_input
from ganeti_core.cli.table import visible_lines
from ganeti_core.cli.terminal import Progress, painted_message
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.client import (
    ConnectionLost,
    LuxiTimeout,
    MasterAccessError,
    NoMasterError,
)
from ganeti_core.luxi.job_seen import JobSeen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ganeti_core.cli.session import Session
    from ganeti_core.luxi.client import LuxiClient

FINAL = frozenset({"success", "error", "canceled"})
LONG_WAIT = 30.0
"""Seconds of one call to wait; the master answers earlier when something happens."""
QUIET_WAIT = 3.0
"""Seconds after which a job that does not run yet is told to the user."""
MASTER_BACK = 20.0
"""Seconds in which a master daemon that ended while a job was followed may be back."""
PAUSE = 0.5
"""Seconds between two looks whether it is."""
ON_REQUEST = "Job canceled by request"
"""The result of a job that was canceled by somebody's request."""

_WAITING_FOR = {
    "queued": "Job {} is waiting in queue",
    "waiting": "Job {} is trying to acquire all necessary locks",
}


def print_feedback(timestamp: Any, message: Any) -> None:
    """Print one entry of a job's log as it arrives; `timestamp` is [seconds, microseconds]."""
    text = painted_message(visible_lines(str(message)), sys.stdout)
    print(f"{time.ctime(timestamp[0])} {text}", flush=True)


def _show(timestamp: Any, _kind: str, message: Any) -> None:
    print_feedback(timestamp, message)


def follow(client: LuxiClient, job_id: int, *, feedback: bool = True,
           tell: Callable[[Any, str, Any], None] = _show) -> list[Any]:
    """Wait until the job ends, printing its log, and give the results of its opcodes.

    :param tell: gets time, kind and text of each entry of the log
    :raises errors.GanetiError: the error that the job failed with
    """
    progress = Progress(sys.stderr)
    try:
        return _followed(client, job_id, progress, tell if feedback else None)
    finally:
        progress.clear()


def _followed(
    client: LuxiClient, job_id: int, progress: Progress,
    tell: Callable[[Any, str, Any], None] | None,
) -> list[Any]:
    seen = JobSeen(["status", "opstatus", "opresult"])
    told: set[str] = set()
    while True:
        before = seen.values
        wait = LONG_WAIT if told or (before and before[0] == "running") else QUIET_WAIT
        entries = _next_change(client, job_id, seen, wait)
        if tell is not None and entries:
            progress.clear()
            for _, timestamp, kind, message in entries:
                tell(timestamp, kind, message)
        if seen.values and seen.values[0] in FINAL:
            return _outcome(*seen.values)
        if tell is not None and seen.values:
            progress.show(_how_far(job_id, *seen.values[:2]))
        if seen.values != before or entries:
            continue
        status = seen.values[0] if seen.values else None
        if status in _WAITING_FOR and status not in told:
            told.add(status)
            progress.clear()
            _tell_why_it_waits(client, job_id, status)


def _how_far(job_id: int, status: str, opstatus: list[str]) -> str:
    """Say in a line how far a job is."""
    done = sum(one == "success" for one in opstatus)
    part = f", {done} of {len(opstatus)} opcodes are done" if len(opstatus) > 1 else ""
    return f"Job {job_id}: {status}{part}"


def _next_change(
    client: LuxiClient, job_id: int, seen: JobSeen, wait: float
) -> list[list[Any]]:
    """Wait for a change of the job and return the new entries of its log.

    Goes on while the master daemon is started again.

    :raises errors.GanetiError: the master refused, or did not come back in `MASTER_BACK` seconds
    """
    lost: float | None = None
    while True:
        try:
            return client.wait_for_job_change(job_id, seen, wait=wait) or []
        except (ConnectionLost, NoMasterError, errors.MasterBusy) as exc:
            if isinstance(exc, MasterAccessError):
                raise
            if lost is None:
                lost = time.monotonic()
                print(f"The connection to the master daemon is lost. Job {job_id} was accepted, and"
                      " no job is lost; waiting for the master daemon ...", file=sys.stderr,
                      flush=True)
            if time.monotonic() - lost > MASTER_BACK:
                print(f"See how job {job_id} ends with 'gnt-job watch {job_id}' when a master "
                      "daemon runs again, here or on another node.", file=sys.stderr, flush=True)
                raise
            time.sleep(PAUSE)


def _tell_why_it_waits(client: LuxiClient, job_id: int, status: str) -> None:
    lines = [_WAITING_FOR[status].format(job_id)]
    with contextlib.suppress(errors.GanetiError):  # the reason is an extra, not worth a failure
        lines += [f"  {reason}" for reason in client.explain_job(job_id)]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _outcome(status: str, opstatus: list[str], opresult: list[Any]) -> list[Any]:
    """Give the results of a finished job, or raise what stopped it."""
    if status == "success":
        return opresult
    if status == "canceled":
        raise errors.JobCanceled(_why_canceled(opresult))
    for index, (one, result) in enumerate(zip(opstatus, opresult, strict=False)):
        if one != "error":
            continue
        if "success" in opstatus[:index]:
            raise errors.OpExecError(f"partial failure (opcode {index}): {_message(result)}")
        raise _error(result)
    raise errors.OpExecError(str(opresult))


def _why_canceled(opresult: list[Any]) -> str:
    """Say who canceled a job, unless that was a request like any other."""
    text = next((result for result in opresult if isinstance(result, str)), "")
    return "Job was canceled" + (f": {text}" if text not in ("", ON_REQUEST) else "")


def _error(result: Any) -> errors.GanetiError:
    match result:
        case [str(), [*_]]:
            return errors.GanetiError.from_wire(result)
        case _:
            return errors.OpExecError(str(result))


def _message(result: Any) -> str:
    return _error(result).message or str(result)


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Around a submission: the master checks values of opcodes, and refuses a request with a wrong
    one as it refuses what is not a request at all.

    :raises errors.OpPrereqError: the master refused a value
    """
    try:
        yield
    except errors.RequestError as exc:
        raise wrong_input(exc.message.rpartition("Failed to parse request: ")[2]) from exc


def submit(session: Session, *opcodes: dict[str, Any]) -> Any:
    """Send one job, wait for it, and give the result of its last opcode.

    :raises JobSubmitted: the user asked not to wait
    """
    with understood():
        job_id = session.client.submit_job(list(opcodes))
    if session.option("print_jobid"):
        print(job_id, flush=True)
    if session.option("submit_only"):
        raise JobSubmitted(job_id)
    return follow(session.client, job_id)[-1]


@dataclass(frozen=True)
class Outcome:
    """How one of several jobs ended: its result, or the error's text."""

    success: bool
    result: Any


@dataclass(frozen=True)
class _Started:
    job_id: int | None
    name: str | None
    problem: str = ""


class JobSet:
    """Several jobs that are sent together and then followed one after the other."""

    def __init__(self, session: Session, *, announce: bool = True) -> None:
        self._session = session
        self._announce = announce
        self._queued: list[tuple[str | None, list[dict[str, Any]]]] = []
        self._started: list[_Started] = []

    def add(self, name: str | None, *opcodes: dict[str, Any]) -> None:
        """Note a job to send; `name` tells people what it is about."""
        self._queued.append((name, list(opcodes)))

    def add_started(self, jobs: Sequence[Any], name: str | None = None) -> None:
        """Take jobs that the master has begun: pairs of (submitted, id or reason)."""
        for submitted, value in jobs:
            self._started.append(_Started(value, name) if submitted
                                 else _Started(None, name, str(value)))

    def add_expanded(self, result: dict[str, Any] | None) -> None:
        """Take the jobs that an opcode was expanded into; a dry run makes none."""
        if result is None:
            print("This was a dry run: no jobs were submitted.")
        else:
            self.add_started(result["jobs"])

    def finish(self) -> list[Outcome]:
        """Send what is to be sent; then wait, or with ``--submit`` only tell the ids."""
        self._send()
        if self._session.option("submit_only"):
            return [self._show(job) for job in self._started]
        submitted = [job.job_id for job in self._started if job.job_id is not None]
        if self._announce and submitted:
            print(f"Submitted jobs {', '.join(map(str, submitted))}", flush=True)
        return [self._wait(job) for job in self._started]

    def _send(self) -> None:
        if self._queued:
            with understood():
                answers = self._session.client.submit_many_jobs([ops for _, ops in self._queued])
            for (name, _), answer in zip(self._queued, answers, strict=True):
                self.add_started([answer], name)
            self._queued = []

    def _show(self, job: _Started) -> Outcome:
        if job.job_id is None:
            print(f"Failure for {job.name}: {job.problem}", file=sys.stderr)
            return Outcome(False, job.problem)
        print(f"{job.job_id}: {job.name}", flush=True)
        return Outcome(True, job.job_id)

    def _wait(self, job: _Started) -> Outcome:
        about = f" for {job.name}" if job.name else ""
        if job.job_id is None:
            print(f"Failed to submit job{about}: {job.problem}", file=sys.stderr, flush=True)
            return Outcome(False, job.problem)
        print(f"Waiting for job {job.job_id}{about} ...", flush=True)
        try:
            return Outcome(True, follow(self._session.client, job.job_id))
        except errors.JobLost:
            text = f"Job {job.job_id}{about} has been archived, cannot check its result"
        except (NoMasterError, ConnectionLost, LuxiTimeout) as exc:
            text = f"How job {job.job_id}{about} ends is not known: {describe(exc)}"
        except errors.GanetiError as exc:
            text = f"Job {job.job_id}{about} has failed: {describe(exc)}"
        sys.stdout.flush()
        print(visible_lines(text), file=sys.stderr, flush=True)
        return Outcome(False, text)


def all_succeeded(outcomes: Sequence[Outcome]) -> int:
    """Give the exit status for several jobs."""
    return 0 if all(outcome.success for outcome in outcomes) else EXIT_FAILURE


def finished(session: Session, result: Any) -> int:
    """Wait for the jobs that an opcode has submitted, if its result names some; give the exit
    status."""
    if not isinstance(result, dict) or not result.get("jobs"):
        return 0
    jobs = JobSet(session)
    jobs.add_started(result["jobs"])
    return all_succeeded(jobs.finish())
