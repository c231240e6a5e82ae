"""``gnt-plugin enable`` and ``disable``: what the whole cluster uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli.plugin.names import plugin_named
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


def _switch(words: list[str], *, enabled: bool) -> int:
    kind, name = plugin_named(words, _known)
    with LuxiClient(Paths.from_environment().master_socket) as client:
        disabled = client.set_plugin_enabled(kind, name, enabled)
    print(f"Disabled on this cluster: {', '.join(disabled) or 'nothing'}")
    return 0


def _known() -> set[tuple[str, str]]:
    # Plugins are loaded for a name without its kind only: that takes longer than the switch.
    from ganeti_core.cli.plugin.local_host import load_host, plugin_names

    return plugin_names(load_host())
