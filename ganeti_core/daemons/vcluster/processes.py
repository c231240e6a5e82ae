"""The processes of a virtual cluster: daemons by their pid files, guests by what they name."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.daemons.vcluster.layout import PORT, Layout, VirtualNode
from ganeti_core.pid_file import running_pid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASTERD = "ganeti-masterd"
NODED = "ganeti-noded"
_PORTS = {NODED: PORT}
PATIENCE = 15.0
"""Seconds in which a daemon that was asked to end does so; then it is killed."""


@dataclass(frozen=True)
class DaemonState:
    """A daemon that a node should run; `pid` is None when it does not. masterd has no `port`."""

    node: VirtualNode
    daemon: str
    pid: int | None

    @property
    def port(self) -> int | None:
        return _PORTS.get(self.daemon)


def daemons(layout: Layout) -> list[DaemonState]:
    """Every daemon that should run: an init system would start them."""
    master = layout.master
    return [
        DaemonState(node, name, running_pid(node.paths.daemon_pid(name)))
        for node in layout.nodes if node.is_enrolled
        for name in ((NODED, MASTERD) if node == master else (NODED,))]


def running(layout: Layout) -> list[DaemonState]:
    """Every daemon that does run, wanted or not."""
    found = [DaemonState(node, name, running_pid(node.paths.daemon_pid(name)))
             for node in layout.nodes for name in (MASTERD, NODED)]
    return [state for state in found if state.pid is not None]


def stop_daemons(states: Iterable[DaemonState], *, kill: bool = False) -> None:
    """End daemons, masters first: they still tell the nodes what they have to."""
    found = [state for state in states if state.pid is not None]
    for name in (MASTERD, NODED):
        end([state.pid for state in found if state.daemon == name and state.pid],
            0.0 if kill else PATIENCE)


def end(pids: Iterable[int], patience: float) -> None:
    """End processes, all at once: SIGTERM, and SIGKILL after `patience` seconds (0: at once).

    Returns when they have ended; somebody else may still have to reap them.
    """
    handles = []
    for pid in pids:
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    try:
        if patience > 0:
            _signal(handles, signal.SIGTERM)
            _wait(handles, patience)
        _signal(handles, signal.SIGKILL)
        _wait(handles, 10.0)
    finally:
        for handle in handles:
            os.close(handle)


def _signal(handles: Iterable[int], number: signal.Signals) -> None:
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _wait(handles: Iterable[int], seconds: float) -> None:
    # A handle is readable from the moment its process has ended.
    left = set(handles)
    until = time.monotonic() + seconds
    poll = select.poll()
    for handle in left:
        poll.register(handle, select.POLLIN)
    while left and (wait := until - time.monotonic()) > 0:
        for handle, _ in poll.poll(wait * 1000):
            left.discard(handle)
            poll.unregister(handle)


def guests(nodes: Iterable[VirtualNode]) -> list[int]:
    """Processes whose command line names a file below a node's run folder: its guests.

    A guest outlives the daemons; it is found by its sockets and its pid file, whatever program it
    is. Those that called this program are none, however they were called.
    """
    folders = [os.fsencode(node.paths.run) + b"/" for node in nodes]
    spared = set(_ancestors(os.getpid()))
    return [pid for pid, line in _command_lines()
            if pid not in spared and any(folder in line for folder in folders)]


def _command_lines() -> Iterator[tuple[int, bytes]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                # Empty for a process that only waits to be reaped.
                yield int(entry), Path("/proc", entry, "cmdline").read_bytes()


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        try:
            status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return
        # The name before the last bracket may hold anything.
        pid = int(status.rsplit(")", 1)[1].split()[1])
