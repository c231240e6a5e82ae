"""``gnt-job info``, and ``why``: what a job waits for, in words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.document import Pairs, print_document
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.lists import job_number
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import RS_NORMAL, format_timestamp, visible

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_FIELDS = ["id", "status", "ops", "opresult", "opstatus", "oplog", "opstart", "opexec", "opend",
           "received_ts", "start_ts", "end_ts"]


def _seconds(stamp: Any) -> float | None:
    return stamp[0] + stamp[1] / 1_000_000 if isinstance(stamp, list) else None


def _moment(stamp: Any, before: Any) -> str:
    """Write a time and how long it took from `before`; ``N/A`` where it is not known yet."""
    now, earlier = _seconds(stamp), _seconds(before)
    if now is None:
        return "N/A"
    delta = f" (delta {now - earlier:.6f}s)" if earlier is not None else ""
    return format_timestamp(stamp) + delta


def _log(entries: list[Any]) -> list[Pairs]:
    return [[("Time", format_timestamp(stamp)), ("Content", (serial, kind, visible(message)))]
            for serial, stamp, kind, message in entries or []]


def _opcodes(job: dict[str, Any]) -> list[Pairs]:
    columns = (job[name] or [] for name in ("ops", "opstatus", "opstart", "opexec", "opend",
                                            "opresult", "oplog"))
    return [[
        ("Opcode", fields["OP_ID"]),
        ("Status", status),
        ("Processing start", _moment(start, None)),
        ("Execution start", " " + _moment(execution, None)),
        ("Processing end", "  " + _moment(end, None)),
        ("Input fields", fields),
        ("Result", result),
        ("Execution log", _log(log)),
    ] for fields, status, start, execution, end, result, log in zip(*columns, strict=True)]


def _document(job: dict[str, Any]) -> Pairs:
    received, start, end = (job[name] for name in ("received_ts", "start_ts", "end_ts"))
    begun, finished = _seconds(received), _seconds(end)
    total = (f"{finished - begun:.6f} seconds" if begun is not None and finished is not None
             else "N/A")
    return [
        ("Job ID", job["id"]),
        ("Status", job["status"]),
        ("Received", "        " + _moment(received, None)),
        ("Processing start", _moment(start, received)),
        ("Processing end", "  " + _moment(end, start)),
        ("Total processing time", total),
        ("Opcodes", _opcodes(job)),
    ]


def _info(session: Session, arguments: list[str]) -> int:
    numbers = [job_number(one) for one in arguments]
    # Jobs that are archived, or never were, are not part of every answer.
    answer = session.client.query("job", _FIELDS, ["|", *(["=", "id", one] for one in numbers)])
    found = {row[0][1]: dict(zip(_FIELDS, (value for _, value in row), strict=True))
             for row in answer["data"] if row[1][0] == RS_NORMAL}
    if wants_data(session):
        print_data([found[one] for one in numbers if one in found], session.options.format)
        missing = [one for one in numbers if one not in found]
        for one in missing:
            print(f"Job ID {one} not found", file=sys.stderr)
        return EXIT_FAILURE if missing else 0
    # One document per job, whether it is known or not: a line is enough to say that it is not.
    print_document([_document(found[one]) if one in found else f"Job ID {one} not found"
                    for one in numbers])
    return 0


def _why(session: Session, arguments: list[str]) -> int:
    for sentence in session.client.explain_job(job_number(arguments[0])):
        print(sentence)
    return 0


COMMANDS = {
    "info": Command(_info, "<job-id> [<job-id>...]", 1, None, (FORMAT,)),
    "why": Command(_why, "<job-id>", 1, 1),
}
