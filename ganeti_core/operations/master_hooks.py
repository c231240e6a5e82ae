"""Call hooks that run on the master: none of a third party can hang it, or take it along.

What disk templates plan (`layout`, `steps`, `identity` ...) is computed on the master, between two
steps of a job. Drivers that come with the core are called in this process, those of others in a
helper process: it is kept warm, serves one call at a time, and is killed at the hook's deadline.
What the core passes as a function is called here, when the helper asks for it. Every call can be
watched, as those on nodes can (`node.tracing`).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from ganeti_core.errors import GanetiError, OpExecError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.tracing import Traces
from ganeti_core.operations.helper_process import HelperProcess, readable
from ganeti_core.plugin_api import codec
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import hook_answer
from ganeti_core.spans import hook_span

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost

log = logging.getLogger(__name__)

LOG_FILE = "master-hooks.log"
PROGRAM = "ganeti_core.operations.master_hooks_process"
STARTING_SECONDS = 60.0
"""How long a helper process may take to load its plugins, which were tried out already."""
MOST_IDLE = 4
NO_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({})


@dataclass
class _Helper:
    """A process that has loaded the plugins as they were at one time."""

    process: HelperProcess
    kind: str
    generation: int

    @property
    def sock(self) -> socket.socket:
        sock = self.process.sock
        if sock is None:
            raise OpExecError("the helper process for hooks on the master has ended")
        return sock


@dataclass
class MasterHooks:
    """Calls them; any thread may.

    :param limit: shortens the hooks' deadlines, seconds
    """

    host: PluginHost
    root: Path
    log_folder: Path
    settings: Callable[[], Mapping[str, Any]]
    limit: float | None = None
    traces: Traces = field(default_factory=Traces)
    _idle: list[_Helper] = field(default_factory=list)
    _generation: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def call(
        self, kind: Kind[Any], driver: str, hook: str,
        functions: Mapping[str, Callable[..., Any]] = NO_FUNCTIONS, **arguments: Any,
    ) -> Any:
        """Call a hook of a driver on this master.

        :param functions: arguments of the hook that are functions, by name
        :raises PluginError: it hung, died or failed in a way that its contract does not name
        :raises GanetiError: there is no such driver; what the hook raised
        """
        began = time.monotonic()
        request = HookRequest(kind.name, driver, hook, {}, {})
        self.host.describe(kind, driver)  # or it says why there is none
        try:
            call = self._elsewhere if self.host.is_foreign(kind, driver) else self._here
            with hook_span(kind.name, driver, hook):
                result = call(request, kind, functions, arguments)
        except GanetiError as exc:
            self.note(request, arguments, began, exc)
            raise
        self.note(request, arguments, began, result)
        return result

    def note(
        self, request: HookRequest, arguments: Mapping[str, Any], began: float, result: Any
    ) -> None:
        """Keep a call that began at `began`, if somebody watches its plugin.

        :param result: what it returned, or the error that it raised
        """
        if not self.traces.watches(request.plugin):
            return
        envelope = (wire.failure(result) if isinstance(result, GanetiError)
                    else {"ok": codec.encode(result)})
        shown = {name: codec.encode(value) for name, value in arguments.items()}
        self.traces.note(replace(request, arguments=shown), time.monotonic() - began, envelope)

    def _here(
        self, request: HookRequest, kind: Kind[Any], functions: Mapping[str, Callable[..., Any]],
        arguments: Mapping[str, Any],
    ) -> Any:
        hook = getattr(self.host.driver(kind, request.driver), request.hook)
        try:
            return hook(**arguments, **functions)
        except GanetiError:
            raise
        except Exception as exc:  # wall: a plugin's code
            log.exception("plugin %s failed", request.title)
            raise PluginError.in_hook(request.title, f"{type(exc).__name__}: {exc}") from exc

    def _elsewhere(
        self, request: HookRequest, kind: Kind[Any], functions: Mapping[str, Callable[..., Any]],
        arguments: Mapping[str, Any],
    ) -> Any:
        helper = self._take(kind)
        seconds = kind.hook_where(request.hook).timeout
        seconds = seconds if self.limit is None else min(seconds, self.limit)
        message = {"kind": kind.name, "driver": request.driver, "hook": request.hook,
                   "arguments": {name: codec.encode(value) for name, value in arguments.items()},
                   "functions": sorted(functions)}
        spec = kind.hooks()[request.hook]
        try:
            channel.send(helper.sock, message, time.monotonic() + seconds)
            envelope = _answer(helper.sock, spec, functions, time.monotonic() + seconds)
        except TimeoutError as exc:
            helper.process.bury()
            raise PluginError.in_hook(
                request.title, f"it did not end within {seconds:g} s; its process was killed"
            ) from exc
        except channel.ChannelClosed as exc:
            raise PluginError.in_hook(
                request.title, f"its process died ({helper.process.bury()}); "
                f"{self.log_folder / LOG_FILE} may say why") from exc
        except BaseException:
            # What a function of ours raised unforeseen: nobody will read this helper's answer.
            helper.process.bury()
            raise
        self._give_back(helper)
        return hook_answer(kind, request.driver, request.hook, wire.unwrap(envelope))

    def forget(self) -> None:
        """Let helpers load the plugins again: there may be others now."""
        with self._guard:
            self._generation += 1
            idle, self._idle = self._idle, []
        for helper in idle:
            helper.process.bury()

    def _take(self, kind: Kind[Any]) -> _Helper:
        while True:
            with self._guard:
                helper = next((one for one in self._idle if one.kind == kind.name), None)
                if helper is not None:
                    self._idle.remove(helper)
                generation = self._generation
            if helper is None:
                return self._started(kind, generation)
            if not helper.process.lost:
                return helper
            log.error("an idle helper process for hooks on the master has ended (%d)",
                      helper.process.bury())

    def _started(self, kind: Kind[Any], generation: int) -> _Helper:
        process = HelperProcess(PROGRAM, (
            str(self.root), str(self.log_folder / LOG_FILE), json.dumps([kind.name]),
            json.dumps(codec.encode(dict(self.settings())))))
        sock = process.start()
        try:
            channel.receive(sock, time.monotonic() + STARTING_SECONDS)
        except (TimeoutError, channel.ChannelClosed) as exc:
            status = process.bury()
            raise OpExecError(
                f"the helper process for plugins of third parties does not start ({status}); "
                f"{self.log_folder / LOG_FILE} may say why") from exc
        return _Helper(process, kind.name, generation)

    def _give_back(self, helper: _Helper) -> None:
        with self._guard:
            keep = (not self._closed and helper.generation == self._generation
                    and len(self._idle) < MOST_IDLE)
            if keep:
                self._idle.append(helper)
        if not keep:
            helper.process.bury()

    def close(self) -> None:
        """End all helpers that are idle; the others end with their calls."""
        self._closed = True
        self.forget()


def _answer(
    sock: socket.socket, spec: Callable[..., Any], functions: Mapping[str, Callable[..., Any]],
    deadline: float,
) -> wire.Envelope:
    """Wait for what the hook returns; call our functions meanwhile.

    :raises TimeoutError, channel.ChannelClosed: it does not return
    """
    while True:
        if not readable(sock, deadline - time.monotonic()):
            raise TimeoutError
        message = channel.receive(sock, deadline)
        if "answer" in message:
            envelope: wire.Envelope = message["answer"]
            return envelope
        began = time.monotonic()
        returned = _called(spec, functions, message["call"], message["arguments"])
        # Our own time is not the plugin's.
        deadline += time.monotonic() - began
        channel.send(sock, {"returned": returned}, deadline)


def _called(
    spec: Callable[..., Any], functions: Mapping[str, Callable[..., Any]], name: str,
    arguments: list[Any],
) -> wire.Envelope:
    takes, _ = get_args(codec.hook_types(spec)[name])
    try:
        decoded = [codec.decode(kind, value)
                   for kind, value in zip(takes, arguments, strict=True)]
        return wire.success(codec.encode(functions[name](*decoded)))
    except (GanetiError, TypeError, ValueError) as exc:
        return wire.failure(exc if isinstance(exc, GanetiError) else PluginError(
            f"{name} was called with what its contract does not allow: {exc}"))
