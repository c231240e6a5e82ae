"""The daemons of a virtual cluster, found by their pid files, and how processes are ended."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ganeti_core.daemons.vcluster.layout import PORT, Layout, VirtualNode
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.pid_file import running_pid

if TYPE_CHECKING:
    from collections.abc import Iterable



@dataclass(frozen=True)
class Extra:
    """A daemon beside those that every cluster has.

    :param master_only: it runs where the master daemon does, not on every node
    """

    port: int
    master_only: bool = False


MASTERD = "ganeti-masterd"
NODED = "ganeti-noded"
RAPI = "ganeti-rapi"
EXTRAS = {"ganeti-confd": Extra(1814), "ganeti-mond": Extra(1815),
          RAPI: Extra(5080, master_only=True)}
"""Daemons that a cluster has only where it was asked for, by their names."""
_PORTS = {NODED: PORT, **{name: extra.port for name, extra in EXTRAS.items()}}
DAEMONS = (MASTERD, NODED, *EXTRAS)
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
        for name in _wanted(layout, on_master=node == master)]


def _wanted(layout: Layout, *, on_master: bool) -> list[str]:
    return [NODED, *([MASTERD] if on_master else []), *extras(layout.extras, on_master=on_master)]


def extras(wanted: Iterable[str], *, on_master: bool) -> list[str]:
    """Those of the daemons in `wanted` that run on the master, or on each other node."""
    return [name for name in wanted if on_master or not EXTRAS[name].master_only]


def running(layout: Layout) -> list[DaemonState]:
    """Every daemon that does run, wanted or not."""
    found = [DaemonState(node, name, running_pid(node.paths.daemon_pid(name)))
             for node in layout.nodes for name in DAEMONS]
    return [state for state in found if state.pid is not None]


def stop_daemons(states: Iterable[DaemonState], *, kill: bool = False) -> None:
    """End daemons, masters first: they still tell the nodes what they have to."""
    found = [state for state in states if state.pid is not None]
    for name in (*EXTRAS, MASTERD, NODED):
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
