"""The commands ``list`` and ``list-fields``, the same for every kind of object."""

from __future__ import annotations

import sys
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options
from ganeti_core.cli.failure import EXIT_UNKNOWN_FIELD, wrong_input
from ganeti_core.cli.formats import FORMAT, print_data, records, wants_data
from ganeti_core.cli.session import Command, Session
from ganeti_core.cli.table import Style, layout, query_table
from ganeti_core.cli.terminal import painted_table
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.cli.options import OptionSpec

_KINDS = {
    "text": "Text", "bool": "Boolean", "number": "Number", "float": "Floating-point number",
    "unit": "Storage size", "timestamp": "Timestamp", "other": "Custom", "unknown": "Unknown",
}


@dataclass(frozen=True)
class Listing:
    """What a kind of object is asked for, and how some of its fields are written."""

    what: str
    default_fields: tuple[str, ...]
    writers: dict[str, Callable[[Any], str]] = field(default_factory=dict)
    name_field: str = "name"
    numeric_names: bool = False
    argument: str = ""
    fields_usage: str = "[fields...]"
    with_units: bool = False
    with_filter: bool = True
    more_options: tuple[OptionSpec, ...] = ()
    condition: Callable[[Session], list[Any] | None] = lambda _session: None
    """Gives a filter that the command's own options ask for."""


def style_of(session: Session) -> Style:
    return Style(headers=not session.option("no_headers"), separator=session.option("separator"),
                 units=session.option("units"), verbose=bool(session.option("verbose")))


def selected_fields(output: str | None, default: tuple[str, ...]) -> list[str]:
    """Read ``-o``: a leading plus adds to the default fields."""
    if output is None:
        return list(default)
    if output.startswith("+"):
        return [*default, *output[1:].split(",")]
    return output.split(",")


def names_filter(names: list[str], listing: Listing, *, force: bool) -> list[Any] | None:
    """Make a query filter of arguments: names, patterns of names, or one filter text.

    :raises errors.GanetiError: the filter text is malformed
    """
    if not names and not force:
        return None
    from ganeti_core.query_language import make_filter

    return make_filter(names, force=force, name_field=listing.name_field,
                       numeric=listing.numeric_names)


def job_number(text: str) -> int:
    """Read a job's id.

    :raises errors.OpPrereqError: it is no number
    """
    try:
        return int(text)
    except ValueError as exc:
        raise wrong_input(f"Invalid job ID passed: {exc}") from exc


def warn_unknown(fields: list[dict[str, Any]]) -> bool:
    """Tell of fields that do not exist; whether there were any."""
    unknown = [one["name"] for one in fields if one["kind"] == "unknown"]
    if unknown:
        print(f"Warning: Queried for unknown fields {', '.join(unknown)}", file=sys.stderr)
    return bool(unknown)


def run_list(session: Session, arguments: list[str], listing: Listing) -> int:
    as_data = wants_data(session)
    conditions = [part for part in (
        names_filter(arguments, listing, force=bool(session.option("force_filter"))),
        listing.condition(session)) if part is not None]
    qfilter = ["&", *conditions] if len(conditions) > 1 else next(iter(conditions), None)
    fields = selected_fields(session.option("output"), listing.default_fields)
    answer = session.client.query(listing.what, fields, qfilter)
    unknown = warn_unknown(answer["fields"])
    if as_data:
        print_data(records(answer), session.options.format)
        return EXIT_UNKNOWN_FIELD if unknown else 0
    style = style_of(session)
    lines = query_table(answer, style, listing.writers)
    if style.separator is None:
        lines = painted_table(lines, answer, sys.stdout, headers=style.headers)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return EXIT_UNKNOWN_FIELD if unknown else 0


def run_list_fields(session: Session, arguments: list[str], listing: Listing) -> int:
    as_data = wants_data(session)
    answer = session.client.query_fields(listing.what, arguments or None)
    unknown = warn_unknown(answer["fields"])
    if as_data:
        print_data(answer["fields"], session.options.format)
        return EXIT_UNKNOWN_FIELD if unknown else 0
    rows = [[one["name"], _KINDS.get(one["kind"], one["kind"]), one["title"], one["doc"]]
            for one in answer["fields"]]
    for line in layout(["Name", "Type", "Title", "Description"], [False] * 4, rows,
                       style_of(session)):
        print(line)
    return EXIT_UNKNOWN_FIELD if unknown else 0


def listing_commands(listing: Listing) -> dict[str, Command]:
    """Make the two commands for a kind of object."""
    list_options = [options.NO_HEADERS, options.SEPARATOR, options.OUTPUT, options.VERBOSE,
                    FORMAT]
    if listing.with_units:
        list_options.append(options.UNITS)
    if listing.with_filter:
        list_options.append(options.FILTER)
    return {
        "list": Command(lambda session, names: run_list(session, names, listing),
                        f"[<{listing.argument}>...]", 0, None,
                        (*list_options, *listing.more_options)),
        "list-fields": Command(lambda session, names: run_list_fields(session, names, listing),
                               listing.fields_usage, 0, None,
                               (options.NO_HEADERS, options.SEPARATOR, FORMAT)),
    }
