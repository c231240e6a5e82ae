"""Whether a transfer will end: a guest may write to its memory faster than it is sent.

QEMU sends the memory pass after pass, each time what was written meanwhile, until the rest can be
sent within the longest pause (``migration_downtime``). It goes on for ever where that never comes.
With the capability ``auto-converge`` it slows the guest down, more and more.
"""

from __future__ import annotations

from typing import Any

from .qmp import Qmp

PASSES, TIMES = 30, 3
"""A transfer that has made so many passes, and has sent all of the memory so many times over, would
have ended long ago if it were to end."""
FIRST_PASS = 1
ON_DEMAND = "postcopy-ram"
"""The capability by which a guest is handed over before all of its memory is."""
SLOWEST = 99
"""Percent of its time that a guest is halted at most."""
MIB = 1 << 20


def endless(qmp: Qmp, answer: dict[str, Any]) -> str:
    """Why the transfer that `answer` (of ``query-migrate``) is about will not end by itself, and
    what to do; empty while it may end."""
    ram = answer.get("ram") or {}
    sent, total = int(ram.get("transferred", 0)), int(ram.get("total", 0))
    if not total or int(ram.get("dirty-sync-count", 0)) < PASSES or sent < TIMES * total:
        return ""
    slows = "auto-converge" in capabilities(qmp)
    slowed = int(answer.get("cpu-throttle-percentage", 0))
    if slows and (slowed < SLOWEST or sent < 2 * TIMES * total):
        return ""
    speed = float(ram.get("mbps", 0)) * 1e6 / 8 / MIB
    ways = ["raise migration_bandwidth or migration_downtime"]
    ways += [] if slows else ["add auto-converge or postcopy-ram to migration_caps"]
    return (f"its memory was sent {sent / total:.0f} times over, and the guest still writes to it "
            f"as fast as it is sent ({speed:.0f} MiB/s): {', '.join(ways)}, or migrate with "
            "--non-live")


def can_switch(qmp: Qmp, answer: dict[str, Any]) -> bool:
    """Whether the rest may be sent on demand: that was asked for, and all was sent once."""
    passes = int((answer.get("ram") or {}).get("dirty-sync-count", 0))
    return passes > FIRST_PASS and ON_DEMAND in capabilities(qmp)


def capabilities(qmp: Qmp) -> set[str]:
    """The capabilities of migrations that are switched on."""
    return {item["capability"] for item in qmp.execute("query-migrate-capabilities")
            if item["state"]}
