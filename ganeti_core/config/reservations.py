"""Names, MACs, IPs and ports that a running job holds before its commit claims them.

Reservations live in memory only: they end with their job, and a job that a crash ended holds none.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_NORES, ECODE_NOTUNIQUE, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ganeti_core.config.snapshot import Snapshot

LAST_PORT = 14999
LONGEST_TURN = 30.0
"""Seconds that a job waits for others to have chosen their nodes."""


@dataclass(frozen=True)
class Room:
    """Memory and disk space, MiB."""

    memory: int = 0
    disk: int = 0

_TRIES = 64


class Reservations:
    """What running jobs have set aside. `snapshot` answers the newest configuration."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._mutex = threading.Lock()
        self._owners: dict[tuple[str, str], str] = {}
        self._rooms: dict[str, dict[str, Room]] = {}
        self._changed = threading.Condition(self._mutex)
        self._turn = threading.Lock()
        self.version = 0
        """Grows whenever room is set aside or given back."""

    def reserve(self, space: str, key: str, owner: str) -> None:
        """Set a value aside for the job `owner`.

        :raises OpPrereqError: it is in use or set aside for another job (`ECODE_NOTUNIQUE`)
        """
        with self._mutex:
            if not self._free(space, key, owner):
                what = space.partition(":")[0]
                raise OpPrereqError(
                    f"the {what} '{key}' is in use or being given away", ECODE_NOTUNIQUE)
            self._owners[space, key] = owner

    def first_free(self, space: str, keys: Iterable[str], owner: str) -> str | None:
        """Set aside the first free value of `keys`; None when all are taken."""
        with self._mutex:
            for key in keys:
                if self._free(space, key) and (space, key) not in self._owners:
                    self._owners[space, key] = owner
                    return key
        return None

    def mac(self, prefix: str, owner: str) -> str:
        """Set aside a random MAC address below `prefix` (three bytes).

        :raises OpPrereqError: none was found (`ECODE_NORES`)
        """
        tries = (f"{prefix}:{':'.join(f'{b:02x}' for b in secrets.token_bytes(3))}".lower()
                 for _ in range(_TRIES))
        found = self.first_free("mac", tries, owner)
        if found is None:
            raise OpPrereqError(f"no free MAC address below {prefix} was found", ECODE_NORES)
        return found

    def port(self, owner: str) -> int:
        """Set aside a TCP port for an instance.

        :raises OpPrereqError: all are in use (`ECODE_NORES`)
        """
        cluster = self._snapshot().cluster
        tries = (str(port) for port in (
            *cluster.tcpudp_port_pool, *range(cluster.highest_used_port + 1, LAST_PORT + 1),
            *range(11000, cluster.highest_used_port + 1)))
        found = self.first_free("port", tries, owner)
        if found is None:
            raise OpPrereqError("the cluster has no free port for instances", ECODE_NORES)
        return int(found)

    def _free(self, space: str, key: str, owner: str = "") -> bool:
        if self._owners.get((space, key), owner) != owner:
            return False
        return key not in self._snapshot().claims.get(space, {})

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around choosing nodes and setting room aside on them: one job at a time, if possible."""
        mine = self._turn.acquire(timeout=LONGEST_TURN)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def hold_room(self, rooms: Mapping[str, Room], owner: str) -> None:
        """Count room on nodes as used, until the job ends; replaces what it held before."""
        with self._mutex:
            self._rooms.pop(owner, None)  # so that it comes behind those that hold room already
            self._rooms[owner] = dict(rooms)
            self._room_changed()

    def give_up_room(self, owner: str) -> None:
        """Give back the room that the job held, nothing else."""
        with self._mutex:
            if self._rooms.pop(owner, None) is not None:
                self._room_changed()

    def others_hold_room(self, asking: str) -> bool:
        """Whether a job other than `asking` has set room aside."""
        with self._mutex:
            return any(owner != asking for owner in self._rooms)

    def wait_for_change(self, version: int, timeout: float) -> None:
        """Wait until `version` is not the newest any more, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout)

    def _room_changed(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def held_on(self, node: str, asking: str) -> Room:
        """The room on a node that other jobs have set aside before `asking` did.

        Of two jobs that chose the same room so the first gets it, and not neither.
        """
        with self._mutex:
            rooms = [held[node] for owner, held in itertools.takewhile(
                lambda entry: entry[0] != asking, self._rooms.items()) if node in held]
        return Room(sum(room.memory for room in rooms), sum(room.disk for room in rooms))

    def release(self, owner: str) -> None:
        """Give back all that the job held."""
        with self._mutex:
            if self._rooms.pop(owner, None) is not None:
                self._room_changed()
            for key in [key for key, holder in self._owners.items() if holder == owner]:
                del self._owners[key]

    def held(self) -> list[tuple[str, str, str]]:
        """List (space, value, job), for verify and tests."""
        with self._mutex:
            return [(space, key, owner) for (space, key), owner in self._owners.items()]
