"""From a hook call to the plugin: in a worker process, within the time that the hook may take."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.node.feedback import Told
from ganeti_core.node.hooks import HookRequest, hook_failure
from ganeti_core.node.tracing import Traces
from ganeti_core.rpc.wire import is_failure

if TYPE_CHECKING:
    from ganeti_core.node.running import RunningCall
    from ganeti_core.node.workers import Workers
    from ganeti_core.node.world import World
    from ganeti_core.rpc.wire import Envelope

IMPATIENCE_SECONDS = 2.0
"""For a read-only hook that used all of its time when it was last asked: whoever lists instances
again and again does not wait each time."""


@dataclass
class Dispatcher:
    """Runs hook requests."""

    world: World
    workers: Workers
    traces: Traces = field(default_factory=Traces)
    _slow: set[tuple[str, str]] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self, request: HookRequest, call: RunningCall, told: Told | None = None
    ) -> Envelope:
        """Run one hook as (a part of) `call`; never raises.

        :param told: gets what the hook tells the owner of its job, as it does so
        """
        began = time.monotonic()
        envelope = self._run(request, call, told or Told())
        self.traces.note(request, time.monotonic() - began, envelope)
        return envelope

    def _run(self, request: HookRequest, call: RunningCall, told: Told) -> Envelope:
        try:
            where = request.where()
        except GanetiError as exc:
            return hook_failure(exc, request)
        if where.changes:
            envelope = self.workers.run(request, call, told.add)
        else:
            envelope = self._read(request, call.within(where.timeout), told)
        return {**envelope, "feedback": told.all()} if told.lines else envelope

    def hangs(self, request: HookRequest) -> bool:
        """Whether a read-only hook used all of its time when it was last asked."""
        with self._guard:
            return (request.plugin, request.hook) in self._slow

    def _read(self, request: HookRequest, call: RunningCall, told: Told) -> Envelope:
        key = (request.plugin, request.hook)
        with self._guard:
            slow = key in self._slow
        if slow:
            call = call.within(IMPATIENCE_SECONDS)
        envelope = self.workers.run(request, call, told.add)
        late = is_failure(envelope) and time.monotonic() >= call.deadline
        if late != slow:
            with self._guard:
                (self._slow.add if late else self._slow.discard)(key)
        return envelope
