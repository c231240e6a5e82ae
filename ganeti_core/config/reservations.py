"""What a running job holds before its commit: names and addresses, memory and disk space.

Reservations live in memory only: they end with their job, and a job that a crash ended holds none.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from contextlib import contextmanager
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_NORES, ECODE_NOTUNIQUE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from ganeti_core.config.snapshot import Snapshot

LAST_PORT = 14999
LONGEST_TURN = 120.0
"""Seconds that a job waits for others to have chosen their nodes: on a busy machine the first ones
wait until an allocator has started. Then it chooses beside them, and one of two that chose the same
room may be refused."""


_TRIES = 64


Storage = tuple[str, str]
"""A disk template and the name of one of its storages; empty where it has one only."""


@dataclass(frozen=True)
class Resources:
    """Memory, and disk space in each storage, MiB."""

    memory: int = 0
    disk: Mapping[Storage, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reservation:
    """Resources for one instance (its name), on nodes (uuids)."""

    instance: str
    on_nodes: Mapping[str, Resources]


@dataclass(frozen=True)
class Reserved:
    """What jobs had set aside at one moment.

    Read them before nodes are asked what they have: a guest that starts meanwhile is counted
    twice then, and not never.
    """

    found: tuple[Reservation, ...] = ()

    def memory(
        self, node: str, used: Mapping[str, int] = MappingProxyType({}),
        settled: Callable[[str], bool] = lambda _instance: False,
    ) -> int:
        """Return the memory that is set aside on a node and not in use yet.

        :param used: the memory (MiB) that guests have there now, by name: no part of what is free
        :param settled: whether an instance needs no memory any more beyond that
        """
        return sum(max(0, one.memory - used.get(name, 0))
                   for name, one in self._on(node).items() if not settled(name))

    def names(self, node: str) -> Collection[str]:
        """Return the instances for which something is set aside on a node."""
        return self._on(node).keys()

    def disk(self, storage: Storage, node: str | None) -> int:
        """Return the space that is set aside in a storage of a node, or of all nodes in common.
        """
        on = self._on(node).values() if node is not None else (
            one for reserved in self.found for one in reserved.on_nodes.values())
        return sum(one.disk.get(storage, 0) for one in on)

    def by_node(self, nodes: Iterable[str], shared: Collection[str]) -> dict[str, Reserved]:
        """Return, for each of these nodes (uuids), the part that says what is set aside there.

        :param shared: disk templates whose storages all nodes have in common: what is set aside
            in them is set aside on every node
        """
        found: dict[str, list[Reservation]] = {node: [] for node in nodes}
        for one in self.found:
            everywhere = shared and any(
                template in shared for template, _ in Reserved((one,)).storages)
            for node in found if everywhere else found.keys() & one.on_nodes.keys():
                found[node].append(one)
        return {node: Reserved(tuple(some)) if some else NOTHING for node, some in found.items()}

    @property
    def storages(self) -> set[Storage]:
        """The storages in which there is something set aside, on whichever node."""
        return {storage for reserved in self.found for one in reserved.on_nodes.values()
                for storage in one.disk}

    def _on(self, node: str) -> dict[str, Resources]:
        # The job that expanded into a move and the move itself may both hold the same.
        return {one.instance: one.on_nodes[node] for one in self.found if node in one.on_nodes}


NOTHING = Reserved()


class Reservations:
    """What running jobs have set aside. `snapshot` returns the newest configuration."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._mutex = threading.Lock()
        self._owners: dict[tuple[str, str], str] = {}
        self._held: dict[str, Reservation] = {}
        self._changed = threading.Condition(self._mutex)
        self._turn = threading.Lock()
        self.version = 0
        """Grows whenever resources are set aside or given back."""

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
        """Use around choosing nodes and setting resources aside: one job at a time, if possible."""
        mine = self._turn.acquire(timeout=LONGEST_TURN)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def hold_resources(
        self, instance: str, on_nodes: Mapping[str, Resources], owner: str
    ) -> None:
        """Count resources for an instance on nodes as used, until the job ends.

        Replaces what the job held before. The same again keeps its turn before later ones.
        """
        one = Reservation(instance, dict(on_nodes))
        with self._mutex:
            if self._held.get(owner) == one:
                return
            self._held.pop(owner, None)  # so that it comes behind those that hold some already
            self._held[owner] = one
            self._resources_changed()

    def give_up_resources(self, owner: str) -> None:
        """Give back the resources that the job held, nothing else."""
        with self._mutex:
            if self._held.pop(owner, None) is not None:
                self._resources_changed()

    def others_hold_resources(self, asking: str) -> bool:
        """Return whether a job other than `asking` has set resources aside."""
        with self._mutex:
            return any(owner != asking for owner in self._held)

    def wait_for_change(self, version: int, timeout: float) -> None:
        """Wait until `version` is not the newest any more, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout)

    def _resources_changed(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def reserved_before(self, asking: str) -> Reserved:
        """Return what other jobs have set aside before `asking` did.

        Of two jobs that chose the same the first gets it, and not neither.
        """
        with self._mutex:
            return Reserved(tuple(one for _, one in itertools.takewhile(
                lambda entry: entry[0] != asking, self._held.items())))

    def release(self, owner: str) -> None:
        """Give back all that the job held."""
        with self._mutex:
            if self._held.pop(owner, None) is not None:
                self._resources_changed()
            for key in [key for key, holder in self._owners.items() if holder == owner]:
                del self._owners[key]

    def held(self) -> list[tuple[str, str, str]]:
        """List (space, value, job), for verify and tests."""
        with self._mutex:
            return [(space, key, owner) for (space, key), owner in self._owners.items()]
