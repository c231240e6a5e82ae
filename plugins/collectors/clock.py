"""When something was read, so that a later reading can be compared with it."""

from __future__ import annotations

import time
from pathlib import Path

PROC = Path("/proc")


def boot_id(proc: Path = PROC) -> str:
    """Name this boot: counters of an earlier one are of no use."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def since_boot() -> float:
    """Seconds since the node was booted: a clock that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
