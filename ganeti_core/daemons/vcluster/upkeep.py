"""Keep a virtual cluster running, as an init system would, and remove it."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganeti_core.daemons.vcluster import processes
from ganeti_core.daemons.vcluster.layout import Layout, layout_file
from ganeti_core.daemons.vcluster.left_behind import (
    cgroups_of,
    left_behind,
    remove_empty,
    unmount,
    with_descendants,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ganeti_core.daemons.vcluster.layout import VirtualNode


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one command at a time change the cluster in `root`, which exists."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def start(wanted: Iterable[processes.DaemonState]) -> None:
    """Start those of the daemons that do not run.

    :raises ConfigurationError: one did not start
    """
    # Only then is all the code of the daemons imported.
    if missing := [(state.node, state.daemon) for state in wanted if state.pid is None]:
        # A master that finds the other nodes silent would mark them.
        missing.sort(key=lambda pair: pair[1] == processes.MASTERD)
        from ganeti_core.daemons.vcluster.starting import Starter

        Starter().start(missing)


def end_left_behind(nodes: Sequence[VirtualNode], patience: float) -> None:
    """End what outlives the daemons of these nodes, and remove the control groups and mounts made
    for it.
    """
    while found := with_descendants(left_behind(nodes)):
        groups = cgroups_of(found)
        processes.end(found, patience)
        remove_empty(groups)
    unmount(nodes)


def tear_down(layout: Layout, *, keep: bool) -> None:
    """Stop daemons and guests, and remove the cluster's folder, unless `keep`."""
    with locked(layout.root):
        processes.stop_daemons(processes.running(layout))
        end_left_behind(layout.nodes, 2.0)
        if not keep:
            remove_files(layout)
            layout.root.rmdir()


def remove_files(layout: Layout) -> None:
    """Remove all that is in the folder of a cluster of which nothing runs."""
    # Whoever is interrupted here finds a cluster that can be torn down again.
    for entry in layout.root.iterdir():
        if entry != layout_file(layout.root):
            _remove(entry)
    layout_file(layout.root).unlink(missing_ok=True)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
