"""The way from other threads into the event loop: many calls with one wake-up.

Waking the loop is a system call and a change of the running thread, so under load it would cost
more than what is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from ganeti_core.config.journal import FULL_DISK_PAUSE
from ganeti_core.errors import StoreBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from ganeti_core.config.database import Write
    from ganeti_core.config.journal import Journal

log = logging.getLogger(__name__)


class Inbox:
    """Calls that wait to be made in `loop`, in the order in which they came."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._woken = False

    def put(self, function: Callable[..., None], *args: Any) -> None:
        """Have `function` called in the loop, soon; from any thread."""
        self._calls.append((function, args))
        # Whoever empties the deque clears the mark first, so a call that finds it set is seen.
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._woken = False
        while self._calls:
            function, args = self._calls.popleft()
            try:
                function(*args)
            except Exception:  # wall: one call must not lose the others
                log.exception("a call from another thread failed")

    async def commit(self, journal: Journal, writes: Sequence[Write]) -> None:
        """Wait until rows are durable; occupies no thread.

        :raises StoreBroken: they were not written
        """
        outcome: asyncio.Future[None] = self._loop.create_future()
        journal.submit(writes, lambda error: self.put(resolve, outcome, error))
        await outcome

    async def commit_patiently(self, journal: Journal, writes: Sequence[Write]) -> None:
        """As `commit`, but wait while the disk is full: for what has happened and must be noted.

        :raises StoreBroken: nothing can be written any more
        """
        while True:
            try:
                return await self.commit(journal, writes)
            except StoreBroken:
                if journal.broken is not None:
                    raise
            await asyncio.sleep(FULL_DISK_PAUSE)

    def run(
        self, pool: Executor, done: Callable[[Any, BaseException | None], None],
        function: Callable[..., Any], *args: Any,
    ) -> None:
        """Call `function` in a thread of the pool, then `done` with result or error in the loop."""
        def work() -> None:
            try:
                result = function(*args)
            except BaseException as exc:  # noqa: BLE001  # it is told, whatever it is
                self.put(done, None, exc)
            else:
                self.put(done, result, None)

        pool.submit(work)


def resolve(
    outcome: asyncio.Future[Any], error: BaseException | None, result: Any = None
) -> None:
    """Settle a future that may be settled already."""
    if outcome.done():
        return
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)
