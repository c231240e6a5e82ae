"""From a hook call to the plugin: in a worker process, within the time that the hook may take."""

from __future__ import annotations

import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.feedback import Told
from ganeti_core.node.hooks import HookRequest, hook_failure
from ganeti_core.node.tracing import Traces
from ganeti_core.patience import patience
from ganeti_core.rpc.wire import is_failure

if TYPE_CHECKING:
    from ganeti_core.node.running import RunningCall
    from ganeti_core.node.workers import Workers
    from ganeti_core.node.world import World
    from ganeti_core.rpc.wire import Envelope

IMPATIENCE_SECONDS = 2.0
"""For a read-only hook that used all of its time when it was last asked: whoever lists instances
again and again does not wait each time."""
IMPATIENT_SECONDS = 30.0
"""How long it is given no more than that. Where all answers take longer, the node is only busy, and
jobs need them: it would never be seen to answer in time again."""


@dataclass
class Dispatcher:
    """Runs hook requests."""

    world: World
    workers: Workers
    traces: Traces = field(default_factory=Traces)
    _slow: dict[tuple[str, str], float] = field(default_factory=dict)
    """Hooks that used all of their time, and until when they get little."""
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
            is_short = time.monotonic() < self._slow.get(key, 0.0)
        if is_short:
            call = call.within(IMPATIENCE_SECONDS * patience())
        envelope = self.workers.run(request, call, told.add)
        now = time.monotonic()
        late = is_failure(envelope) and now >= call.deadline
        with self._guard:
            if not late:
                self._slow.pop(key, None)
            elif not is_short:
                self._slow[key] = now + IMPATIENT_SECONDS
        return envelope
