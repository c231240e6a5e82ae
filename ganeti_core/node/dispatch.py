"""From a hook call to the plugin: which process it runs in, and what hangs is kept from spreading.

Changing hooks run in worker processes, read-only and quick ones in the thread of the connection
that asked. Such a thread cannot be ended: a plugin of which several calls hang beyond their limit
is refused further ones until they end, so that it cannot use up all threads.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.node.hooks import HookRequest, hook_envelope, hook_failure
from ganeti_core.node.world import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.node.running import RunningCall
    from ganeti_core.node.workers import Workers
    from ganeti_core.node.world import World
    from ganeti_core.rpc.wire import Envelope

HANGING = 4
"""Overdue calls of one plugin from which on it is asked nothing more."""


@dataclass
class Dispatcher:
    """Runs hook requests."""

    world: World
    workers: Workers
    _running: dict[object, tuple[str, float]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self, request: HookRequest, call: RunningCall) -> Envelope:
        """Run one hook as (a part of) `call`; never raises."""
        lines: list[str] = []
        try:
            where = request.where()
            if where.changes and not where.quick:
                envelope = self.workers.run(request, call, lines.append)
            else:
                asked = Asked(lines.append, lambda: call.is_ending() or call.abandoned())
                with self._watched(request, call.deadline):
                    envelope = hook_envelope(self.world, request, asked)
        except GanetiError as exc:
            envelope = hook_failure(exc, request)
        return {**envelope, "feedback": lines} if lines else envelope

    @contextmanager
    def _watched(self, request: HookRequest, deadline: float) -> Iterator[None]:
        now = time.monotonic()
        token = object()
        with self._guard:
            hanging = sum(1 for plugin, until in self._running.values()
                          if plugin == request.plugin and until < now)
            if hanging >= HANGING:
                raise PluginError.in_hook(
                    request.title, f"not asked, {hanging} earlier calls of this plugin still hang")
            self._running[token] = (request.plugin, deadline)
        try:
            yield
        finally:
            with self._guard:
                del self._running[token]
