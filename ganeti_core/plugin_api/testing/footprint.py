"""What a driver leaves on a node: files below its root, and processes that were started with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import field
from pathlib import Path

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.context import HookContext

PROCESS = "process "
PATIENCE = 5.0
"""Seconds that the kernel gets to take away a process that was killed."""


def _nothing_more() -> Iterable[str]:
    return ()


@dataclass
class Footprint:
    """Compares a node before and after; made when the node is as it should be.

    :param contexts: the nodes; log files do not count
    :param more: tells further things to watch, such as devices or network interfaces
    """

    contexts: tuple[HookContext, ...]
    more: Callable[[], Iterable[str]] = _nothing_more
    before: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.before = self._look()

    def assert_unchanged(self) -> None:
        """Fail with a list of what came or went; a dying process gets a moment."""
        deadline = time.monotonic() + PATIENCE
        while (now := self._look()) != self.before and time.monotonic() < deadline:
            if not any(item.startswith(PROCESS) for item in now ^ self.before):
                break
            time.sleep(0.02)
        left = sorted(describe(item) for item in now - self.before)
        assert not left, f"left behind: {left}"
        assert not self.before - now, f"taken away: {sorted(self.before - now)}"

    def _look(self) -> frozenset[str]:
        found: set[str] = set(self.more())
        for context in self.contexts:
            found.update(files(context))
            found.update(f"{PROCESS}{number}" for number in processes(context.root))
        return frozenset(found)


def files(context: HookContext) -> Iterable[str]:
    """List what lies below a node's root, logs left out.

    Of what is mounted there the mount point alone counts: a guest may write into its own disk.
    """
    logs = (context.logs, context.root / "var/log")
    for folder, folders, names in os.walk(context.root):
        here = Path(folder)
        if any(here.is_relative_to(log) for log in logs):
            continue
        if here != context.root and here.is_mount():
            folders.clear()
            continue
        yield from (str(here / name) for name in (*folders, *names))


def processes(root: Path) -> Iterable[int]:
    """List processes whose arguments or working folder lie below `root`, without this one's own."""
    needle = str(root).encode()
    own = {os.getpid(), os.getppid()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            # A zombie has no working folder, so it does not count.
            cwd = os.fsencode((entry / "cwd").readlink())
            if cwd.startswith(needle) or needle in (entry / "cmdline").read_bytes():
                yield int(entry.name)
        except OSError:
            continue  # it ended, or is not ours to see


def describe(item: str) -> str:
    """Add to the number of a process what it runs."""
    if not item.startswith(PROCESS):
        return item
    try:
        words = Path("/proc", item.removeprefix(PROCESS), "cmdline").read_bytes()
    except OSError:
        return f"{item} (ended now)"
    return f"{item}: {words.replace(bytes(1), b' ').decode(errors='replace')[:200]}"
