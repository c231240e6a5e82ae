"""``gnt-job list`` and ``list-fields``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.options import OptionSpec, flag
from ganeti_core.cli.table import format_timestamp, joined

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

PENDING = ("queued", "waiting", "canceling")
FINISHED = ("success", "error", "canceled")


def status_option(name: str, statuses: tuple[str, ...], help: str) -> OptionSpec:
    """An option that selects jobs by their status."""
    return OptionSpec(name, dest="status_filter", action="store_const", const=statuses, help=help)


def _timestamps(stamps: list[Any]) -> str:
    # Python's form of a list, which is what scripts that parse Ganeti's output expect.
    return str([format_timestamp(stamp) for stamp in stamps])


def _by_status(session: Session) -> list[Any] | None:
    conditions = []
    if session.options.status_filter:
        conditions.append(
            ["|", *(["=", "status", one] for one in session.options.status_filter)])
    if session.options.archived:
        # The master looks at archived jobs when a filter speaks of them; this one is always true.
        conditions.append(["|", ["?", "archived"], ["!", ["?", "archived"]]])
    return ["&", *conditions] if len(conditions) > 1 else next(iter(conditions), None)


COMMANDS = listing_commands(Listing(
    what="job",
    default_fields=("id", "status", "summary"),
    writers={
        "summary": joined,
        **dict.fromkeys(("opstart", "opexec", "opend"), _timestamps),
    },
    name_field="id",
    numeric_names=True,
    argument="job-id",
    fields_usage="[<fields>...]",
    more_options=(
        status_option("--pending", PENDING, "Jobs that have not begun"),
        status_option("--running", ("running",), "Jobs that run"),
        status_option("--error", ("error",), "Jobs that failed"),
        status_option("--finished", FINISHED, "Jobs that have ended"),
        flag("--archived", dest="archived", help="Archived jobs too"),
    ),
    condition=_by_status,
))
