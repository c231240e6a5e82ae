"""``gnt-job cancel`` and ``change-priority``: jobs that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core import errors
from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_CONFIRMATION, EXIT_FAILURE, wrong_input
from ganeti_core.cli.job.lists import status_option
from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import Style, joined, query_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.cli.session import Session

_WAITING = ("queued", "waiting")


def _select(session: Session, arguments: list[str]) -> list[int]:
    """Give the jobs named, or all with the status that was asked for.

    :raises errors.OpPrereqError: both or neither was given, or there is no such job
    """
    statuses = session.options.status_filter
    if statuses and arguments:
        raise wrong_input("If a status filter is given, no job IDs can be specified")
    if not statuses:
        if not arguments:
            raise wrong_input("Exactly one of job IDs or a status filter must be given")
        return [job_number(one) for one in arguments]
    answer = session.client.query("job", ["id", "status", "summary"],
                                  ["|", *(["=", "status", one] for one in statuses)])
    if not answer["data"]:
        raise errors.OpPrereqError("No jobs with the requested status have been found",
                                   errors.ECODE_STATE)
    if not session.options.force:
        for line in query_table(answer, Style(), {"summary": joined}):
            print(line)
    return [row[0][1] for row in answer["data"]]


def _apply(session: Session, arguments: list[str], question: str,
           act: Callable[[int], tuple[bool, str]]) -> int:
    jobs = _select(session, arguments)
    options = session.options
    if options.status_filter and not options.force and not ask(question):
        return EXIT_CONFIRMATION
    status = 0
    for job_id in jobs:
        done, message = act(job_id)
        print(message)
        status = status if done else EXIT_FAILURE
    return status


def _cancel(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.kill and not options.yes_do_it:
        raise wrong_input("The --kill option must be confirmed with --yes-do-it")
    return _apply(session, arguments, "Cancel job(s) listed above?",
                  lambda job_id: session.client.cancel_job(job_id, bool(options.kill)))


def _change_priority(session: Session, arguments: list[str]) -> int:
    if session.options.priority is None:
        raise wrong_input("A new priority must be given with --priority")
    new: Any = opt.PRIORITIES[session.options.priority]
    return _apply(session, arguments,
                  f"Change priority of job(s) listed above to '{session.options.priority}'?",
                  lambda job_id: session.client.change_job_priority(job_id, new))


_BY_STATUS = (
    status_option("--pending", _WAITING, "All jobs that have not begun"),
    status_option("--queued", ("queued",), "All queued jobs"),
    status_option("--waiting", ("waiting",), "All jobs that wait for locks"),
    opt.FORCE,
)

COMMANDS = {
    "cancel": Command(
        _cancel, "{[--force] [--kill --yes-do-it] {--pending | --queued | --waiting} |"
                 " <job-id> [<job-id>...]}", 0, None,
        (*_BY_STATUS,
         opt.flag("--kill", dest="kill", help="End jobs that run already"),
         opt.flag("--yes-do-it", "--ya-rly", dest="yes_do_it",
                  help="Really do what --kill does"))),
    "change-priority": Command(
        _change_priority, "--priority <priority> {[--force] {--pending | --queued | --waiting} |"
                          " <job-id> [<job-id>...]}", 0, None,
        (*_BY_STATUS, opt.PRIORITY)),
}
