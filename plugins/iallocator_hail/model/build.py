"""From a description to the array model: figures of nodes, registration of instances, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import LoadError
from ..records import BALANCEABLE, LOCAL_TEMPLATES, Description, Instance, Node
from .arrays import Demand, Floats, Ints, Site, View, whole
from .cluster import Cluster, NodeFigures
from .labels import Labels, Prefixes
from .register import register, sum_at

Load = tuple[float, float, float, float]
"""Utilisation of processor, memory, disk and network."""

_BUSY: Load = (1.0, 1.0, 1.0, 1.0)
_IDLE: Load = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the user may add to the data while it is loaded."""

    loads: Mapping[str, Load] = field(default_factory=dict)
    """Measured utilisation per instance."""
    ignore_loads: bool = False
    exclusion_tags: tuple[str, ...] = ()
    selected: tuple[str, ...] | None = None
    """The only instances that may be moved; None: all."""
    excluded: tuple[str, ...] = ()
    kvm_node_memory: int = 4096


def build(
    description: Description,
    options: BuildOptions | None = None,
    pending: Sequence[Instance] = (),
) -> Cluster:
    """Make the model; `pending` instances are known to it but not placed anywhere.

    :raises LoadError: the options name instances that do not exist.
    """
    options = options or BuildOptions()
    description = _static_memory(description, options)
    instances = [*description.instances, *pending]
    movable = _movable(description, options, len(pending))
    demand = demand_of(instances, options)
    prefixes = Prefixes.read(description.tags, options.exclusion_tags)
    labels = Labels.read(prefixes, description.nodes, instances)
    forthcoming = any(instance.forthcoming for instance in instances)
    site = _site(description, forthcoming)
    primary = np.array([item.primary for item in instances], dtype=np.int64)
    secondary = np.array([item.secondary for item in instances], dtype=np.int64)
    figures = _figures(description, demand, primary)
    cluster = Cluster(
        description=description,
        instances=instances,
        site=site,
        figures=figures,
        demand=demand,
        loads=loads_of(instances, options),
        labels=labels,
        state=_empty_state(description, figures),
        peers=np.zeros((len(description.nodes), len(description.nodes))),
        primary=primary,
        secondary=secondary,
        location_score=_location_scores(labels, primary, secondary),
        movable=movable,
        primaries=_lists(demand, primary, len(description.nodes)),
        secondaries=_lists(demand, secondary, len(description.nodes)),
        tags=np.zeros((len(description.nodes), len(labels.exclusion_names))),
        real_tags=np.zeros((len(description.nodes), len(labels.exclusion_names))),
    )
    register(cluster)
    return cluster


def _static_memory(description: Description, options: BuildOptions) -> Description:
    if description.hypervisor != "kvm" or options.kvm_node_memory <= 0:
        return description
    nodes = tuple(
        replace(node, node_memory=options.kvm_node_memory) for node in description.nodes
    )
    return replace(description, nodes=nodes)


def _movable(
    description: Description, options: BuildOptions, pending: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    names = [instance.name for instance in description.instances]
    selected = None if options.selected is None else set(expand(names, options.selected))
    excluded = set(expand(names, options.excluded))
    nodes = description.nodes

    def movable(instance: Instance) -> bool:
        if instance.kind not in BALANCEABLE or instance.name in excluded:
            return False
        if selected is not None and instance.name not in selected:
            return False
        second = instance.secondary
        return second < 0 or nodes[second].group == nodes[instance.primary].group

    found = [movable(instance) for instance in description.instances]
    return np.array(found + [False] * pending, dtype=np.bool_)


def expand(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Full names for names that may lack their last labels.

    :raises LoadError: some fit none or several.
    """
    found = {name: match_name(names, name) for name in wanted}
    if bad := [name for name in wanted if found[name] is None]:
        from ..formats.haskell import show_list

        raise LoadError(f"Unknown instance(s): {show_list(bad)}")
    return [match for match in found.values() if match is not None]


def match_name(names: Sequence[str], wanted: str) -> str | None:
    """The full name that a user means, None if there is none or no single one."""
    if wanted in names:
        return wanted
    hits = [name for name in names if name.startswith(wanted + ".")]
    return hits[0] if len(hits) == 1 else None


def demand_of(instances: Sequence[Instance], options: BuildOptions) -> Demand:
    """What instances take from nodes, as arrays over the instances."""

    def column(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    def flags(values: list[bool]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array(values, dtype=np.bool_)

    real = flags([not item.forthcoming for item in instances])
    local = flags([item.kind in LOCAL_TEMPLATES for item in instances])
    disk = np.where(local, column([item.disk for item in instances]), 0.0)
    spindle_use = np.where(local, column([item.spindle_use for item in instances]), 0.0)
    cpus = column([0.0 if _switched_off(item) else item.vcpus for item in instances])
    reserved = [float(item.memory) if _reserves(item) else 0.0 for item in instances]
    known = [item.total_spindles for item in instances]
    loads = np.where(real, loads_of(instances, options), 0.0)
    return Demand(
        memory=column([item.memory for item in instances]),
        running=column([item.memory if item.uses_memory else 0 for item in instances]),
        counted=np.where(real, column(reserved), 0.0),
        counted_forth=column(reserved),
        disk=np.where(real, disk, 0.0),
        disk_forth=disk,
        spindle_use=np.where(real, spindle_use, 0.0),
        spindle_use_forth=spindle_use,
        spindles=column([-1 if value is None else value for value in known]),
        cpus=np.where(real, cpus, 0.0),
        cpus_forth=cpus,
        load_cpu=loads[0],
        load_mem=loads[1],
        load_disk=loads[2],
        load_net=loads[3],
        one=real.astype(np.float64),
        local=local,
        drbd=flags([item.kind == "drbd" for item in instances]),
        real=real,
    )


def loads_of(instances: Sequence[Instance], options: BuildOptions) -> Floats:
    """Utilisation by instances: four rows, for processor, memory, disk and network."""

    def load(instance: Instance) -> Load:
        return _IDLE if options.ignore_loads else options.loads.get(instance.name, _BUSY)

    table = np.array([load(item) for item in instances], dtype=np.float64)
    return table.reshape(-1, 4).T.copy()


def _switched_off(instance: Instance) -> bool:
    return instance.status == "ADMIN_offline"


def _reserves(instance: Instance) -> bool:
    return instance.auto_balance and not _switched_off(instance)


def _site(description: Description, forthcoming: bool) -> Site:
    nodes = description.nodes
    policies = [description.groups[node.group].policy for node in nodes]

    def column(values: Sequence[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    spindles = column([node.spindles for node in nodes])
    most_spindles = column([policy.spindle_ratio for policy in policies]) * spindles
    memory = column([node.total_memory for node in nodes])
    speed = column([node.cpu_speed for node in nodes])
    cpus = column([node.total_cpus for node in nodes])
    exclusive = np.array([node.exclusive for node in nodes], dtype=np.bool_)
    return Site(
        total_mem=memory,
        total_disk=column([node.total_disk for node in nodes]),
        total_cpus=cpus,
        speed=_base(speed),
        total_spindles=spindles,
        max_spindles=most_spindles,
        min_disk=np.zeros(len(nodes)),
        max_ratio=column([policy.vcpu_ratio for policy in policies]),
        mem_base=_base(memory),
        cpu_base=np.where(np.isinf(_base(speed)), np.inf, _base(cpus)),
        spindle_base=_base(most_spindles),
        exclusive=exclusive,
        offline=np.array([node.offline for node in nodes], dtype=np.bool_),
        silent=np.array([node.silent for node in nodes], dtype=np.bool_),
        any_exclusive=bool(exclusive.any()),
        any_forthcoming=forthcoming,
    )


def _base(total: Floats) -> Floats:
    """What amounts are divided by: infinite in place of nothing, so that shares are zero."""
    return np.where(np.isfinite(total) & (total != 0), total, np.inf)


def _figures(description: Description, demand: Demand, primary: Ints) -> NodeFigures:
    nodes = description.nodes

    def column(values: Sequence[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    running = sum_at(primary, demand.running, len(nodes))
    node_mem = column([node.node_memory for node in nodes])
    reported = column([node.free_memory for node in nodes])
    total = whole(column([node.total_memory for node in nodes]))
    return NodeFigures(
        node_mem=node_mem,
        reported_mem=reported,
        missing_mem=total - node_mem - running - reported,
        node_cpus=column([node.node_cpus for node in nodes]),
        group=np.array([node.group for node in nodes], dtype=np.int64),
    )


def _lists(demand: Demand, where: Ints, size: int) -> list[tuple[int, ...]]:
    found: list[list[int]] = [[] for _ in range(size)]
    for instance in np.flatnonzero((where >= 0) & demand.real)[::-1].tolist():
        found[where[instance]].append(instance)
    return [tuple(row) for row in found]


def _location_scores(labels: Labels, primary: Ints, secondary: Ints) -> Floats:
    if labels.common is None:
        return np.zeros(len(primary))
    return np.where(secondary >= 0, labels.common[primary, secondary], 0.0)


def _empty_state(description: Description, figures: NodeFigures) -> View:
    nodes = description.nodes
    count = len(nodes)
    total = whole(np.array([node.total_memory for node in nodes], dtype=np.float64))
    disk = np.array([node.free_disk for node in nodes], dtype=np.float64)
    spindles = np.array([node.free_spindles for node in nodes], dtype=np.float64)
    return View(
        free_mem=total - figures.node_mem - np.maximum(0.0, figures.missing_mem),
        free_disk=disk,
        free_spindles=spindles,
        cpus=figures.node_cpus.copy(),
        spindles=np.zeros(count),
        load_cpu=np.zeros(count),
        load_mem=np.zeros(count),
        load_disk=np.zeros(count),
        load_net=np.zeros(count),
        mem_forth=figures.reported_mem.copy(),
        disk_forth=disk.copy(),
        free_spindles_forth=spindles.copy(),
        cpus_forth=figures.node_cpus.copy(),
        spindles_forth=np.zeros(count),
        reserved=np.zeros(count),
        failing=np.zeros(count, dtype=np.bool_),
        primaries=np.zeros(count),
        secondaries=np.zeros(count),
        location=np.zeros(count),
        clashes=np.zeros(count),
    )


def unaccounted(cluster: Cluster) -> list[tuple[Node, int, int]]:
    """Nodes whose figures do not add up, last first: missing memory (MiB) and disk (GiB)."""
    nodes, size = cluster.description.nodes, cluster.node_count
    sizes = np.array([item.disk for item in cluster.instances], dtype=np.float64)
    sizes = np.where(cluster.demand.real, sizes, 0.0)
    used = sum_at(cluster.primary, sizes, size) + sum_at(cluster.secondary, sizes, size)
    total = np.array([node.total_disk for node in nodes], dtype=np.float64)
    free = np.array([node.free_disk for node in nodes], dtype=np.float64)
    disk = whole(total) - free - used
    memory = cluster.figures.missing_mem
    return [
        (nodes[index], int(memory[index]), int(disk[index] // 1024))
        for index in range(size - 1, -1, -1)
        if memory[index] > 512 or disk[index] > 1024
    ]
