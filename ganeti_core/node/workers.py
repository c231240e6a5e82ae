"""The pool of worker processes: one hook each at a time, with a deadline that kills.

Every hook of a plugin runs in one of them, the read-only ones too: a plugin that crashes or hangs
takes only its own call with it, never the daemon. Reading calls and quick ones have slots of their
own, so that they need not wait behind long changes; no plugin can take all of these.
"""

from __future__ import annotations

import logging
import select
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, OpExecError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.node.forkserver import ForkServer, ForkServerLost
from ganeti_core.node.hooks import hook_failure
from ganeti_core.node.sessions import kill_session
from ganeti_core.plugin_api.context import no_master
from ganeti_core.rpc.wire import failure, success
from ganeti_core.spans import ACTIVE, Span

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from ganeti_core.node.hooks import HookRequest
    from ganeti_core.node.running import RunningCall
    from ganeti_core.rpc.wire import Envelope

log = logging.getLogger(__name__)

ENDING_SECONDS = 3.0
"""For a hook that is asked to end, before it is killed."""
LOOK_SECONDS = 0.2
CALLS_PER_WORKER = 100
"""A worker is replaced after so many calls: what plugins leak goes with it."""
PLUGIN_READERS = 4
"""Reading calls of one plugin at one time; a further one waits."""
STUCK = 4
"""Processes of one plugin that are stuck in the kernel, from which on it is asked nothing more."""


@dataclass(frozen=True)
class Errand:
    """What a worker is asked to do: `title` names it to people."""

    message: dict[str, Any]
    plugin: str
    title: str


@dataclass
class _Worker:
    pid: int
    sock: socket.socket
    server: ForkServer
    calls: int = 0
    plugin: str = ""
    """Which it served last: that one may have kept something in its memory."""

    @property
    def dead(self) -> bool:
        """Whether it ended while it was idle, or is about to: it says nothing unasked."""
        return _readable(self.sock, 0.0) or self.server.dead


@dataclass
class _Slots:
    """How many calls may run at one time."""

    most: int

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.most)

    @contextmanager
    def hold(self, call: RunningCall, busy: str) -> Iterator[None]:
        """Wait for a slot and have it.

        :raises OpExecError: none was free before the call's deadline
        """
        if not self._free.acquire(timeout=call.left):
            raise OpExecError(busy)
        try:
            yield
        finally:
            self._free.release()


@dataclass
class Workers:
    """Hands hooks to workers.

    :param restart: makes another fork server when the first has died
    :param idle: workers that are kept waiting
    :param most: changing calls at one time; a further one waits. As many reading ones may run.
    :param master: asks the master for a hook: (resource, fields, filter), deadline -> rows, wrapped
    """

    server: ForkServer
    restart: Callable[[], ForkServer]
    idle: int = 4
    most: int = 16
    master: Callable[[list[Any], float], Envelope] = lambda query, _deadline: _no_master(query)
    _idle: list[_Worker] = field(default_factory=list)
    _stuck: dict[str, list[int]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _old: dict[int, ForkServer] = field(default_factory=dict)
    """Servers, by pid, that were replaced and still have workers that are busy."""
    _busy: Counter[int] = field(default_factory=Counter)
    """Busy workers by the pid of their server."""

    def __post_init__(self) -> None:
        self._changing = _Slots(self.most)
        self._reading = _Slots(self.most)
        self._readers: dict[str, _Slots] = {}

    def warm_up(self) -> None:
        """Make the idle workers, so that the first calls need not wait for a fork."""
        made: list[_Worker] = []
        try:
            while len(made) < self.idle and not self._closed:
                made.append(self._take())
        except (OSError, ForkServerLost) as exc:
            log.warning("no worker processes are kept ready: %s", exc)
        finally:
            for worker in made:
                self._give_back(worker)
                self._leave(worker.server)

    def run(
        self, request: HookRequest, call: RunningCall, feedback: Callable[[str], None]
    ) -> Envelope:
        """Run a hook in a worker; at the call's deadline all that it started is killed.

        Never raises: what went wrong is in the envelope.
        """
        try:
            where = request.where()
            active = ACTIVE.get()
            message = request.to_dict() | ({"trace": str(active.place)} if active else {})
            with self._slot(request, call, alone=where.changes and not where.quick):
                answer = self.ask(Errand(message, request.plugin, request.title), call, feedback)
        except GanetiError as exc:
            return hook_failure(exc, request)
        if active is not None:
            for span in answer.get("spans", ()):
                active.export(Span(**span))
        envelope: Envelope = answer["answer"]
        return envelope

    @contextmanager
    def _slot(self, request: HookRequest, call: RunningCall, *, alone: bool) -> Iterator[None]:
        busy = f"{request.title}: all {self.most} worker processes of this node are busy"
        if alone:
            with self._changing.hold(call, busy):
                yield
            return
        with self._guard:
            mine = self._readers.setdefault(request.plugin, _Slots(PLUGIN_READERS))
        with mine.hold(call, f"{request.title} was not asked: {PLUGIN_READERS} earlier calls of "
                             "this plugin have not ended"), self._reading.hold(call, busy):
            yield

    def ask(
        self, errand: Errand, call: RunningCall, feedback: Callable[[str], None]
    ) -> dict[str, Any]:
        """Have a worker do something, and return its message.

        :raises PluginError: it died, or was killed at the deadline
        :raises OpExecError: there is no worker
        """
        self._refuse_stuck(errand)
        try:
            worker = self._take(errand.plugin)
        except (OSError, ForkServerLost) as exc:
            raise OpExecError(f"no worker process for {errand.title}: {exc}") from exc
        try:
            return self._ask(worker, errand, call, feedback)
        finally:
            self._leave(worker.server)

    def renew(self) -> None:
        """Let later calls run with the plugins that are installed now; those under way go on."""
        with self._guard:
            if self._closed:
                return
            old, self.server = self.server, self.restart()
            idle, self._idle = self._idle, []
            self._old[old.pid] = old
        for worker in idle:
            worker.sock.close()
        self._close_unused(old)

    def _leave(self, server: ForkServer) -> None:
        with self._guard:
            self._busy[server.pid] -= 1
        self._close_unused(server)

    def _close_unused(self, server: ForkServer) -> None:
        """End a server that was replaced, when no worker of it is busy any more."""
        with self._guard:
            if self._busy[server.pid]:
                return
            del self._busy[server.pid]
            unused = self._old.pop(server.pid, None)
        if unused is not None:
            unused.close()

    def _refuse_stuck(self, errand: Errand) -> None:
        with self._guard:
            if not (stuck := self._stuck.get(errand.plugin)):
                return
            stuck[:] = [pid for pid in stuck if Path(f"/proc/{pid}").exists()]
            if len(stuck) < STUCK:
                return
            pids = ", ".join(map(str, stuck))
        raise PluginError.in_hook(
            errand.title, f"not asked, processes of this plugin are stuck in the kernel: {pids}")

    def _take(self, plugin: str = "") -> _Worker:
        with self._guard:
            while self._idle:
                at = next((at for at, worker in enumerate(self._idle)
                           if worker.plugin == plugin), -1)
                worker = self._idle.pop(at)
                if not worker.dead:
                    self._busy[worker.server.pid] += 1
                    return worker
                worker.sock.close()
        server = self._enter()
        try:
            return self._spawned(server)
        except ForkServerLost:
            self._restarted(server)
        return self._spawned(self._enter())

    def _spawned(self, server: ForkServer) -> _Worker:
        """Make a worker of a server that was entered.

        :raises OSError, ForkServerLost: there is none, and the server was left
        """
        try:
            return _Worker(*server.spawn(), server)
        except (OSError, ForkServerLost):
            self._leave(server)
            raise

    def _enter(self) -> ForkServer:
        """Return the server of now, which lives until it is left."""
        with self._guard:
            self._busy[self.server.pid] += 1
            return self.server

    def _restarted(self, lost: ForkServer) -> None:
        """Start another fork server in the place of `lost`, unless another thread has.

        :raises ForkServerLost: the pool was closed
        """
        with self._guard:
            if self._closed:
                raise ForkServerLost("the daemon is ending")
            if self.server is lost:
                log.error("the fork server has died: another one is started")
                for worker in self._idle:
                    worker.sock.close()
                self._idle.clear()
                lost.close()
                self.server = self.restart()

    def _ask(
        self, worker: _Worker, errand: Errand, call: RunningCall, feedback: Callable[[str], None]
    ) -> dict[str, Any]:
        worker.plugin = errand.plugin
        try:
            channel.send(worker.sock, errand.message, call.deadline)
            answer = _answer(worker, call, feedback, self.master)
        except TimeoutError:
            problem = self._kill(worker, call)
        except channel.ChannelClosed:
            problem = self._bury(worker)
        else:
            worker.calls += 1
            self._give_back(worker, last=bool(answer.get("ends")) or call.is_ending())
            return answer
        log.error("plugin %s: %s", errand.title, problem)
        raise PluginError.in_hook(errand.title, problem)

    def _give_back(self, worker: _Worker, *, last: bool = False) -> None:
        with self._guard:
            keep = (
                not last and not self._closed and worker.calls < CALLS_PER_WORKER
                and len(self._idle) < self.idle and worker.server is self.server
            )
            if keep:
                self._idle.append(worker)
        if not keep:
            # It ends by itself: guests that are its children must not be killed with it.
            worker.sock.close()

    def _kill(self, worker: _Worker, call: RunningCall) -> str:
        status = self._ended(worker, worker.server.end)
        why = ("it was to end for another call and did not" if call.is_ending()
               else "it did not end within its time")
        if status is None:
            with self._guard:
                self._stuck.setdefault(worker.plugin, []).append(worker.pid)
            return f"{why}, and the worker process {worker.pid} is stuck in the kernel"
        return f"{why}; it and what it had started were killed"

    def _bury(self, worker: _Worker) -> str:
        status = self._ended(worker, worker.server.reap)
        return f"the worker process died ({_describe(status)})"

    def _ended(self, worker: _Worker, how: Callable[[int], int | None]) -> int | None:
        worker.sock.close()
        try:
            return how(worker.pid)
        except ForkServerLost:
            # The kernel killed the worker; the programs that it ran are ours to end.
            kill_session(worker.pid)
            return -signal.SIGKILL

    def close(self) -> None:
        """End all workers, busy ones by force."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
            old, self._old = self._old, {}
        for worker in idle:
            worker.sock.close()
        for server in (*old.values(), self.server):
            server.close()


def _answer(
    worker: _Worker, call: RunningCall, feedback: Callable[[str], None],
    master: Callable[[list[Any], float], Envelope],
) -> dict[str, Any]:
    """Wait for a worker's answer; a call that is to end has `ENDING_SECONDS` to do so.

    :raises TimeoutError: the deadline has come
    :raises channel.ChannelClosed: the worker is gone
    """
    deadline = call.deadline
    told = False
    while True:
        if call.is_ending() and not told:
            told = True
            deadline = min(deadline, time.monotonic() + ENDING_SECONDS)
            channel.send(worker.sock, {"end": True}, deadline)
        if not _readable(worker.sock, min(LOOK_SECONDS, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                raise TimeoutError
            continue
        message = channel.receive(worker.sock, deadline)
        if "answer" in message:
            return message
        if "query" in message:
            channel.send(worker.sock, {"rows": master(message["query"], deadline)}, deadline)
            continue
        feedback(str(message.get("feedback", "")))


def _no_master(query: list[Any]) -> Envelope:
    try:
        return success(no_master(*query))
    except GanetiError as exc:
        return failure(exc)


def _readable(sock: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _describe(status: int | None) -> str:
    if status is None:
        return "stuck in the kernel"
    if status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
