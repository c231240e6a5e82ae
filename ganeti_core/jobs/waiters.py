"""Clients that wait for a job to change: a record each, woken by the change, never polling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.jobs.job import Job, LogEntry

Change = tuple[list[Any], list["LogEntry"]]


class Waiters:
    """Who waits for which job."""

    def __init__(self) -> None:
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}

    def wake(self, job: Job) -> None:
        """Tell everybody who waits for this job that it changed."""
        for future in self._waiting.pop(job.id, ()):
            if not future.done():
                future.set_result(None)

    async def wait(
        self, job: Job, observe: Callable[[], list[Any]], previous: list[Any] | None,
        log_serial: int, timeout: float,
    ) -> Change:
        """Wait until the observed fields differ from `previous`, or a newer log entry is there.

        A finished job answers at once. After `timeout` seconds without a change the answer is what
        is known already, as Ganeti's: its clients take nothing for a lost job.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            seen = observe()
            entries = [entry for op in job.ops for entry in op.log if entry[0] > log_serial]
            if entries or job.final or (seen != previous and _plain(seen) != previous):
                return seen, entries
            left = deadline - loop.time()
            if left <= 0 or not await self._changed(job, left):
                return seen, []

    async def _changed(self, job: Job, timeout: float) -> bool:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job.id, set()).add(future)
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return False
        finally:
            waiting = self._waiting.get(job.id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[job.id]
        return True


def _plain(value: Any) -> Any:
    """A value as a client was told: JSON has no tuples, of which times are made."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value
