"""What has changed lately, numbered: clients wait for what comes after the last thing they know.

It is of this run of the master alone: who knows something of an earlier run is told that events may
have been lost, and looks at everything again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change
    from ganeti_core.jobs.job import Job

KEPT = 10_000
MOST_AT_ONCE = 500
MOST_JOBS = 100_000
"""Whose states are remembered: more than can be in the queue unfinished."""
LONGEST_WAIT = 600.0
JOB, CONFIG = "job", "config"


class EventLog:
    """The last events; use it in the loop's thread, unless a method says otherwise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, kept: int = KEPT) -> None:
        self._loop = loop
        self._run = f"{time.time_ns():x}"
        self._number = 0
        self._kept: deque[list[Any]] = deque(maxlen=kept)
        self._waiting: set[asyncio.Future[None]] = set()
        self._states: OrderedDict[int, str] = OrderedDict()

    @property
    def last(self) -> str:
        """The id of the last event."""
        return self._id(self._number)

    def job_changed(self, job: Job | None) -> None:
        """Note a job's new state; None: it is in the archive."""
        if job is None:
            return
        status = job.status
        if self._states.get(job.id) == status:
            return
        self._states[job.id] = status
        while len(self._states) > MOST_JOBS:
            self._states.popitem(last=False)
        self.add(JOB, {"id": job.id, "status": status, "summary": job.summary()})

    def config_changed(self, snapshot: Snapshot, changes: Sequence[Change]) -> None:
        """Note a commit; from any thread."""
        changed: dict[str, list[dict[str, str]]] = {}
        for change in changes:
            value = change.value
            changed.setdefault(kind_of(change), []).append({
                "uuid": value.uuid, **({"name": value.name} if hasattr(value, "name") else {})})
        self._loop.call_soon_threadsafe(
            self.add, CONFIG, {"serial": snapshot.serial, "changed": changed})

    def add(self, name: str, data: dict[str, Any]) -> None:
        """Number an event, and wake who waits."""
        self._number += 1
        self._kept.append([self.last, name, data])
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def since(self, after: str | None, timeout: float) -> dict[str, Any]:
        """What came after the event `after`, or does in `timeout` seconds.

        :param after: None for what comes from now on
        :return: ``events`` (id, name and data each), ``last``, the id to ask with the next time,
            and ``lost``: whether there were others in between that are not known any more
        """
        number = self._number_of(after)
        if number is None:
            return {"events": [], "last": self.last, "lost": after is not None}
        if number == self._number:
            await self._more(timeout)
        count = self._number - number
        first = max(0, len(self._kept) - count)
        found = [self._kept[i] for i in range(first, min(len(self._kept), first + MOST_AT_ONCE))]
        return {"events": found, "last": found[-1][0] if found else self.last,
                "lost": count > len(self._kept)}

    def _id(self, number: int) -> str:
        return f"{self._run}-{number}"

    def _number_of(self, after: str | None) -> int | None:
        run, _, number = (after or "").partition("-")
        if run != self._run or not number.isascii() or not number.isdecimal():
            return None
        return int(number[:18]) if int(number[:18]) <= self._number else None

    async def _more(self, timeout: float) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, min(timeout, LONGEST_WAIT))
        except TimeoutError:
            return
        finally:
            self._waiting.discard(future)
