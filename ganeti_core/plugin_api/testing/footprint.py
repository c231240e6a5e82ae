"""What a driver leaves on a node: files below its root, and processes that were started with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ganeti_core.plugin_api.context import HookContext

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
            if not any(item.startswith("process ") for item in now ^ self.before):
                break
            time.sleep(0.02)
        assert not now - self.before, f"left behind: {sorted(now - self.before)}"
        assert not self.before - now, f"taken away: {sorted(self.before - now)}"

    def _look(self) -> frozenset[str]:
        found: set[str] = set(self.more())
        for context in self.contexts:
            found.update(files(context))
            found.update(f"process {text}" for text in processes(context.root))
        return frozenset(found)


def files(context: HookContext) -> Iterable[str]:
    """List what lies below a node's root, logs left out."""
    logs = (context.logs, context.root / "var/log")
    for folder, folders, names in os.walk(context.root):
        here = Path(folder)
        if any(here.is_relative_to(log) for log in logs):
            continue
        yield from (str(here / name) for name in (*folders, *names))


def processes(root: Path) -> Iterable[str]:
    """List processes whose arguments or working folder lie below `root`, without this one's own."""
    needle = str(root).encode()
    own = {os.getpid(), os.getppid()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            cwd = os.fsencode((entry / "cwd").readlink())
        except OSError:
            continue  # it ended, or is a zombie, or not ours to see
        if words and (needle in words or cwd.startswith(needle)):
            yield f"{entry.name} {words.replace(bytes(1), b' ').decode(errors='replace')[:200]}"
