"""The fork server: a process with one thread that makes and ends workers for the node daemon.

Forking a process that has threads is a trap: a lock that another thread held stays locked for ever
in the child. So the daemon forks this server before its first thread; the server, which never has
a second one, forks the workers. It holds the loaded plugins, so a worker costs a few milliseconds.

When the daemon dies, even by SIGKILL, its end of the control socket closes: the server then kills
the sessions of all workers and ends. Nothing goes on half done behind the master's back; guests,
which have sessions of their own, live on. When the server dies, the kernel kills its workers, and
the daemon starts another one, as a fresh program.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections import OrderedDict
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass, make_all
from ganeti_core.logs import set_up_logging
from ganeti_core.node import worker
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.sessions import kill_session
from ganeti_core.node.world import load_node_host
from ganeti_core.plugin_api import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.plugins import PluginHost

log = logging.getLogger(__name__)

_MESSAGE = 4096
_ENDING_SECONDS = 2.0
"""A killed process that is still there after this time is stuck in the kernel."""
_STATUSES = 256


class ForkServerLost(Exception):  # an event that its user handles
    """The fork server has died, and its workers with it."""


@dataclass
class ForkServer:
    """The daemon's end; any thread may use it.

    :param pid: of the server process, a child of this one
    """

    pid: int
    _control: socket.socket
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def fork(cls, local: LocalNode, host: PluginHost) -> ForkServer:
        """Fork the server from this process, which should have no second thread yet."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            _run_child(lambda: _begin(theirs, local, host))
        theirs.close()
        return cls(pid, ours)

    @classmethod
    def launch(cls, local: LocalNode, log_file: Path) -> ForkServer:
        """Start the server as a program of its own, from a process with threads."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.set_inheritable(True)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "ganeti_core.node.forkserver", str(theirs.fileno()),
             json.dumps(local.to_dict()), str(log_file)],
            os.environ)
        theirs.close()
        return cls(pid, ours)

    def spawn(self) -> tuple[int, socket.socket]:
        """Make a worker; return its pid and the socket to talk to it.

        :raises ForkServerLost: the server has died
        """
        ours, theirs = socket.socketpair()
        try:
            answer = self._ask({"do": "spawn"}, theirs)
        except ForkServerLost:
            ours.close()
            raise
        finally:
            theirs.close()
        if answer.get("pid") is None:
            ours.close()
            raise OSError(str(answer.get("problem")))
        return int(answer["pid"]), ours

    def end(self, pid: int) -> int | None:
        """Kill a worker's session and tell how the worker ended.

        Answers the exit status, negative for a signal; None where it is stuck in the kernel.

        :raises ForkServerLost: the server has died
        """
        status = self._ask({"do": "end", "pid": pid}).get("status")
        return None if status is None else int(status)

    def reap(self, pid: int) -> int | None:
        """Return how a worker ended that has closed its socket; one that lingers is killed.

        :raises ForkServerLost: the server has died
        """
        status = self._ask({"do": "reap", "pid": pid}).get("status")
        return None if status is None else int(status)

    def _ask(self, message: dict[str, Any], passed: socket.socket | None = None) -> dict[str, Any]:
        with self._guard:
            try:
                descriptors = [] if passed is None else [passed.fileno()]
                socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
                answer = self._control.recv(_MESSAGE)
            except OSError as exc:
                raise ForkServerLost(str(exc)) from exc
        if not answer:
            raise ForkServerLost("its socket is closed")
        found: dict[str, Any] = json.loads(answer)
        return found

    @property
    def dead(self) -> bool:
        """Whether the server has died: its workers are dead too, or will be in a moment."""
        if not self._guard.acquire(blocking=False):
            return False  # somebody is talking to it, and will see
        try:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            return bool(poll.poll(0))  # it says nothing unasked
        except (OSError, ValueError):
            return True
        finally:
            self._guard.release()

    def close(self) -> None:
        """End the server and all workers; returns when it is gone."""
        with self._guard:
            self._control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _run_child(target: Callable[[], None]) -> None:
    """Run `target` in a fresh child and end it without the parent's clean-up."""
    status = 1
    try:
        target()
        status = 0
    except BaseException:  # wall: the end of a process
        log.exception("process %d failed", os.getpid())
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(status)


def _begin(control: socket.socket, local: LocalNode, host: PluginHost) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The daemon decides when to end; what a terminal sends goes to everyone.
        signal.signal(number, signal.SIG_IGN)
    _close_others(control.fileno())
    prepare()
    # What is loaded now stays in memory shared with all workers, untouched by their collectors.
    gc.freeze()
    _Loop(control, local, host).run()


@cache
def prepare() -> None:
    """Make what the first calls of each worker would make again, and workers are many."""
    codec.prepare()
    for package in ("ganeti_core.node", "ganeti_core.rpc", "ganeti_core.spans"):
        make_all(package)


def _close_others(keep: int) -> None:
    """Close what the daemon had open: its pid file's lock, above all.

    Log files stay: this process and its workers log where the daemon does.
    """
    kept = {keep}
    for name in (None, *logging.root.manager.loggerDict):
        for handler in logging.getLogger(name).handlers:
            stream = getattr(handler, "stream", None)
            with contextlib.suppress(OSError, ValueError, AttributeError):
                kept.add(stream.fileno())  # type: ignore[union-attr]  # suppressed just above
    first = 3
    for number in sorted(number for number in kept if number >= first):
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, max(first, os.sysconf("SC_OPEN_MAX")))


@dataclass
class _Loop:
    """The server's own side: one request after another."""

    control: socket.socket
    local: LocalNode
    host: PluginHost
    _living: set[int] = field(default_factory=set)
    _statuses: OrderedDict[int, int] = field(default_factory=OrderedDict)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        while True:
            if poll.poll(5000) and not self._serve_one():
                break
            self._reap()
        for pid in self._living:
            kill_session(pid)

    def _serve_one(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, _MESSAGE, 1)
        except OSError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if message["do"] == "spawn":
            answer = self._spawn(socket.socket(fileno=descriptors[0]))
        elif message["do"] == "end":
            answer = {"status": self._end(message["pid"], grace=0.0)}
        else:
            answer = {"status": self._end(message["pid"], grace=1.0)}
        with contextlib.suppress(OSError):
            self.control.send(json.dumps(answer).encode())
        return True

    def _spawn(self, sock: socket.socket) -> dict[str, Any]:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as exc:
            sock.close()
            return {"pid": None, "problem": f"cannot make a worker process: {exc}"}
        if pid == 0:
            _run_child(lambda: self._work(sock, parent))
        sock.close()
        self._living.add(pid)
        return {"pid": pid}

    def _work(self, sock: socket.socket, parent: int) -> None:
        self.control.close()
        worker.become_worker(parent)
        worker.serve(sock, self.local, self.host)

    def _end(self, pid: int, grace: float) -> int | None:
        """Wait `grace` seconds for a worker's own end, then kill its whole session."""
        self._await(pid, grace)
        if pid in self._living or pid in self._statuses:
            if pid in self._living:
                # It may not lead its session yet.
                os.kill(pid, signal.SIGKILL)
            kill_session(pid)
            self._await(pid, _ENDING_SECONDS)
        return self._statuses.pop(pid, None)

    def _await(self, pid: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._reap()
        while pid in self._living and time.monotonic() < until:
            time.sleep(0.002)
            self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._living:
                self._living.discard(pid)
                self._statuses[pid] = os.waitstatus_to_exitcode(status)
            while len(self._statuses) > _STATUSES:
                self._statuses.popitem(last=False)


def main() -> None:
    """Serve as a program; arguments: descriptor of the control socket, local, log file."""
    set_up_logging(Path(sys.argv[3]), "fork-server")
    control = socket.socket(fileno=int(sys.argv[1]))
    local = LocalNode.from_dict(json.loads(sys.argv[2]))
    _begin(control, local, load_node_host())


if __name__ == "__main__":
    main()
