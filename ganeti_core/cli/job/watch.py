"""``gnt-job watch`` and ``wait``: stay until a job has ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core import errors
from ganeti_core.cli.failure import EXIT_FAILURE, describe
from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import visible_lines
from ganeti_core.cli.waiting import follow

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _watch(session: Session, arguments: list[str]) -> int:
    job_id = job_number(arguments[0])
    heading = f"Output from job {job_id} follows"
    print(f"{heading}\n{'-' * len(heading)}", flush=True)
    return _finish(session, job_id, feedback=True)


def _wait(session: Session, arguments: list[str]) -> int:
    return _finish(session, job_number(arguments[0]), feedback=False)


def _finish(session: Session, job_id: int, *, feedback: bool) -> int:
    try:
        follow(session.client, job_id, feedback=feedback)
    except (errors.OpExecError, errors.OpPrereqError, errors.JobLost, errors.JobCanceled) as exc:
        sys.stdout.flush()
        print(visible_lines(f"Job {job_id} failed: {describe(exc)}"), file=sys.stderr)
        return EXIT_FAILURE
    return 0


COMMANDS = {
    "watch": Command(_watch, "<job-id>", 1, 1),
    "wait": Command(_wait, "<job-id>", 1, 1),
}
