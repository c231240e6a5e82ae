"""What hspace tells, to people and to programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..errors import PlacementError
from ..formats.haskell import fixed, show_float
from ..model.changes import Failure
from ..model.cluster import Cluster, all_nodes
from ..model.score import Scorer
from ..records import Spec
from ..search.space import Filled
from .hcheck import quote
from .output import say


@dataclass(frozen=True, slots=True)
class Run:
    """One allocation: the first size asked for, and what came of it."""

    spec: Spec
    filled: Filled


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all nodes; MiB for memory and disk."""

    total_mem: float
    total_disk: float
    total_cpus: float
    max_vcpus: float
    total_spindles: float
    score: float
    instances: float
    free_mem: float
    available_mem: float
    instance_mem: float
    overhead_mem: float
    free_disk: float
    available_disk: float
    free_spindles: float
    vcpus: float
    physical_cpus: float
    """Physical processors that the virtual ones stand for."""
    node_mem: float
    """Most memory available on one node."""
    node_disk: float

    @classmethod
    def of(cls, cluster: Cluster) -> Totals:
        """Add up the present state."""
        site, state, figures = cluster.site, cluster.state, cluster.figures
        missing = figures.missing_mem
        available = np.maximum(0.0, state.free_mem - state.reserved)
        disk = np.maximum(0.0, state.free_disk - site.min_disk)
        held = np.trunc(site.total_mem) - figures.node_mem - np.maximum(0.0, missing)
        shares = np.add.accumulate(state.cpus / site.max_ratio)
        return cls(
            total_mem=float(site.total_mem.sum()),
            total_disk=float(site.total_disk.sum()),
            total_cpus=float(site.total_cpus.sum()),
            max_vcpus=float(np.floor(site.max_ratio * site.total_cpus).sum()),
            total_spindles=float(site.total_spindles.sum()),
            score=Scorer(cluster, all_nodes(cluster)).base(),
            instances=float(state.primaries.sum()),
            free_mem=float(state.free_mem.sum()),
            available_mem=float(available.sum()),
            instance_mem=float((held - state.free_mem).sum()),
            overhead_mem=float((missing + figures.node_mem).sum()),
            free_disk=float(state.free_disk.sum()),
            available_disk=float(disk.sum()),
            free_spindles=float(state.free_spindles.sum()),
            vcpus=float(state.cpus.sum()),
            physical_cpus=float(shares[-1]) if len(shares) else 0.0,
            node_mem=float(available.max(initial=0.0)),
            node_disk=float(disk.max(initial=0.0)),
        )

    def shares(self) -> dict[str, float]:
        """Used parts of memory, disk, processors and spindles."""
        with np.errstate(all="ignore"):
            return {
                "MEM": float(np.float64(self.instance_mem) / self.total_mem),
                "DSK": float(np.float64(self.total_disk - self.free_disk) / self.total_disk),
                "CPU": float(np.float64(self.vcpus) / self.max_vcpus),
                "SPN": float(
                    np.float64(self.total_spindles - self.free_spindles) / self.total_spindles
                ),
            }


class Report(ABC):
    """The steps of a report, in order."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        self.cluster = cluster
        self.template = template
        self.before = Totals.of(cluster)

    @abstractmethod
    def introduce(self) -> None:
        """Tell of the cluster before anything is placed."""

    @abstractmethod
    def tiered(self, run: Run) -> None:
        """Tell of the allocation with shrinking sizes."""

    @abstractmethod
    def standard(self, run: Run) -> None:
        """Tell of the allocation of one size."""

    @abstractmethod
    def close(self) -> None:
        """End the report."""


def spec_groups(filled: Filled) -> list[tuple[tuple[int, int, int, int], int]]:
    """Sizes placed, in order, with how many of each came after one another."""
    groups: list[tuple[tuple[int, int, int, int], int]] = []
    for index in filled.placed:
        instance = filled.cluster.instances[index]
        size = (instance.memory, instance.disk, instance.vcpus, instance.total_spindles or 0)
        if groups and groups[-1][0] == size:
            groups[-1] = size, groups[-1][1] + 1
        else:
            groups.append((size, 1))
    return groups


def by_frequency(filled: Filled) -> list[tuple[Failure, int]]:
    """All kinds of failures, the most frequent first; only one where nothing was tried."""
    failures = filled.failures
    if filled.refused:
        return [(Failure.N1, 1)]
    return [(kind, failures[kind]) for kind in sorted(Failure, key=lambda k: -failures[k])]


class MachineReport(Report):
    """`HTS_KEY=value` lines."""

    def _put(self, key: str, value: object) -> None:
        text = str(value)
        say(f"HTS_{key}={quote(text) if text else ''}")

    def introduce(self) -> None:
        totals = self.before
        self._put("CLUSTER_MEM", fixed(totals.total_mem, 0))
        self._put("CLUSTER_DSK", fixed(totals.total_disk, 0))
        self._put("CLUSTER_CPU", fixed(totals.total_cpus, 0))
        self._put("CLUSTER_VCPU", fixed(totals.max_vcpus, 0))
        self._put("CLUSTER_SPN", fixed(totals.total_spindles, 0))
        self._put("CLUSTER_NODES", self.cluster.node_count)
        self._phase("INI", totals)

    def _phase(self, name: str, totals: Totals) -> None:
        shares = totals.shares()
        whole = {
            "INST_CNT": totals.instances,
            "MEM_FREE": totals.free_mem,
            "MEM_AVAIL": totals.available_mem,
            "MEM_RESVD": totals.free_mem - totals.available_mem,
            "MEM_INST": totals.instance_mem,
            "MEM_OVERHEAD": totals.overhead_mem,
            "MEM_EFF": None,
            "DSK_FREE": totals.free_disk,
            "DSK_AVAIL": totals.available_disk,
            "DSK_RESVD": totals.free_disk - totals.available_disk,
            "DSK_INST": int(totals.total_disk) - totals.free_disk,
            "DSK_EFF": None,
            "SPN_FREE": totals.free_spindles,
            "SPN_INST": totals.total_spindles - totals.free_spindles,
            "SPN_EFF": None,
            "CPU_INST": totals.vcpus,
            "CPU_EFF": None,
            "MNODE_MEM_AVAIL": totals.node_mem,
            "MNODE_DSK_AVAIL": totals.node_disk,
        }
        self._put(f"{name}_SCORE", fixed(totals.score, 8))
        for key, value in whole.items():
            text = fixed(shares[key[:3]], 8) if value is None else str(int(value))
            self._put(f"{name}_{key}", text)

    def _spec(self, name: str, run: Run) -> None:
        spec = run.spec
        self._put(f"{name}_MEM", spec.memory)
        self._put(f"{name}_DSK", spec.disk_size)
        self._put(f"{name}_CPU", spec.cpus)
        self._put(f"{name}_SPN", spec.spindles)
        self._put(f"{name}_RQN", 2 if self.cluster.description.kind(self.template) == "drbd" else 1)
        self._put(f"{name}_DISK_TEMPLATE", self.template)

    def tiered(self, run: Run) -> None:
        totals = Totals.of(run.filled.cluster)
        self._spec("TSPEC_INI", run)
        self._phase("TRL", totals)
        groups = [f"{','.join(map(str, size))}={n}" for size, n in spec_groups(run.filled)]
        self._put("TSPEC", " ".join(groups))
        before = self.before
        self._usage("KM_USED", before, None)
        self._usage("KM_POOL", totals, before)
        self._unavailable(totals)

    def _usage(self, name: str, now: Totals, base: Totals | None) -> None:
        """What is used, or used more than before."""

        def amounts(totals: Totals) -> tuple[float, ...]:
            return (
                totals.vcpus,
                totals.physical_cpus,
                totals.instance_mem,
                int(totals.total_disk) - totals.free_disk,
                totals.total_spindles - totals.free_spindles,
            )

        values = amounts(now)
        if base is not None:
            values = tuple(a - b for a, b in zip(values, amounts(base), strict=True))
        self._amounts(name, values)

    def _amounts(self, name: str, values: tuple[float, ...]) -> None:
        cpus, physical, memory, disk, spindles = values
        self._put(f"{name}_CPU", int(cpus))
        self._put(f"{name}_NPU", show_float(physical))
        self._put(f"{name}_MEM", int(memory))
        self._put(f"{name}_DSK", int(disk))
        self._put(f"{name}_SPN", int(spindles))

    def _unavailable(self, totals: Totals) -> None:
        self._amounts(
            "KM_UNAV",
            (
                totals.max_vcpus - totals.vcpus,
                totals.total_cpus - totals.physical_cpus,
                int(totals.total_mem) - totals.instance_mem,
                totals.free_disk,
                totals.free_spindles,
            ),
        )

    def standard(self, run: Run) -> None:
        totals = Totals.of(run.filled.cluster)
        self._spec("SPEC", run)
        self._check(run, totals)
        self._phase("FIN", totals)
        usage = float(np.float64(self.before.instances) / totals.instances)
        reasons = by_frequency(run.filled)
        self._put("ALLOC_USAGE", fixed(usage, 8))
        self._put("ALLOC_INSTANCES", len(run.filled.placed))
        self._put("ALLOC_FAIL_REASON", reasons[0][0].label.upper())
        for kind, count in reasons:
            self._put(f"ALLOC_{kind.label.upper()}_CNT", count)

    def _check(self, run: Run, totals: Totals) -> None:
        """Stop where there are instances that no node counts, as forthcoming ones.

        :raises PlacementError: so it is.
        """
        allocated, counted = len(run.filled.cluster.instances), int(totals.instances)
        if allocated != counted:
            raise PlacementError(
                f"internal inconsistency, allocated ({allocated}) != counted ({counted})"
            )

    def close(self) -> None:
        self._put("OK", 1)


class HumanReport(Report):
    """Sentences."""

    @property
    def _exclusive(self) -> bool:
        return self.cluster.site.any_exclusive

    def introduce(self) -> None:
        totals = self.before
        spindles = f", SPN {fixed(totals.total_spindles, 0)}" if self._exclusive else ""
        say(f"The cluster has {self.cluster.node_count} nodes and the following resources:")
        say(
            f"  MEM {fixed(totals.total_mem, 0)}, DSK {fixed(totals.total_disk, 0)}, "
            f"CPU {fixed(totals.total_cpus, 0)}, VCPU {fixed(totals.max_vcpus, 0)}{spindles}."
        )
        count = int(totals.instances)
        say(f"There are {count or 'no'} initial instances on the cluster.")

    def _size(self, size: tuple[int, int, int, int]) -> str:
        spindles = f", SPN {size[3]}" if self._exclusive else ""
        return f"MEM {size[0]}, DSK {size[1]}, CPU {size[2]}{spindles}"

    def _asked(self, title: str, spec: Spec) -> None:
        size = (spec.memory, spec.disk_size, spec.cpus, spec.spindles)
        say(f"{title} instance spec is:")
        say(f"  {self._size(size)}, using disk template '{self.template}'.")

    def tiered(self, run: Run) -> None:
        self._asked("Tiered (initial size)", run.spec)
        say("Tiered allocation results:")
        groups = spec_groups(run.filled)
        for size, count in groups:
            say(f"  - {count:3d} instances of spec {self._size(size)}")
        if not groups:
            say("  - no instances allocated")
        self._result(run)

    def standard(self, run: Run) -> None:
        self._asked("Standard (fixed-size)", run.spec)
        say("Normal (fixed-size) allocation results:")
        say(f"  - {len(run.filled.placed):3d} instances allocated")
        self._result(run)

    def _result(self, run: Run) -> None:
        totals = Totals.of(run.filled.cluster)
        reason = by_frequency(run.filled)[0][0].label
        say(f"  - most likely failure reason: {reason}")
        say(f"  - initial cluster score: {fixed(self.before.score, 8)}")
        say(f"  -   final cluster score: {fixed(totals.score, 8)}")
        labels = {"MEM": "memory", "DSK": "disk", "CPU": "vcpu"}
        if self._exclusive:
            labels["SPN"] = "spindles"
        width = max(map(len, labels.values()))
        for key, label in labels.items():
            share = fixed(totals.shares()[key] * 100, 2)
            say(f"  - {label:>{width}} usage efficiency: {share:>5}%")

    def close(self) -> None:
        pass
