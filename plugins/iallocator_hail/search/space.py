"""How many more instances fit: of one size, or of sizes that shrink as the cluster fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PlacementError, RequestFailed
from ..model.arrays import Demand, Ints
from ..model.build import BuildOptions, demand_of
from ..model.changes import Failure
from ..model.cluster import Cluster
from ..records import Disk, Instance, Spec
from .allocate import AllocationRules, all_nodes, search, try_places
from .capacity import Capacity, nodes_to_check
from .outcome import Found
from .redundancy import AfterPlacing

_UNIT_MEMORY = 64
_UNIT_DISK = 256
_FIRST_BATCH = 20


def new_instance(spec: Spec, template: str, spindle_use: int) -> Instance:
    """An instance of a size, with one disk."""
    return Instance(
        name="new",
        memory=spec.memory,
        disk=spec.disk_size,
        vcpus=spec.cpus,
        template=template,
        disks=(Disk(spec.disk_size, spec.spindles),),
        spindle_use=spindle_use,
    )


def shrink(instance: Instance, kind: Failure) -> Instance | None:
    """The next smaller instance with regard to a resource, None if there is none."""
    if kind is Failure.MEM:
        memory = instance.memory - _UNIT_MEMORY
        return replace(instance, memory=memory) if memory >= _UNIT_MEMORY else None
    if kind is Failure.DISK:
        disks = tuple(replace(disk, size=disk.size - _UNIT_DISK) for disk in instance.disks)
        if any(disk.size < _UNIT_DISK for disk in disks):
            return None
        return replace(instance, disks=disks, disk=instance.disk - _UNIT_DISK * len(disks))
    if kind is Failure.CPU:
        return replace(instance, vcpus=instance.vcpus - 1) if instance.vcpus > 1 else None
    if kind is Failure.SPINDLES:
        return _fewer_spindles(instance)
    return None


def _fewer_spindles(instance: Instance) -> Instance | None:
    if len(instance.disks) != 1 or instance.disks[0].spindles is None:
        return None
    left = instance.disks[0].spindles - 1
    if left < 1:
        return None
    return replace(instance, disks=(replace(instance.disks[0], spindles=left),))


def _sizes(instance: Instance, kind: Failure) -> Iterator[Instance]:
    """The instance and smaller ones, but not the smallest."""
    smaller = shrink(instance, kind)
    while smaller is not None:
        yield instance
        instance, smaller = smaller, shrink(smaller, kind)


@dataclass(slots=True)
class Filled:
    """A state reached, the instances placed in it, and why the last one found no place."""

    cluster: Cluster
    placed: list[int]
    failures: list[int]
    """Counts by code of `Failure`; place 0 is unused."""


def ranked(failures: list[int]) -> list[Failure]:
    """Kinds of failures, rarest first."""
    return sorted(Failure, key=lambda kind: failures[kind])


class Filler:
    """Fills a cluster with instances, on some of its nodes."""

    def __init__(self, targets: Ints, rules: AllocationRules) -> None:
        self.targets = targets
        self.rules = rules

    def _required(self, instance: Instance) -> int:
        return 2 if instance.template == "drbd" else 1

    def _find(self, cluster: Cluster, position: int, *, capacity: bool) -> Found:
        rules = replace(self.rules, capacity=capacity and self.rules.capacity)
        required = self._required(cluster.instances[position])
        try:
            scope = all_nodes(cluster)
            return search(cluster, position, required, self.targets, scope, rules)
        except RequestFailed as exc:
            raise PlacementError(f"failure during allocation: {exc}") from exc

    def fill(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        """Place instances of one size until one finds no place, or so many are placed.

        :raises PlacementError: there are no nodes to place anything on.
        """
        if not self.rules.capacity or instance.template == "drbd":
            return self._fill_plainly(start, instance, limit, checked=False)
        # A redundant state has only redundant ones before it: check rarely while there is room.
        batch = _first_batch(start.cluster, instance)
        while batch > 1 and (limit is None or limit > 0):
            size = batch if limit is None else min(batch, limit)
            trial = self._fill_plainly(_copied(start), instance, size, checked=False)
            added = len(trial.placed) - len(start.placed)
            if self._redundant(trial.cluster):
                start = trial
                limit = None if limit is None else limit - added
                batch = batch if added == size else 1
            else:
                batch //= 4
        return self._fill_plainly(start, instance, limit, checked=True)

    def _redundant(self, cluster: Cluster) -> bool:
        nodes = all_nodes(cluster)
        checked = nodes_to_check(cluster, nodes, self.rules.capacity_rules)
        return Capacity(cluster, nodes, checked).redundant()

    def _fill_plainly(
        self, start: Filled, instance: Instance, limit: int | None, *, checked: bool
    ) -> Filled:
        cluster = start.cluster.copy()
        placed = list(start.placed)
        while True:
            record = replace(instance, name=f"new-{len(placed)}")
            position = cluster.add_instance(record, _demand(record))
            found = self._find(cluster, position, capacity=checked)
            if found.best is None or limit == 0:
                cluster.instances.pop()
                return Filled(cluster, placed, found.failures)
            cluster.put(position, found.best.primary, found.best.secondary, 0.0)
            placed.append(position)
            limit = None if limit is None else limit - 1

    # Shrinking sizes

    def fill_tiered(self, start: Filled, instance: Instance, limit: int | None) -> Filled:
        """Place instances, smaller and smaller ones, until none of any size finds a place."""
        levels: list[tuple[Instance, Filled]] = []
        while True:
            result = self.fill(start, instance, limit)
            if limit is not None:
                if limit <= len(result.placed):
                    return result
                limit -= len(result.placed)
            levels.append((instance, result))
            smaller = shrink(instance, ranked(result.failures)[-1])
            if smaller is None:
                bigger = self._resume(levels)
                if bigger is None:
                    return result
                smaller, result = bigger
            start, instance = result, smaller

    def _resume(self, levels: list[tuple[Instance, Filled]]) -> tuple[Instance, Filled] | None:
        """Go back over levels without progress, for a size that is worth going on with."""
        reached = len(levels[-1][1].placed)
        while levels and len(levels[-1][1].placed) == reached:
            instance, result = levels.pop()
            for kind in reversed(ranked(result.failures)):
                found = self._enough(result.cluster, instance, kind)
                if found is not None:
                    return found, result
        return None

    def _enough(self, cluster: Cluster, instance: Instance, kind: Failure) -> Instance | None:
        """The first size that fits if only one resource is shrunk, as long as it is the reason."""
        cluster = cluster.copy()
        for size in _sizes(instance, kind):
            position = cluster.add_instance(size, _demand(size))
            fits, reasons = self._fits(cluster, position)
            cluster.instances.pop()
            if fits:
                return size
            if kind not in reasons:
                return None
        return None

    def _fits(self, cluster: Cluster, position: int) -> tuple[bool, set[int]]:
        """Whether an instance has a place, and the failures that occurred."""
        required = self._required(cluster.instances[position])
        places = try_places(
            cluster, position, required, self.targets, all_nodes(cluster), self.rules
        )
        reasons = set(np.unique(places.failure).tolist())
        if 0 not in reasons or not self.rules.capacity:
            return 0 in reasons, reasons
        nodes = all_nodes(cluster)
        good = AfterPlacing(cluster, position, nodes, self.rules.capacity_rules)
        flat = np.flatnonzero(places.failure.reshape(-1) == 0).tolist()
        return any(good(*places.nodes(place)) for place in flat), reasons


def _demand(instance: Instance) -> Demand:
    return demand_of([instance], BuildOptions())


def _copied(filled: Filled) -> Filled:
    return Filled(filled.cluster.copy(), list(filled.placed), filled.failures)


def _first_batch(cluster: Cluster, instance: Instance) -> int:
    room = np.maximum(0.0, cluster.state.free_mem - cluster.state.reserved).sum()
    guess = int(room // max(1, instance.memory)) - cluster.node_count
    return max(_FIRST_BATCH, guess)
