"""``gnt-plugin list``: one line a plugin."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.formats import TABLE, print_data
from ganeti_core.cli.plugin.names import kind_name
from ganeti_core.cli.table import Style, layout, visible
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    import argparse

_TITLES = ("Kind", "Name", "API", "Version", "Distribution", "Load", "Health")


def list_plugins(options: argparse.Namespace) -> int:
    """Ask the master, or load the plugins here where there is none; 3 when one is not healthy."""
    if options.nodes:
        from ganeti_core.cli.plugin.nodes import list_nodes

        return list_nodes(options)
    kind = kind_name(options.kind) if options.kind else ""
    rows = [row for row in _rows(options.local) if kind in ("", row["kind"])]
    if options.format != TABLE:
        print_data(rows, options.format)
        return 3 if any(row.get("problem") for row in rows) else 0
    style = Style(headers=not options.no_headers, separator=options.separator)
    for line in layout(_TITLES, (False, False, True, False, False, True, False),
                       [_cells(row) for row in rows], style):
        print(line)
    return 3 if any(row.get("problem") for row in rows) else 0


def _rows(local: bool) -> list[dict[str, Any]]:
    if not local:
        from ganeti_core.luxi.client import LuxiClient, NoMasterError

        try:
            with LuxiClient(Paths.from_environment().master_socket) as client:
                return client.plugin_status()
        except NoMasterError:
            pass
    from ganeti_core.cli.plugin.local_host import load_host, local_subscribers

    return [asdict(status) for status in (*load_host().status(), *local_subscribers())]


def _cells(row: dict[str, Any]) -> list[str]:
    shown = [row["kind"], row["name"], row.get("api"), row.get("version"), row.get("distribution")]
    seconds = float(row.get("seconds") or 0.0)
    health = row.get("problem") or _well(row)
    return [*("-" if cell in (None, "") else visible(cell) for cell in shown),
            f"{seconds * 1000:.1f}ms" if seconds else "-", visible(health)]


def _well(row: dict[str, Any]) -> str:
    return f"ok ({row['note']})" if row.get("note") else "ok"
