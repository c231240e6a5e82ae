"""``gnt-job archive`` and ``autoarchive``: finished jobs leave the listings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command
from ganeti_core.cli.values import parse_duration

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _archive(session: Session, arguments: list[str]) -> int:
    status = 0
    for job_id in [job_number(one) for one in arguments]:
        if not session.client.archive_job(job_id):
            print(f"Failed to archive job with ID '{job_id}'", file=sys.stderr)
            status = EXIT_FAILURE
    return status


def _autoarchive(session: Session, arguments: list[str]) -> int:
    try:
        age = -1 if arguments[0] == "all" else parse_duration(arguments[0])
    except ValueError as exc:
        raise wrong_input(str(exc)) from exc
    archived, left = session.client.auto_archive_jobs(age)
    print(f"Archived {archived} jobs, {left} unchecked left")
    return 0


COMMANDS = {
    "archive": Command(_archive, "<job-id> [<job-id>...]", 1, None),
    "autoarchive": Command(_autoarchive, "<age>", 1, 1),
}
