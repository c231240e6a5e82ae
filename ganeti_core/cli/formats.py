"""``--format``: what a command shows, as data for programs.

JSON and YAML have the names of fields as keys and values as the master has them: sizes in MiB,
times in seconds, null for what is not known. Columns, units and titles are a table's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.options import choice

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

TABLE, JSON, YAML = "table", "json", "yaml"
FORMATS = [TABLE, JSON, YAML]
FORMAT = choice("--format", dest="format", choices=FORMATS, default=TABLE,
                metavar="|".join(FORMATS),
                help="table is for people; json and yaml are data with the names of fields")
_OF_TABLES = {"no_headers": "--no-headers", "separator": "--separator", "units": "--units"}


def wants_data(session: Session) -> bool:
    """Whether data is wanted and not a table.

    :raises errors.OpPrereqError: an option says how the table looks that is not wanted
    """
    if session.option("format") in (None, TABLE):
        return False
    for name, option in _OF_TABLES.items():
        if session.option(name):
            raise wrong_input(f"{option} is for tables; leave it out with"
                              f" --format={session.options.format}")
    return True


def print_data(data: Any, form: str) -> None:
    """Print values in one of the forms for programs."""
    if form == JSON:
        print(json.dumps(data, indent=2))
        return
    from ganeti_core.spec.text import write

    print(write(data), end="")


def records(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query, each by the names of its fields; null for what is not known."""
    names = [field["name"] for field in answer["fields"]]
    return [dict(zip(names, (value for _, value in row), strict=True)) for row in answer["data"]]
