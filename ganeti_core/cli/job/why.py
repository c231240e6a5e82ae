"""``gnt-job why``: what a job waits for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _why(session: Session, arguments: list[str]) -> int:
    for sentence in session.client.explain_job(job_number(arguments[0])):
        print(sentence)
    return 0


COMMANDS = {"why": Command(_why, "<job-id>", 1, 1)}
