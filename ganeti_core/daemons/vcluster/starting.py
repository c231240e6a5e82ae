"""Start daemons by forking this process, which has imported and loaded all that they need.

A daemon that is started as a program of its own spends most of a second on imports and takes some
fifty megabytes for itself. Forked from here it spends milliseconds, and shares the pages of code
and modules with its siblings. Otherwise it is the same daemon: it runs the same entry point, leaves
this process's session, has its own pid file, log and environment.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ganeti_core.bootstrap.local_daemons import limits_of, settings_of
from ganeti_core.daemons import masterd, noded
from ganeti_core.daemons.process import bear_name
from ganeti_core.daemons.vcluster.processes import MASTERD, NODED
from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import forkserver
from ganeti_core.node.world import load_node_host

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.daemons.vcluster.layout import VirtualNode

AT_ONCE = 4
"""Daemons that start at the same time."""
EntryPoint = Callable[[list[str]], int]
_ENTRY_POINTS: dict[str, EntryPoint] = {MASTERD: masterd.main, NODED: noded.main}


def _entry_point(daemon: str) -> EntryPoint:
    """The function that runs a daemon; code of those that few clusters have is imported now."""
    if daemon not in _ENTRY_POINTS:
        module = import_module(f"ganeti_core.daemons.{daemon.removeprefix('ganeti-')}")
        _ENTRY_POINTS[daemon] = module.main
    return _ENTRY_POINTS[daemon]


@dataclass(frozen=True)
class _Starting:
    node: VirtualNode
    daemon: str
    said: BinaryIO


class Starter:
    """Forks daemons; make one when everything that daemons share may be loaded.

    Nothing in this process may have started a thread.
    """

    def __init__(self) -> None:
        # With the modules of all plugins: the master daemon, which loads more kinds of them, needs
        # some milliseconds by then.
        self.host = load_node_host()
        forkserver.prepare()
        self._node_daemon = partial(noded.main, host=self.host)
        gc.collect()
        # What exists now is never looked at by the collectors of the children, so its pages stay
        # shared.
        gc.freeze()

    def start(self, wanted: Iterable[tuple[VirtualNode, str]]) -> None:
        """Start daemons and return when all serve.

        :raises ConfigurationError: some did not start; the message has their reasons
        """
        waiting = list(wanted)
        for daemon in {daemon for _, daemon in waiting}:
            _entry_point(daemon)  # once, and not in each of its processes
        starting: dict[int, _Starting] = {}
        problems: list[str] = []
        while waiting or starting:
            while waiting and len(starting) < AT_ONCE:
                node, daemon = waiting.pop(0)
                one = _Starting(node, daemon, _scratch())
                main = self._node_daemon if daemon == NODED else _entry_point(daemon)
                starting[_fork(one, main)] = one
            pid, status = os.waitpid(-1, 0)
            if pid in starting:
                problems += _outcome(starting.pop(pid), status)
        if problems:
            raise ConfigurationError("\n".join(problems))


def _scratch() -> BinaryIO:
    return cast("BinaryIO", tempfile.TemporaryFile())  # closed by _outcome


def _outcome(one: _Starting, status: int) -> list[str]:
    with one.said:
        one.said.seek(0)
        said = one.said.read().decode(errors="replace").strip()
    if status == 0:
        return []
    return [f"{one.daemon} of {one.node.name} did not start: {said or f'status {status}'} "
            f"(its log is in {one.node.paths.log})"]


def _fork(one: _Starting, main: EntryPoint) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _become(one)
            status = main(settings_of(one.node.paths, one.daemon) or [])
        except BaseException:  # noqa: BLE001  # wall: the end of a process
            traceback.print_exc()
        finally:
            logging.shutdown()
            os._exit(status)
    return pid


def _become(one: _Starting) -> None:
    """Turn a fork of this process into one that runs on the node."""
    os.environ.update(one.node.environment() | limits_of(one.node.paths))
    _rename(one.daemon)
    with open(os.devnull, "rb") as null:
        os.dup2(null.fileno(), 0)
    for number in (1, 2):
        os.dup2(one.said.fileno(), number)
    # Above all the lock on the cluster's folder: a daemon that kept it would hold it for ever.
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65536))


def _rename(name: str) -> None:
    """Let ps and its like show `name` instead of the command that started the cluster."""
    bear_name(name)
    with suppress(OSError, ValueError, IndexError):
        # The kernel shows the memory where it put the arguments; fields 48 and 49 say where.
        fields = Path("/proc/self/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
        start, end = int(fields[45]), int(fields[46])
        room = end - start
        ctypes.memmove(start, os.fsencode(name)[:room - 1].ljust(room, b"\0"), room)
