"""Nodes sorted into classes of equal ones, to place very many new instances quickly.

While a cluster is being filled most nodes are equal to many others, and so are the places on
them: it is enough to look at one place per class (or pair of classes). What still tells two
equal pairs apart is memory that one node keeps reserved for the other; such pairs are few and
are kept in a list.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..model.arrays import SITE_FIELDS, VIEW_FIELDS, Ints
from ..model.changes import Failure
from ..model.cluster import Cluster
from ..records import LOCAL_TEMPLATES, Instance
from .policy import violation
from .related import Kind, Pair, Related

Key = tuple[float, ...]
"""A node's figures: the ones of its site, of its state, and its group."""

_PLACE = {name: index for index, name in enumerate((*SITE_FIELDS, *VIEW_FIELDS))}


class Room:
    """The figures of a class of nodes, and what fits there."""

    def __init__(self, key: Key) -> None:
        self.group = int(key[-1])

        def get(name: str) -> float:
            return float(key[_PLACE[name]])

        self.free_mem, self.mem_forth = get("free_mem"), get("mem_forth")
        self.reserved, self.failing = get("reserved"), bool(get("failing"))
        self.min_disk, self.max_spindles = get("min_disk"), get("max_spindles")
        self.exclusive = bool(get("exclusive"))
        self.total_cpus, self.max_ratio = get("total_cpus"), get("max_ratio")
        self.storage = (get("free_disk"), get("free_spindles"), get("spindles"))
        self.storage_forth = (
            get("disk_forth"),
            get("free_spindles_forth"),
            get("spindles_forth"),
        )
        self.cpus, self.cpus_forth = get("cpus"), get("cpus_forth")

    def _storage_failure(self, storage: tuple[float, float, float], want: Want) -> int:
        free, free_spindles, spindles = storage
        left = free - want.disk
        if left <= 0 or left < self.min_disk:
            return Failure.DISK
        if self.exclusive:
            short = want.spindles is None or free_spindles - want.spindles < 0
            return Failure.SPINDLES if short else 0
        return Failure.DISK if spindles + want.spindle_use > self.max_spindles else 0

    def _busy(self, cpus: float, want: Want) -> bool:
        if self.max_ratio < 0:
            return False
        if not self.total_cpus:
            return True
        return self.max_ratio < (cpus + want.cpus) / self.total_cpus

    def primary_failure(self, want: Want) -> int:
        """Why an instance cannot have its primary here (0: it can)."""
        left = self.free_mem - want.memory
        if left <= 0:
            return Failure.MEM
        if want.local and (code := self._storage_failure(self.storage, want)):
            return code
        if left <= self.reserved and not self.failing:
            return Failure.MEM
        if self._busy(self.cpus, want):
            return Failure.CPU
        if self.mem_forth - want.memory <= 0:
            return Failure.MEM
        if want.local and (code := self._storage_failure(self.storage_forth, want)):
            return code
        return Failure.CPU if self._busy(self.cpus_forth, want) else 0

    def secondary_failure(self, want: Want, entry: float) -> int:
        """Why an instance cannot have its secondary here, with memory reserved already."""
        if code := self._storage_failure(self.storage, want):
            return code
        if want.memory >= self.free_mem:
            return Failure.MEM
        reserved = max(self.reserved, entry + want.memory)
        if self.free_mem <= reserved and not self.failing:
            return Failure.MEM
        if code := self._storage_failure(self.storage_forth, want):
            return code
        return Failure.MEM if want.memory >= self.mem_forth else 0


@dataclass(frozen=True, slots=True)
class Want:
    """What one new, running instance takes."""

    instance: Instance
    memory: int
    disk: int
    cpus: int
    spindles: int | None
    spindle_use: int
    local: bool

    @classmethod
    def of(cls, instance: Instance) -> Want:
        """Read it off an instance."""
        return cls(
            instance,
            instance.memory,
            instance.disk,
            instance.vcpus,
            instance.total_spindles,
            instance.spindle_use,
            instance.kind in LOCAL_TEMPLATES,
        )


    @property
    def taken(self) -> tuple[object, ...]:
        """What matters for what else fits later."""
        storage = (self.disk, self.spindles, self.spindle_use) if self.local else ()
        return self.memory, self.cpus, *storage


class Rooms:
    """The classes of a cluster's nodes that may receive instances."""

    def __init__(self, cluster: Cluster, targets: Ints) -> None:
        self.cluster = cluster
        self.names: dict[Key, int] = {}
        self.members: dict[int, list[int]] = {}
        self.rooms: dict[int, Room] = {}
        self.class_of = [-1] * cluster.node_count
        self.targets = targets
        self.is_target = np.zeros(cluster.node_count, dtype=np.bool_)
        self.is_target[targets] = True
        for node in targets.tolist():
            self._enter(node)
        group = cluster.figures.group
        self.group_size = Counter(group[targets].tolist())
        secondary, primary = np.nonzero(cluster.peers)
        usable = (
            self.is_target[secondary]
            & self.is_target[primary]
            & (group[secondary] == group[primary])
        )
        self.related = Related()
        for pair in zip(primary[usable].tolist(), secondary[usable].tolist(), strict=True):
            self.related.put(pair, self._kind(pair))
        self._forget()

    def _forget(self) -> None:
        """Drop what was found out about the state before."""
        self.known_sizes: dict[tuple[Instance, Failure], Instance | None] = {}
        self.known_good: dict[tuple[object, ...], bool] = {}
        self._counts: dict[Instance, list[int]] = {}

    def _enter(self, node: int) -> None:
        cluster = self.cluster
        site = (float(getattr(cluster.site, name)[node]) for name in SITE_FIELDS)
        state = (float(getattr(cluster.state, name)[node]) for name in VIEW_FIELDS)
        key = (*site, *state, float(cluster.figures.group[node]))
        number = self.names.setdefault(key, len(self.names))
        self.class_of[node] = number
        if number not in self.members:
            self.members[number] = []
            self.rooms[number] = Room(key)
        insort(self.members[number], node)

    def changed(self, *nodes: int) -> None:
        """Look again at nodes that have received an instance: primary and maybe secondary."""
        self._forget()
        for node in nodes:
            number = self.class_of[node]
            members = self.members[number]
            members.pop(bisect_left(members, node))
            if not members:
                del self.members[number]
                del self.rooms[number]
            self._enter(node)
        if len(nodes) == 2 and self.cluster.peers[nodes[1], nodes[0]]:
            self.related.put(nodes, self._kind(nodes))
        for pair in self.related.of_nodes(*nodes):
            self.related.put(pair, self._kind(pair))

    def _kind(self, pair: Pair) -> Kind:
        primary, secondary = pair
        entry = float(self.cluster.peers[secondary, primary])
        return Kind(self.class_of[primary], self.class_of[secondary], entry)

    def copy(self, cluster: Cluster) -> Rooms:
        """The same for a copy of the cluster."""
        other = Rooms.__new__(Rooms)
        other.cluster = cluster
        other.members = {key: list(nodes) for key, nodes in self.members.items()}
        other.rooms = dict(self.rooms)
        other.names = dict(self.names)
        other.class_of = list(self.class_of)
        other.targets, other.is_target = self.targets, self.is_target
        other.group_size = self.group_size
        other.related = self.related.copy()
        other._forget()
        return other

    def primary_codes(self, want: Want) -> dict[int, int]:
        """Why the instance cannot have its primary in each class (0: it can)."""
        groups = self.cluster.description.groups
        policy: dict[tuple[int, bool], int] = {}
        codes = {}
        for key, room in self.rooms.items():
            kind = room.group, room.exclusive
            if kind not in policy:
                found = violation(want.instance, groups[room.group].policy, room.exclusive)
                policy[kind] = int(found or 0)
            codes[key] = policy[kind] or int(room.primary_failure(want))
        return codes

    # How often each failure occurs

    def count(self, want: Want) -> list[int]:
        """How often each failure occurs, by code; successes at place 0."""
        if want.instance not in self._counts:
            pairs = want.instance.kind == "drbd"
            found = self._count_pairs(want) if pairs else self._count_single(want)
            self._counts[want.instance] = found
        return self._counts[want.instance]

    def _count_single(self, want: Want) -> list[int]:
        counts = [0] * (len(Failure) + 1)
        for key, code in self.primary_codes(want).items():
            counts[code] += len(self.members[key])
        return counts

    def _count_pairs(self, want: Want) -> list[int]:
        counts = [0] * (len(Failure) + 1)
        codes = self.primary_codes(want)
        plain = {key: room.secondary_failure(want, 0.0) for key, room in self.rooms.items()}
        special: Counter[tuple[int, int]] = Counter()
        for kind, pairs_of_kind in self.related.kinds.items():
            number = len(pairs_of_kind)
            special[kind.first, kind.second] += number
            if not codes[kind.first]:
                code = self.rooms[kind.second].secondary_failure(want, kind.entry)
                counts[int(code)] += number
        for first, code in codes.items():
            size = len(self.members[first])
            group = self.rooms[first].group
            if code:
                counts[code] += size * (self.group_size[group] - 1)
                continue
            for second, other in plain.items():
                if self.rooms[second].group == group:
                    pairs = size * (len(self.members[second]) - (first == second))
                    counts[int(other)] += pairs - special[first, second]
        return counts

    # One place per class

    def possible(self, want: Want) -> list[int]:
        """All nodes on which the instance can have its primary."""
        codes = self.primary_codes(want)
        return [node for key, code in codes.items() if not code for node in self.members[key]]

    def single_places(self, want: Want) -> list[int]:
        """The last possible node of each class."""
        codes = self.primary_codes(want)
        return [self.members[key][-1] for key, code in codes.items() if not code]

    def pair_places(self, want: Want) -> list[tuple[int, int]]:
        """The last possible pair of each kind of pairs."""
        firsts = {key for key, code in self.primary_codes(want).items() if not code}
        seconds = [
            key for key, room in self.rooms.items() if not room.secondary_failure(want, 0.0)
        ]
        places = []
        for first in firsts:
            for second in seconds:
                if self.rooms[first].group == self.rooms[second].group:
                    place = self._last_pair(first, second)
                    if place is not None:
                        places.append(place)
        return places + self._related_places(want, firsts)

    def _last_pair(self, first: int, second: int) -> tuple[int, int] | None:
        peers, others = self.cluster.peers, self.members[second]
        for primary in reversed(self.members[first]):
            for secondary in reversed(others):
                if secondary != primary and not peers[secondary, primary]:
                    return primary, secondary
        return None

    def _related_places(self, want: Want, firsts: set[int]) -> list[tuple[int, int]]:
        return [
            pairs[-1]
            for kind, pairs in self.related.kinds.items()
            if kind.first in firsts
            and not self.rooms[kind.second].secondary_failure(want, kind.entry)
        ]
