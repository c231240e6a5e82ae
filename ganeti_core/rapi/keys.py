"""Submissions that are sent twice make one job: clients give them a key of their own.

The key stands in the job itself, hashed, in its reason trail. So it is known as long as the job is
in the queue, after a restart of this daemon and on another master, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure, bad_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ganeti_core.rapi.request import Request

HEADER = b"idempotency-key"
SOURCE = "gnt:library:rlib2"
"""Who adds an entry to a job's reason trail, in Ganeti's words. Keys are looked for in these alone:
other entries say what a client likes, perhaps somebody else's key."""
LONGEST = 255
MOST_KEPT = 100_000
_MARK = re.compile(r"key:([0-9a-f]{32}) request:([0-9a-f]{32})(?: set:([0-9]{1,9}))?")
Sets = list[list[int]]
"""Numbers of jobs, set by set; a single job is a set of one."""


@dataclass(frozen=True)
class Key:
    """One key of one user.

    :param mark: of the user and the key
    :param fingerprint: of the request that it was given for
    """

    mark: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request, operation: str, user: str | None) -> Key | None:
        """The key of a request; None where it has none.

        :raises HttpFailure: it is too long, or empty
        """
        given = request.headers.get(HEADER)
        if given is None:
            return None
        if not 0 < len(given) <= LONGEST:
            raise bad_request(f"An Idempotency-Key has 1 to {LONGEST} characters")
        parts = [operation, *request.names, request.query]
        return cls(_digest((user or "").encode(), given),
                   _digest("\0".join(parts).encode(), request.raw_body))

    @property
    def note(self) -> str:
        """What the job's reason trail says of it."""
        return f"key:{self.mark} request:{self.fingerprint}"

    def noted(self, op: dict[str, Any], number: int | None = None) -> dict[str, Any]:
        """The first opcode of a job with the note in its reason trail, in this daemon's own entry.

        :param number: of the set that the job belongs to, if there are several
        """
        # The entry that this daemon has added is the last one.
        source, _, when = op["reason"][-1]
        note = self.note if number is None else f"{self.note} set:{number}"
        return {**op, "reason": [*op["reason"][:-1], [source, note, when]]}


def _digest(*parts: bytes) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(b"%d:" % len(part) + part)
    return found.hexdigest()


@dataclass
class _Alone:
    """Held by who submits with one key; kept while somebody does, or waits to."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass
class Keys:
    """The keys that were used, and their jobs.

    :param jobs: lists the queue: number and opcodes of each job
    """

    jobs: Callable[[], Awaitable[list[Any]]]
    _known: OrderedDict[str, tuple[str, Sets]] = field(default_factory=OrderedDict)
    _busy: dict[str, _Alone] = field(default_factory=dict)
    _is_current: bool = False

    async def submit(self, key: Key, submit: Callable[[], Awaitable[int]]) -> int:
        """Return the job of an earlier submission with this key, else submit.

        :raises HttpFailure: 409, it was used for another request
        """
        async def one() -> Sets:
            return [[await submit()]]

        return (await self.submit_sets(key, one))[0][0]

    async def submit_sets(self, key: Key, submit: Callable[[], Awaitable[Sets]]) -> Sets:
        """As `submit`, of several jobs. That there were none is not remembered."""
        alone = self._busy.setdefault(key.mark, _Alone())
        alone.users += 1
        try:
            async with alone.lock:
                return await self._once(key, submit)
        finally:
            alone.users -= 1
            # One that was let go is not locked, although others have been waiting for it.
            if not alone.users:
                del self._busy[key.mark]

    async def _once(self, key: Key, submit: Callable[[], Awaitable[Sets]]) -> Sets:
        if not self._is_current:
            for mark, used in _marks(await self.jobs()).items():
                self._remember(mark, used)
            self._is_current = True
        known = self._known.get(key.mark)
        if known is not None:
            if known[0] != key.fingerprint:
                raise HttpFailure(HTTPStatus.CONFLICT, "This Idempotency-Key was used for another"
                                  f" request, job {known[1][0][0]}: use another key")
            return known[1]
        try:
            sets = await submit()
        except HttpFailure:
            raise  # it was refused here
        except BaseException:
            # It may have been accepted: the queue knows.
            self._is_current = False
            raise
        if sets:
            self._remember(key.mark, (key.fingerprint, sets))
        return sets

    def _remember(self, mark: str, used: tuple[str, Sets]) -> None:
        self._known[mark] = used
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)


def _marks(jobs: list[Any]) -> dict[str, tuple[str, Sets]]:
    """The keys in the reason trails of jobs, with the request and the jobs of each."""
    found: dict[str, tuple[str, dict[int, list[int]]]] = {}
    for row in jobs:
        number, ops = row[0], row[1] or []
        for source, text, _ in ops[0].get("reason", []) if ops else []:
            if str(source).startswith(f"{SOURCE}:") and (mark := _MARK.fullmatch(str(text))):
                known = found.setdefault(mark[1], (mark[2], {}))[1]
                known.setdefault(int(mark[3] or 0), []).append(number)
    return {key: (request, [sorted(sets[at]) for at in sorted(sets)])
            for key, (request, sets) in found.items()}
