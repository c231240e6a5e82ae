"""Keep a virtual cluster running, as an init system would, and remove it."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganeti_core.daemons.vcluster import processes
from ganeti_core.daemons.vcluster.layout import Layout, layout_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


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


def tear_down(layout: Layout, *, keep: bool) -> None:
    """Stop daemons and guests, and remove the cluster's folder, unless `keep`."""
    with locked(layout.root):
        processes.stop_daemons(processes.running(layout))
        while found := processes.guests(layout.nodes):
            processes.end(found, 2.0)
        if not keep:
            # Whoever is interrupted here finds a cluster that can be torn down again.
            for entry in layout.root.iterdir():
                if entry != layout_file(layout.root):
                    _remove(entry)
            layout_file(layout.root).unlink()
            layout.root.rmdir()


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
