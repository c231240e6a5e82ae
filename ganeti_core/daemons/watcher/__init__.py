"""``ganeti-watcher``: puts right, every few minutes, what has failed since it ran last.

On every node it starts the daemons that should run, and ends the guests of one that is marked
offline where the cluster wants that (`node_health`). On the master it also starts instances that
should run and do not, stops those that their users have shut down, activates disks that a reboot
of a node has closed, archives old jobs and writes a file with the state of each instance. It is a
program that a timer starts, not a daemon: what it remembers lies in a file (`notes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``ganeti-watcher``."""
    from ganeti_core.daemons.watcher.command import run

    return run(argv)
