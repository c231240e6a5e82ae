"""How many more instances fit: of one size, or of sizes that shrink as the cluster fills."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PlacementError
from ..model.arrays import Demand, Ints
from ..model.build import BuildOptions, demand_of
from ..model.changes import Failure
from ..model.cluster import Cluster, all_nodes
from ..records import LOCAL_TEMPLATES, Instance
from .allocate import AllocationRules, search, try_places
from .best_place import best_place
from .capacity import Capacity, nodes_to_check
from .outcome import Found
from .redundancy import AfterPlacing
from .rooms import Rooms, Want
from .sizes import shrink, sizes_down

_FIRST_BATCH = 20


@dataclass(slots=True)
class Filled:
    """A state reached, the instances placed in it, and why the last one found no place."""

    cluster: Cluster
    placed: list[int]
    failures: list[int]
    """Counts by code of `Failure`; place 0 is unused."""
    rooms: Rooms | None = None
    refused: bool = False
    """Nothing was tried: the cluster is not redundant to begin with."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One size in the course of shrinking, the state after it, and what may still be placed."""

    instance: Instance
    filled: Filled
    limit: int | None


def ranked(failures: list[int]) -> list[Failure]:
    """Kinds of failures, rarest first."""
    return sorted(Failure, key=lambda kind: failures[kind])


class Filler:
    """Fills a cluster with instances, on some of its nodes.

    :param look: called before each instance; ends the search by an exception
    """

    def __init__(
        self, targets: Ints, rules: AllocationRules, look: Callable[[], None] = lambda: None
    ) -> None:
        self.targets = targets
        self.rules = rules
        self.look = look

    def _required(self, instance: Instance) -> int:
        return 2 if instance.kind == "drbd" else 1

    def _find(self, cluster: Cluster, position: int) -> Found:
        required = self._required(cluster.instances[position])
        return search(
            cluster, position, required, self.targets, all_nodes(cluster), self.rules
        )

    def fill(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        """Place instances of one size until one finds no place, or so many are placed.

        :raises PlacementError: there are no nodes to place anything on, or no end to it.
        """
        self._require_nodes(start.cluster, instance)
        if limit is None:
            self._require_end(start.cluster, instance)
        if not self.rules.capacity or instance.kind == "drbd":
            return self._fill_unchecked(start, instance, limit)
        counts = self.rooms(start).count(Want.of(instance))
        if not counts[0] or not self._good(start, instance):
            # Every possible place is dropped for the redundancy that it would cost.
            failures = _all_dropped(counts)
            return Filled(start.cluster, start.placed, failures, start.rooms)
        # A redundant state has only redundant ones before it: check rarely while there is room.
        batch = _first_batch(start.cluster, instance)
        while batch > 1 and (limit is None or limit > 0):
            size = batch if limit is None else min(batch, limit)
            trial = self._fill_unchecked(start, instance, size)
            added = len(trial.placed) - len(start.placed)
            if added == 0:
                break
            if self._redundant(trial.cluster):
                start = trial
                limit = None if limit is None else limit - added
                batch = batch if added == size else 1
            else:
                batch //= 4
        return self._fill_checked(start, instance, limit)

    def _require_nodes(self, cluster: Cluster, instance: Instance) -> None:
        groups = cluster.figures.group[self.targets].tolist()
        if instance.kind == "drbd":
            if len(groups) == len(set(groups)):
                raise PlacementError("failure during allocation: Not enough online nodes")
        elif not groups:
            raise PlacementError("failure during allocation: No online nodes")

    def _require_end(self, cluster: Cluster, instance: Instance) -> None:
        counted = instance.vcpus > 0 and bool((cluster.site.max_ratio[self.targets] >= 0).all())
        disk = instance.kind in LOCAL_TEMPLATES and instance.disk > 0
        if instance.memory <= 0 and not disk and not counted:
            raise PlacementError(
                f"failure during allocation: an instance of {instance.memory} MiB of memory, "
                f"{instance.disk} MiB of disk and {instance.vcpus} processors fits any number of "
                "times; give a larger size, or --max-length"
            )

    def _redundant(self, cluster: Cluster) -> bool:
        nodes = all_nodes(cluster)
        checked = nodes_to_check(cluster, nodes, self.rules.capacity_rules)
        return Capacity(cluster, nodes, checked).redundant()

    def _fill_checked(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        cluster = start.cluster.copy()
        placed = list(start.placed)
        while True:
            self.look()
            position = _append(cluster, instance, len(placed))
            found = self._find(cluster, position)
            if found.best is None or limit == 0:
                break
            _put(cluster, position, found.best.primary, found.best.secondary)
            placed.append(position)
            limit = None if limit is None else limit - 1
        cluster.instances.pop()
        if len(placed) == len(start.placed):
            return Filled(start.cluster, start.placed, found.failures, start.rooms)
        return Filled(cluster, placed, found.failures)

    def rooms(self, filled: Filled) -> Rooms:
        """The classes of nodes of a state, sorted when first asked for."""
        if filled.rooms is None:
            filled.rooms = Rooms(filled.cluster, self.targets)
        return filled.rooms

    def _fill_unchecked(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        want = Want.of(instance)
        counts = self.rooms(start).count(want)
        if not counts[0] or limit == 0:
            return Filled(start.cluster, start.placed, _no_successes(counts), start.rooms)
        cluster = start.cluster.copy()
        rooms = self.rooms(start).copy(cluster)
        placed = list(start.placed)
        while limit is None or limit > 0:
            self.look()
            position = _append(cluster, instance, len(placed))
            place = best_place(cluster, rooms, want, position)
            if place is None:
                cluster.instances.pop()
                break
            _put(cluster, position, *place)
            rooms.changed(*(node for node in place if node >= 0))
            placed.append(position)
            limit = None if limit is None else limit - 1
        return Filled(cluster, placed, _no_successes(rooms.count(want)), rooms)

    # Shrinking sizes

    def fill_tiered(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        """Place instances, smaller and smaller ones, until none of any size finds a place.

        The limit shrinks with every size by all that was placed so far, as Ganeti has it: it
        bounds the number of sizes, too.
        """
        levels: list[_Level] = []
        while True:
            result = self.fill(start, instance, limit)
            count = len(result.placed)
            stop = limit is not None and limit <= count
            smaller: Instance | None = None
            if not stop:
                limit = None if limit is None else limit - count
                levels.append(_Level(instance, result, limit))
                smaller = shrink(instance, ranked(result.failures)[-1])
                if smaller is not None and limit is None and self._slow(result, start, instance):
                    skipped, smaller = self._skip_hopeless(result, smaller)
                    levels += skipped
            if smaller is None:
                found = self._resume(levels, count)
                if found is None:
                    return self._first_of_equals(levels, result)
                smaller, result, limit = found.instance, found.filled, found.limit
            start, instance = result, smaller

    def _first_of_equals(self, levels: list[_Level], result: Filled) -> Filled:
        """Of the levels that have placed as much as the last one, the result of the first."""
        for level in levels:
            if len(level.filled.placed) == len(result.placed):
                return level.filled
        return result

    def _slow(self, result: Filled, start: Filled, instance: Instance) -> bool:
        """Whether nothing was placed, and whether more can be takes time to find out."""
        nothing = len(result.placed) == len(start.placed)
        return nothing and self.rules.capacity and instance.kind != "drbd"

    def _resume(self, levels: list[_Level], reached: int) -> _Level | None:
        """Go back over levels without progress, for a size that is worth going on with."""
        tried = list(levels)
        while tried and len(tried[-1].filled.placed) == reached:
            level = tried.pop()
            for kind in reversed(ranked(level.filled.failures)):
                found = self._enough(level.filled, level.instance, kind)
                if found is not None:
                    levels[:] = tried
                    return _Level(found, level.filled, level.limit)
        return None

    def _enough(self, filled: Filled, instance: Instance, kind: Failure) -> Instance | None:
        """The first size that fits if only one resource is shrunk, as long as it is the reason."""
        known = self.rooms(filled).known_sizes
        chain: list[Instance] = []
        fitting: list[Instance] = []
        answer: Instance | None = None
        for size in sizes_down(instance, kind):
            if (size, kind) in known:
                answer = known[size, kind]
                break
            chain.append(size)
            counts = self.rooms(filled).count(Want.of(size))
            if counts[0]:
                fitting.append(size)
            if not counts[kind]:
                break
        first = self._first_good(filled, fitting)
        answer = answer if first is None else first
        for size in chain:
            known[size, kind] = answer
            if size == first:
                break
        return answer

    def _first_good(self, filled: Filled, sizes: Sequence[Instance]) -> Instance | None:
        """The first good one of ever smaller sizes; what is smaller than a good one is good."""
        if not sizes or not self._good(filled, sizes[-1]):
            return None
        place = bisect_left(sizes, True, key=lambda size: self._good(filled, size))
        return sizes[place]

    def _skip_hopeless(
        self, filled: Filled, instance: Instance
    ) -> tuple[list[_Level], Instance | None]:
        """Levels of shrinking that place nothing, and the size after them (None: the end)."""
        levels: list[_Level] = []
        fitting: list[Instance] = []
        size: Instance | None = instance
        while size is not None:
            counts = self.rooms(filled).count(Want.of(size))
            if counts[0]:
                fitting.append(size)
            failures = _all_dropped(counts)
            state = Filled(filled.cluster, filled.placed, failures, filled.rooms)
            levels.append(_Level(size, state, None))
            size = shrink(size, ranked(failures)[-1])
        first = self._first_good(filled, fitting)
        if first is None:
            return levels, None
        sizes = [level.instance for level in levels]
        return levels[: sizes.index(first)], first

    def _good(self, filled: Filled, instance: Instance) -> bool:
        """Whether one of the possible places leaves the cluster redundant."""
        if not self.rules.capacity:
            return True
        want = Want.of(instance)
        known = self.rooms(filled).known_good
        if want.taken not in known:
            known[want.taken] = self._find_good(filled, want)
        return known[want.taken]

    def _find_good(self, filled: Filled, want: Want) -> bool:
        cluster = filled.cluster.copy()
        position = _append(cluster, want.instance, 0)
        nodes = all_nodes(cluster)
        good = AfterPlacing(cluster, position, nodes, self.rules.capacity_rules)
        if good.hopeless:
            return False
        if want.instance.kind != "drbd":
            places = self.rooms(filled).possible(want)
            return any(good(node, -1) for node in places)
        tried = try_places(cluster, position, 2, self.targets, nodes, self.rules)
        flat = np.flatnonzero(tried.failure.reshape(-1) == 0).tolist()
        return any(good(*tried.nodes(place)) for place in flat)


def _put(cluster: Cluster, position: int, primary: int, secondary: int) -> None:
    score = float(cluster.shared_locations(primary, secondary)) if secondary >= 0 else 0.0
    cluster.put(position, primary, secondary, score)


def _append(cluster: Cluster, instance: Instance, number: int) -> int:
    return cluster.add_instance(replace(instance, name=f"new-{number}"), _demand(instance))


def _all_dropped(counts: list[int]) -> list[int]:
    """Failures if every possible place is dropped for the redundancy that it would cost."""
    failures = _no_successes(counts)
    failures[Failure.N1] += counts[0]
    return failures


def _no_successes(counts: list[int]) -> list[int]:
    return [0, *counts[1:]]


def _demand(instance: Instance) -> Demand:
    return demand_of([instance], BuildOptions())


def _first_batch(cluster: Cluster, instance: Instance) -> int:
    room = np.maximum(0.0, cluster.state.free_mem - cluster.state.reserved).sum()
    guess = int(room // max(1, instance.memory)) - cluster.node_count
    return max(_FIRST_BATCH, guess)
