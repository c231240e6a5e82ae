"""Threads for requests that cannot be answered in the event loop, apart by what they wait for.

Those that wait for nodes fill their own pool only, so a node that hangs keeps nobody from reading
jobs or from small changes.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

MOST_WAITING = 256
MOST_READING = 4


def _pool(threads: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=name)


@dataclass(frozen=True)
class Threads:
    """Pools of threads that start with their first work."""

    _waiting: ThreadPoolExecutor = field(default_factory=lambda: _pool(MOST_WAITING, "nodes"))
    _reading: ThreadPoolExecutor = field(default_factory=lambda: _pool(MOST_READING, "jobs"))
    _changing: ThreadPoolExecutor = field(default_factory=lambda: _pool(16, "changes"))

    async def ask_nodes(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Do what waits for nodes."""
        return await _run(self._waiting, work, *args, **named)

    async def read(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Do what takes a processor's time, or reads the disk."""
        return await _run(self._reading, work, *args, **named)

    async def change(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Do what waits for a commit."""
        return await _run(self._changing, work, *args, **named)

    def close(self) -> None:
        """Begin nothing more; what a node keeps waiting ends by itself."""
        for pool in (self._waiting, self._reading, self._changing):
            pool.shutdown(wait=False, cancel_futures=True)


async def _run(
    pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **named: P.kwargs
) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *args, **named))
