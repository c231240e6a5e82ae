"""``gnt-cluster plugins``: which plugins there are, where they come from, how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_COLUMNS = (("Kind", "kind"), ("Name", "name"), ("API", "api"), ("Version", "version"),
            ("Distribution", "distribution"), ("Health", "health"))


def _health(row: dict[str, Any]) -> str:
    """Return what is wrong, or that nothing is."""
    problem = row.get("problem")
    return str(problem) if problem else str(row.get("health") or "ok")


def _cells(row: dict[str, Any]) -> list[str]:
    texts = [row.get(name) for _, name in _COLUMNS[:-1]]
    return ["-" if text in (None, "") else str(text) for text in texts] + [_health(row)]


def _plugins(session: Session, _arguments: list[str]) -> int:
    options = session.options
    as_data = wants_data(session)
    found = session.client.plugin_status()
    if as_data:
        print_data(found, options.format)
        return 0
    rows = sorted(map(_cells, found))
    titles = [title for title, _ in _COLUMNS]
    if options.separator is not None:
        for line in [*([] if options.no_headers else [titles]), *rows]:
            print(options.separator.join(line))
        return 0
    from tabulate import tabulate

    # Everything is text: a version such as 1.10 must not be read as a number.
    print(tabulate(rows, headers=[] if options.no_headers else titles, disable_numparse=True,
                   tablefmt="plain" if options.no_headers else "simple"))
    return 0


COMMANDS = {"plugins": Command(_plugins, options=(opt.NO_HEADERS, opt.SEPARATOR, FORMAT))}
