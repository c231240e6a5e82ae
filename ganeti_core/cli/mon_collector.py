"""``mon-collector``: run one data collector by hand, here and now, and print its report."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.context import MasterQuery

PROGRAM = "mon-collector"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mon-collector``."""
    from ganeti_core.cli.failure import describe, exit_status
    from ganeti_core.errors import GanetiError
    from ganeti_core.paths import Paths
    from ganeti_core.std_streams import flush_or_forget, open_closed

    open_closed()
    options = make_parser().parse_args(argv)
    try:
        print(json.dumps(run(Paths.from_environment(), options.collector), indent=1))
        sys.stdout.flush()
    except GanetiError as exc:
        print(describe(exc), file=sys.stderr)
        return exit_status(exc)
    except BrokenPipeError:
        flush_or_forget()
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def run(paths: Paths, name: str) -> dict[str, Any]:
    """Collect once, with the history that the node daemon has kept, and keep none.

    :raises GanetiError: this host is no node, there is no such collector, or it failed
    """
    from ganeti_core.node.collecting import by_hand
    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.node.world import Asked, World, load_node_host
    from ganeti_core.rpc.identity import NodeIdentity

    identity = NodeIdentity.load(paths)
    world = World(LocalNode(identity, paths), load_node_host())
    try:
        master = (paths.ssconf / "ssconf_master_node").read_text().strip()
    except FileNotFoundError:
        master = ""
    return by_hand(world, name, Asked(query=_query(paths)) if master == identity.name else Asked())


def _query(paths: Paths) -> MasterQuery:
    """How hooks ask the master, on its own node."""
    from ganeti_core.luxi.client import LuxiClient

    def ask(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
            ) -> list[list[Any]]:
        with LuxiClient(paths.master_socket) as client:
            return client.query_for_hook(resource, list(fields), filter_)

    return ask


def make_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Run one data collector of this node and print its report.")
    parser.add_argument("collector", metavar="COLLECTOR", help="its name, such as cpu-avg-load")
    return parser
