"""``gnt-job why``: what a job waits for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.document import print_document
from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _plain(explanation: Any) -> Any:
    return [explanation] if isinstance(explanation, dict) else explanation


def _why(session: Session, arguments: list[str]) -> int:
    print_document(_plain(session.client.explain_job(job_number(arguments[0]))))
    return 0


COMMANDS = {"why": Command(_why, "<job-id>", 1, 1)}
