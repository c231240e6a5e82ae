"""Ask allocators: each in-process plugin has one long-lived process of its own.

It keeps what it has read of the cluster, so it is sent only what changed since its last request. A
plugin that hangs or dies takes nothing with it: its process is killed at the hook's deadline, the
job's error names it, and the next request starts another one. An allocator that the core's own
source lists is a program already, started for each request.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, JobCanceled, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest
from ganeti_core.operations.helper_process import HelperProcess, readable
from ganeti_core.operations.placement.changed_parts import SentParts
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.rpc import wire
from ganeti_core.spans import hook_span

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.node.world import World

log = logging.getLogger(__name__)

LOG_FILE = "allocators.log"
_LOOK_SECONDS = 0.5


@dataclass
class _Process:
    """One allocator's process, started when it is first asked."""

    name: str
    local: LocalNode
    guard: threading.Lock = field(default_factory=threading.Lock)
    sent: SentParts = field(default_factory=SentParts)
    outdated: bool = False
    """Whether it may have loaded another plugin than is installed now."""

    def __post_init__(self) -> None:
        self._process = HelperProcess("ganeti_core.operations.placement.allocator_process", (
            json.dumps(self.local.to_dict()), self.name, str(self.local.paths.log / LOG_FILE)))

    @property
    def is_started(self) -> bool:
        return self._process.sock is not None

    def started(self) -> socket.socket:
        """Return its socket, once it runs, as far as the master knows."""
        if self._process.lost:
            log.error("%s", self.bury())
        elif self.outdated:
            self.bury()
        self.outdated = False
        if self._process.sock is None:
            self.sent = SentParts()
            return self._process.start()
        return self._process.sock

    def ask(
        self, message: dict[str, Any], document: Mapping[str, Any], deadline: float
    ) -> socket.socket:
        """Send a request with what changed of the document; return the socket of its answer.

        :raises TimeoutError: it does not take it before `deadline`, on the monotonic clock
        :raises channel.ChannelClosed: it has died
        """
        sock = self.started()
        channel.send(sock, message | {"changes": self.sent.changes(document)}, deadline)
        self.sent = SentParts.of(document)
        return sock

    def bury(self) -> str:
        """End the process and all that it has started; return how it ended."""
        return f"the process of allocator {self.name} has ended ({self._process.bury()})"


class Allocators:
    """The allocators of the cluster; any thread may ask.

    :param world: of the master: where allocators run that are programs
    :param settings: what hooks find in ``ctx.config``
    :param note: is told of each call: with what, since when, what it returned or raised
    """

    def __init__(
        self, world: World, settings: Callable[[], dict[str, Any]],
        note: Callable[[HookRequest, Mapping[str, Any], float, Any], None],
    ) -> None:
        self._world = world
        self._note = note
        self._settings = settings
        self._guard = threading.Lock()
        self._processes: dict[str, _Process] = {}

    def known(self, name: str) -> bool:
        """Return whether there is such an allocator; programs are looked for again."""
        settings = self._settings()
        if not self._world.host.has(IALLOCATORS, name) or self._world.host.is_from_source(
                IALLOCATORS, name):
            self._world.refresh(settings)
        return self._world.host.has(IALLOCATORS, name)

    def ask(
        self, name: str, hook: str, document: Mapping[str, Any],
        cancelled: Callable[[], bool] = lambda: False,
        parameters: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Call ``solve`` or ``explain`` of an allocator with a request document.

        :raises PluginError: it hung, died or failed in an unforeseen way
        :raises GanetiError: what the hook raised
        """
        request = HookRequest(IALLOCATORS.name, name, hook, {}, {})
        given = {"request": document, "parameters": parameters}
        began = time.monotonic()
        try:
            with hook_span(IALLOCATORS.name, name, hook):
                result = self._ask(name, hook, document, cancelled, parameters)
        except GanetiError as exc:
            self._note(request, given, began, exc)
            raise
        self._note(request, given, began, result)
        return result

    def _ask(
        self, name: str, hook: str, document: Mapping[str, Any], cancelled: Callable[[], bool],
        parameters: Mapping[str, Any],
    ) -> Any:
        host = self._world.host
        if host.is_from_source(IALLOCATORS, name) and not host.is_foreign(IALLOCATORS, name):
            settings = self._settings()
            ctx = self._world.context(IALLOCATORS.name, name, settings)
            driver = self._world.hooks(IALLOCATORS, name, settings)
            return getattr(driver, hook)(
                ctx=ctx, request=dict(document), parameters=dict(parameters))
        with self._guard:
            if (process := self._processes.get(name)) is None:
                process = self._processes[name] = _Process(name, self._world.local)
        deadline = time.monotonic() + IALLOCATORS.hook_where(hook).timeout
        if not process.guard.acquire(timeout=deadline - time.monotonic()):
            raise PluginError.in_hook(f"{IALLOCATORS.name} {name}: {hook}",
                                      "it is busy with other requests")
        try:
            return self._asked(process, _Question(hook, document, parameters),
                               _Patience(deadline, cancelled))
        finally:
            process.guard.release()

    def _asked(self, process: _Process, request: _Question, patience: _Patience) -> Any:
        message = {"hook": request.hook, "settings": self._settings(),
                   "parameters": dict(request.parameters)}
        title = f"{IALLOCATORS.name} {process.name}: {request.hook}"
        is_old = process.is_started
        try:
            envelope = patience.await_answer(process.ask(
                message, request.document, patience.deadline))
        except channel.ChannelClosed as exc:
            log.error("plugin %s: %s", title, process.bury())
            if is_old:
                # It may have died of something else, unseen: to ask again changes nothing.
                return self._asked(process, request, patience)
            raise PluginError.in_hook(
                title, f"its process died; {self._world.local.paths.log / LOG_FILE} may say why"
            ) from exc
        except TimeoutError as exc:
            process.bury()
            raise PluginError.in_hook(
                title, "it did not answer within its time; it and what it had started were killed"
            ) from exc
        except JobCanceled:
            process.bury()
            raise
        return wire.unwrap(envelope)

    def forget(self) -> None:
        """Load each allocator anew for its next request."""
        with self._guard:
            for process in self._processes.values():
                process.outdated = True

    def close(self) -> None:
        """End all processes, busy ones too."""
        with self._guard:
            processes, self._processes = self._processes, {}
        for process in processes.values():
            process.bury()


@dataclass(frozen=True)
class _Question:
    """One call of an allocator's hook."""

    hook: str
    document: Mapping[str, Any]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class _Patience:
    """How long an answer is awaited: `deadline` is on the monotonic clock."""

    deadline: float
    cancelled: Callable[[], bool]

    def await_answer(self, sock: socket.socket) -> dict[str, Any]:
        """Return the answer.

        :raises TimeoutError, JobCanceled, channel.ChannelClosed: there is none
        """
        while not readable(sock, min(_LOOK_SECONDS, self.deadline - time.monotonic())):
            if time.monotonic() >= self.deadline:
                raise TimeoutError
            if self.cancelled():
                raise JobCanceled("the job was canceled while the allocator was asked")
        return channel.receive(sock, self.deadline)

