"""Commands of ``gnt-filter``: rules that hold, order or refuse jobs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_FIELDS = ("uuid", "watermark", "priority", "predicates", "action", "reason_trail")
_TITLES = ("UUID", "Watermark", "Priority", "Predicates", "Action", "Reason trail")


def _replace(session: Session, uuid: str | None) -> str:
    options = session.options
    try:
        priority = int(options.priority or 0)
    except ValueError as exc:
        raise wrong_input(f"Invalid priority: {options.priority!r} is not a number") from exc
    reason = [["gnt:user", options.reason, time.time_ns()]] if options.reason else []
    return session.client.replace_filter(uuid, priority, options.predicates, options.action,
                                         reason)


def _add(session: Session, _arguments: list[str]) -> int:
    print(_replace(session, None))
    return 0


def _warn_of_all_jobs(session: Session, uuid: str) -> None:
    """Replacing replaces everything: a rule of which only the action was given is for any job."""
    if session.options.predicates or session.options.action == "CONTINUE":
        return
    print(f"Warning: the rule {uuid} has no predicates now, so its action applies to every job;"
          " predicates that it had must be given again with --predicates", file=sys.stderr)


def _replace_one(session: Session, arguments: list[str]) -> int:
    _warn_of_all_jobs(session, arguments[0])
    _replace(session, arguments[0])
    return 0


def _delete(session: Session, arguments: list[str]) -> int:
    session.client.delete_filter(arguments[0])
    return 0


def _info(session: Session, arguments: list[str]) -> int:
    rows: list[list[Any]] = session.client.query_filters(arguments or None, list(_FIELDS))
    for row in rows:
        if row[0] is None:  # a rule that was named and does not exist
            continue
        print(f"UUID: {row[0]}")
        for title, value in zip(_TITLES[1:], row[1:], strict=True):
            print(f"  {title}: {value}")
    return 0


_RULE = (
    opt.value("--priority", dest="priority", default="0",
              help="Priority of the rule: lower numbers are asked first"),
    opt.value("--predicates", dest="predicates", type="json", default=[],
              help="Predicates, as JSON"),
    opt.value("--action", dest="action", type="filteraction", default="CONTINUE",
              help='The action taken: ACCEPT, CONTINUE, PAUSE, REJECT or "RATE_LIMIT n"'),
)

COMMANDS = {
    **listing_commands(Listing(what="filter", default_fields=_FIELDS, name_field="uuid",
                               argument="filter-uuid", fields_usage="[<fields>...]",
                               with_filter=False)),
    "add": Command(_add, options=_RULE),
    "replace": Command(_replace_one, "<filter-uuid>", 1, 1, _RULE),
    "delete": Command(_delete, "<filter-uuid>", 1, 1),
    "info": Command(_info, "[<filter-uuid>...]", 0, None),
}
