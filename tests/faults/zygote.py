"""A program that makes one virtual cluster and brings its daemons back: a line of JSON per order.

Daemons are forked from it, so that one is back in a quarter of a second. It has no threads, which
the process of a test run has. It shortens intervals that daemons wait for their own sake.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from ganeti_core.config import replicate
from ganeti_core.daemons import masterd
from ganeti_core.daemons.vcluster.building import Wish, build
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.daemons.vcluster.processes import MASTERD, daemons
from ganeti_core.daemons.vcluster.starting import Starter
from ganeti_core.daemons.vcluster.upkeep import tear_down
from ganeti_core.errors import GanetiError
from ganeti_core.plugin_api.kinds import Kind

CARE_INTERVAL = 0.1


def shorten_calls(seconds: float) -> None:
    """Give every changing hook at most so long."""
    contract = Kind.hook_where

    def hook_where(kind, hook):
        where = contract(kind, hook)
        return replace(where, timeout=min(where.timeout, seconds)) if where.changes else where

    Kind.hook_where = hook_where


def start(layout: Layout, starter: Starter) -> list[str]:
    """Start what does not run; node daemons first, as after a power cut."""
    missing = [(state.node, state.daemon) for state in daemons(layout) if state.pid is None]
    missing.sort(key=lambda pair: pair[1] == MASTERD)
    for pair in missing:
        starter.start([pair])
    return [f"{node.name} {daemon}" for node, daemon in missing]


def main() -> None:
    root, nodes, limit = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    if limit:
        shorten_calls(limit)
    assert masterd.CARE_INTERVAL > CARE_INTERVAL
    masterd.CARE_INTERVAL = CARE_INTERVAL
    assert replicate.RETRY > CARE_INTERVAL
    replicate.RETRY = CARE_INTERVAL
    layout = build(Wish(root, nodes), lambda _: None)
    starter = Starter()
    print(json.dumps([]), flush=True)
    try:
        for _ in sys.stdin:
            try:
                print(json.dumps(start(layout, starter)), flush=True)
            except GanetiError as exc:
                print(json.dumps(str(exc)), flush=True)
    finally:
        tear_down(layout, keep=True)


if __name__ == "__main__":
    main()
