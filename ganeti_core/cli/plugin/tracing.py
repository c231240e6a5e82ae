"""``gnt-plugin trace``: the calls of a plugin's hooks on the master and on a node, as they end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.plugin.names import plugin_named
from ganeti_core.cli.plugin.switching import known_plugins
from ganeti_core.cli.table import visible
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    import argparse

PAUSE = 0.5
"""Seconds between two questions."""


def trace(options: argparse.Namespace) -> int:
    """Print a line per call, until interrupted or for the seconds that were given.

    :raises GanetiError: no master here, or no such node
    """
    kind, name = plugin_named(options.plugin, known_plugins)
    until = None if options.seconds is None else time.monotonic() + options.seconds
    with LuxiClient(Paths.from_environment().master_socket) as client:
        node = options.node or client.query_config_values(["master_node"])[0]
        watched = [_Watched(client, None, kind, name), _Watched(client, node, kind, name)]
        if (kind, name) not in {(row["kind"], row["name"]) for row in client.plugin_status()}:
            # Another node may have it, so that it is watched all the same.
            print(f"There is no {kind}:{name} on the master node now (gnt-plugin list {kind} shows"
                  " what there is)", file=sys.stderr, flush=True)
        print(f"Calls of {kind}:{name} by the master, and on {node}", flush=True)
        while until is None or time.monotonic() < until:
            time.sleep(PAUSE)
            found = [(call["time"], _line(call, one.node)) for one in watched
                     for call in one.calls()]
            for _, line in sorted(found):
                print(line, flush=True)
    return 0


@dataclass
class _Watched:
    """Where calls are looked for: on a node, or those of the master itself."""

    client: LuxiClient
    node: str | None
    kind: str
    name: str

    def __post_init__(self) -> None:
        self._serial = int(self._asked(None)["serial"])

    def calls(self) -> list[dict[str, Any]]:
        """Those that have ended since."""
        found = self._asked(self._serial)
        # A daemon that was started again counts from the beginning.
        self._serial = found["serial"] if found["serial"] >= self._serial else 0
        calls: list[dict[str, Any]] = found["calls"]
        return calls

    def _asked(self, after: int | None) -> dict[str, Any]:
        return self.client.trace_plugin(self.node, self.kind, self.name, after)


def _line(call: dict[str, Any], node: str | None) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(call["time"]))
    sign = "failed" if call["failed"] else "->"
    where = "" if node else "master "
    return visible(f"{when} {where}{call['hook']} {call['seconds'] * 1000:.1f}ms"
                   f" {call['arguments']} {sign} {call['result']}")
