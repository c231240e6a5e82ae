"""``gnt-plugin enable``, ``disable`` and ``reload``: what the whole cluster uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli.plugin.names import plugin_named
from ganeti_core.cli.table import visible
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    import argparse


def enable(options: argparse.Namespace) -> int:
    """:raises GanetiError: there is no master here"""
    return _switch(options.plugin, enabled=True)


def disable(options: argparse.Namespace) -> int:
    """:raises GanetiError: no master here, no such plugin, or instances need it"""
    return _switch(options.plugin, enabled=False)


def reload(options: argparse.Namespace) -> int:
    """:raises GanetiError: there is no master here"""
    del options
    with LuxiClient(Paths.from_environment().master_socket) as client:
        found = client.reload_plugins()
    rows = found["plugins"]
    wrong = [row for row in rows if row["problem"]]
    print(f"{len(rows)} plugins, {len(wrong)} of them cannot be used")
    for row in wrong:
        print(f"  {row['kind']}:{row['name']}: {visible(row['problem'])}")
    for node, why in found["nodes"].items():
        print(f"Node {node} did not look again: {visible(why)}", file=sys.stderr)
    return 1 if found["nodes"] else 0


def _switch(words: list[str], *, enabled: bool) -> int:
    kind, name = plugin_named(words, known_plugins)
    with LuxiClient(Paths.from_environment().master_socket) as client:
        disabled = client.set_plugin_enabled(kind, name, enabled)
    print(f"Disabled on this cluster: {', '.join(disabled) or 'nothing'}")
    return 0


def known_plugins() -> set[tuple[str, str]]:
    """Kind and name of all plugins."""
    # Plugins are loaded for a name without its kind only: that takes longer than the switch.
    from ganeti_core.cli.plugin.local_host import load_host, plugin_names

    return plugin_names(load_host())
