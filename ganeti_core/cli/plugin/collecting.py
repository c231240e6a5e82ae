"""``gnt-plugin collect``: what a data collector reports."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.paths import Paths

if TYPE_CHECKING:
    import argparse

FAILED = 3


def collect(options: argparse.Namespace) -> int:
    """Print the report; 3 when the collector failed, or has not reported yet.

    :raises GanetiError: no master here, no such node or collector
    """
    if options.local:
        print(json.dumps(_here(options.name), indent=2))
        return 0
    from ganeti_core.luxi.client import LuxiClient

    with LuxiClient(Paths.from_environment().master_socket) as client:
        (row,) = client.collector_reports(options.node, [options.name])
    if row["report"] is None:
        print(f"{options.name} has not reported yet" if row["active"] else
              f"{options.name} is not active", file=sys.stderr)
        return FAILED
    print(json.dumps(row["report"], indent=2))
    return FAILED if row["error"] else 0


def _here(name: str) -> Any:
    """Collect twice, so that history is used, and return the second report's data.

    :raises GanetiError: there is no such collector, or it failed
    """
    from ganeti_core.cli.plugin.local_host import load_host
    from ganeti_core.plugin_api.collector import COLLECTORS
    from ganeti_core.plugin_api.context import HookContext

    hooks = load_host().driver(COLLECTORS, name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ctx = HookContext("localhost", root, root, root, root, logging.getLogger(name))
        first = hooks.collect(ctx=ctx, previous=None)
        return hooks.collect(ctx=ctx, previous=first.state).report.data
