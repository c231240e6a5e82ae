"""The pool of worker processes: one changing hook each at a time, with a deadline that kills."""

from __future__ import annotations

import logging
import select
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError, PluginError
from ganeti_core.node import channel
from ganeti_core.node.forkserver import ForkServer, ForkServerLost
from ganeti_core.node.hooks import HookRequest, hook_failure
from ganeti_core.node.sessions import kill_session

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ganeti_core.node.running import RunningCall
    from ganeti_core.rpc.wire import Envelope

log = logging.getLogger(__name__)

ENDING_SECONDS = 3.0
"""For a hook that is asked to end, before it is killed."""
LOOK_SECONDS = 0.2
CALLS_PER_WORKER = 100
"""A worker is replaced after so many calls: what plugins leak goes with it."""


@dataclass
class _Worker:
    pid: int
    sock: socket.socket
    server: ForkServer
    calls: int = 0

    @property
    def dead(self) -> bool:
        """Whether it ended while it was idle, or is about to: it says nothing unasked."""
        return _readable(self.sock, 0.0) or self.server.dead


@dataclass
class Workers:
    """Hands hooks to workers.

    :param restart: makes another fork server when the first has died
    :param idle: workers that are kept waiting
    :param most: workers at one time; a further call waits
    """

    server: ForkServer
    restart: Callable[[], ForkServer]
    idle: int = 2
    most: int = 16
    _idle: list[_Worker] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(self.most)

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

    def run(
        self, request: HookRequest, call: RunningCall, feedback: Callable[[str], None]
    ) -> Envelope:
        """Run a hook in a worker; at the call's deadline all that it started is killed.

        Never raises: what went wrong is in the envelope.
        """
        if not self._slots.acquire(timeout=call.left):
            return hook_failure(OpExecError(
                f"all {self.most} worker processes of this node are busy"), request)
        try:
            worker = self._take()
        except (OSError, ForkServerLost) as exc:
            self._slots.release()
            return hook_failure(OpExecError(f"no worker process for {request.title}: {exc}"),
                                request)
        try:
            return self._run_in(worker, request, call, feedback)
        finally:
            self._slots.release()

    def _take(self) -> _Worker:
        with self._guard:
            while self._idle:
                worker = self._idle.pop()
                if not worker.dead:
                    return worker
                worker.sock.close()
            server = self.server
        try:
            return _Worker(*server.spawn(), server)
        except ForkServerLost:
            server = self._restarted(server)
            return _Worker(*server.spawn(), server)

    def _restarted(self, lost: ForkServer) -> ForkServer:
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
            return self.server

    def _run_in(
        self, worker: _Worker, request: HookRequest, call: RunningCall,
        feedback: Callable[[str], None],
    ) -> Envelope:
        try:
            channel.send(worker.sock, request.to_dict(), call.deadline)
            answer = _answer(worker, call, feedback)
        except TimeoutError:
            problem = self._kill(worker, call)
        except channel.ChannelClosed:
            problem = self._bury(worker)
        else:
            worker.calls += 1
            self._give_back(worker, last=bool(answer.get("ends")) or call.is_ending())
            envelope: Envelope = answer["answer"]
            return envelope
        log.error("plugin %s: %s", request.title, problem)
        return hook_failure(PluginError.in_hook(request.title, problem), request)

    def _give_back(self, worker: _Worker, *, last: bool = False) -> None:
        with self._guard:
            keep = (
                not last and not self._closed and worker.calls < CALLS_PER_WORKER
                and len(self._idle) < self.idle
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
        for worker in idle:
            worker.sock.close()
        self.server.close()


def _answer(
    worker: _Worker, call: RunningCall, feedback: Callable[[str], None]
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
        feedback(str(message.get("feedback", "")))


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
