"""Ask allocators: each in-process plugin has one long-lived process of its own.

It keeps what it has read of the cluster, so it is sent only what changed since its last request. A
plugin that hangs or dies takes nothing with it: its process is killed at the hook's deadline, the
job's error names it, and the next request starts another one. An allocator that a source lists is a
program already, started for each request.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import JobCanceled, PluginError
from ganeti_core.node import channel
from ganeti_core.node.sessions import kill_session
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.rpc import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.node.world import Place, World

log = logging.getLogger(__name__)

LOG_FILE = "allocators.log"
_LOOK_SECONDS = 0.5


@dataclass
class _Process:
    """One allocator's process, started when it is first asked.

    :param sent: the instances' documents that it has, by name
    """

    name: str
    place: Place
    guard: threading.Lock = field(default_factory=threading.Lock)
    sent: dict[str, Any] = field(default_factory=dict)
    pid: int = 0
    sock: socket.socket | None = None

    def started(self) -> socket.socket:
        """Its socket; the process is alive, as far as one can tell."""
        if self.sock is not None and _readable(self.sock, 0.0):
            log.error("%s", self.bury())  # it says nothing unasked: it has died
        if self.sock is None:
            ours, theirs = socket.socketpair()
            theirs.set_inheritable(True)
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "ganeti_core.operations.allocator_process",
                 str(theirs.fileno()), json.dumps(self.place.to_dict()), self.name,
                 str(self.place.paths.log / LOG_FILE)],
                os.environ, setsid=True)
            theirs.close()
            self.sock, self.sent = ours, {}
        return self.sock

    def ask(
        self, message: dict[str, Any], instances: Mapping[str, Any], deadline: float
    ) -> socket.socket:
        """Send a request with what changed of the instances; answers where its answer comes.

        :raises TimeoutError: it does not take it before `deadline`, on the monotonic clock
        :raises channel.ChannelClosed: it has died
        """
        sock = self.started()
        channel.send(sock, message | {
            # An unchanged instance has the very same document.
            "changed": {name: document for name, document in instances.items()
                        if self.sent.get(name) is not document},
            "gone": [name for name in self.sent if name not in instances]}, deadline)
        self.sent = dict(instances)
        return sock

    def bury(self) -> str:
        """End the process and all that it has started; answers how it ended."""
        if self.sock is None:
            return "it has no process"
        self.sock.close()
        self.sock = None
        status = 0
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        kill_session(self.pid)
        with suppress(ChildProcessError):
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return f"the process of allocator {self.name} has ended ({status})"


class Allocators:
    """Every allocator of the cluster; any thread may ask.

    :param world: of the master: where allocators run that are programs
    :param settings: what hooks find in ``ctx.config``
    """

    def __init__(self, world: World, settings: Callable[[], dict[str, Any]]) -> None:
        self._world = world
        self._settings = settings
        self._guard = threading.Lock()
        self._processes: dict[str, _Process] = {}

    def ask(
        self, name: str, hook: str, document: Mapping[str, Any],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Call ``solve`` or ``explain`` of an allocator with a request document.

        :raises PluginError: it hung, died or failed in an unforeseen way
        :raises GanetiError: what the hook raised
        """
        if self._world.host.is_from_source(IALLOCATORS, name):
            settings = self._settings()
            ctx = self._world.context(IALLOCATORS.name, name, settings)
            driver = self._world.host.driver(IALLOCATORS, name)
            answer: dict[str, Any] = getattr(driver, hook)(ctx=ctx, request=dict(document))
            return answer
        with self._guard:
            process = self._processes.setdefault(name, _Process(name, self._world.place))
        deadline = time.monotonic() + IALLOCATORS.hook_where(hook).timeout
        if not process.guard.acquire(timeout=deadline - time.monotonic()):
            raise PluginError.in_hook(f"{IALLOCATORS.name} {name}: {hook}",
                                      "it is busy with other requests")
        try:
            return self._asked(process, hook, document, _Patience(deadline, cancelled))
        finally:
            process.guard.release()

    def _asked(
        self, process: _Process, hook: str, document: Mapping[str, Any], patience: _Patience
    ) -> dict[str, Any]:
        rest = {key: value for key, value in document.items() if key != "instances"}
        message = {"hook": hook, "document": rest, "settings": self._settings()}
        title = f"{IALLOCATORS.name} {process.name}: {hook}"
        is_old = process.sock is not None
        try:
            envelope = patience.await_answer(process.ask(
                message, document["instances"], patience.deadline))
        except channel.ChannelClosed as exc:
            log.error("plugin %s: %s", title, process.bury())
            if is_old:
                # It may have died of something else, unseen: to ask again changes nothing.
                return self._asked(process, hook, document, patience)
            raise PluginError.in_hook(
                title, f"its process died; {self._world.place.paths.log / LOG_FILE} may say why"
            ) from exc
        except TimeoutError as exc:
            process.bury()
            raise PluginError.in_hook(
                title, "it did not answer within its time; it and what it had started were killed"
            ) from exc
        except JobCanceled:
            process.bury()
            raise
        found: dict[str, Any] = wire.unwrap(envelope)
        return found

    def close(self) -> None:
        """End all processes, busy ones too."""
        with self._guard:
            processes, self._processes = self._processes, {}
        for process in processes.values():
            process.bury()


@dataclass(frozen=True)
class _Patience:
    """How long an answer is awaited: `deadline` is on the monotonic clock."""

    deadline: float
    cancelled: Callable[[], bool]

    def await_answer(self, sock: socket.socket) -> dict[str, Any]:
        """:raises TimeoutError, JobCanceled, channel.ChannelClosed: there is none"""
        while not _readable(sock, min(_LOOK_SECONDS, self.deadline - time.monotonic())):
            if time.monotonic() >= self.deadline:
                raise TimeoutError
            if self.cancelled():
                raise JobCanceled("the job was canceled while the allocator was asked")
        return channel.receive(sock, self.deadline)


def _readable(sock: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
