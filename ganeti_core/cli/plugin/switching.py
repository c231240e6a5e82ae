"""``gnt-plugin enable`` and ``disable``: what the whole cluster uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli.plugin.names import split_plugin
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


def _switch(plugin: str, *, enabled: bool) -> int:
    kind, name = split_plugin(plugin)
    with LuxiClient(Paths.from_environment().master_socket) as client:
        disabled = client.set_plugin_enabled(kind, name, enabled)
    print(f"Disabled on this cluster: {', '.join(disabled) or 'nothing'}")
    return 0
