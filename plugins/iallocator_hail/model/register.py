"""Accounting for the instances that are on nodes when the model is built."""

from __future__ import annotations

import numpy as np

from .arrays import Floats, Ints
from .cluster import Cluster


def sum_at(where: Ints, values: Floats, size: int) -> Floats:
    """Sums of values by node; `where` may hold -1 for nowhere."""
    total = np.zeros(size)
    there = where >= 0
    np.add.at(total, where[there], values[there])
    return total


def register(cluster: Cluster) -> None:
    """Account for the placed instances; the reported free figures know of the real ones."""
    state, demand, size = cluster.state, cluster.demand, cluster.node_count
    primary, secondary = cluster.primary, cluster.secondary
    state.free_mem -= sum_at(primary, demand.running, size)
    state.cpus += sum_at(primary, demand.cpus, size)
    state.cpus_forth += sum_at(primary, demand.cpus_forth, size)
    state.primaries += sum_at(primary, demand.one, size)
    state.secondaries += sum_at(secondary, demand.one, size)
    # What is not in the reported figure: memory of stopped and of forthcoming instances.
    state.mem_forth -= sum_at(primary, demand.memory - demand.running, size)
    hidden = demand.disk_forth - demand.disk
    both = np.stack([primary, secondary], axis=1).reshape(-1)
    twice = np.repeat(np.arange(len(primary)), 2)
    state.disk_forth -= sum_at(both, hidden[twice], size)
    ordinary = ~cluster.site.exclusive
    state.spindles += sum_at(both, demand.spindle_use[twice], size) * ordinary
    state.spindles_forth += sum_at(both, demand.spindle_use_forth[twice], size) * ordinary
    if cluster.site.any_exclusive and cluster.site.any_forthcoming:
        _register_spindles(cluster, both, twice)
    _register_loads(cluster, both, twice)
    _register_tags(cluster)
    rows = (secondary >= 0) & (primary >= 0)
    np.add.at(cluster.peers, (secondary[rows], primary[rows]), demand.counted[rows])
    if size:
        state.reserved[:] = cluster.peers.max(axis=1)
    state.failing[:] = cluster.figures.reported_mem < state.reserved


def _register_spindles(cluster: Cluster, both: Ints, twice: Ints) -> None:
    """Take the spindles of forthcoming instances; an unknown number leaves less than none."""
    demand, free = cluster.demand, cluster.state.free_spindles_forth
    coming = (both >= 0) & ~demand.real[twice]
    for node, instance in zip(both[coming].tolist(), twice[coming].tolist(), strict=True):
        if cluster.site.exclusive[node]:
            wanted = demand.spindles[instance]
            free[node] = -1.0 if wanted < 0 else free[node] - wanted


def _register_loads(cluster: Cluster, both: Ints, twice: Ints) -> None:
    state, demand, size = cluster.state, cluster.demand, cluster.node_count
    state.load_cpu += sum_at(cluster.primary, demand.load_cpu, size)
    state.load_mem += sum_at(cluster.primary, demand.load_mem, size)
    state.load_net += sum_at(cluster.primary, demand.load_net, size)
    # One pass over primaries and secondaries in instance order: sums of floats depend on it.
    state.load_disk += sum_at(both, demand.load_disk[twice], size)


def _register_tags(cluster: Cluster) -> None:
    state, labels, primary = cluster.state, cluster.labels, cluster.primary
    placed = primary >= 0
    real = placed & cluster.demand.real
    if labels.exclusion_names:
        np.add.at(cluster.tags, primary[placed], labels.exclusion[placed])
        np.add.at(cluster.real_tags, primary[real], labels.exclusion[real])
        state.clashes += np.maximum(0.0, cluster.tags - 1.0).sum(axis=1)
    if cluster.has_locations and cluster.node_count:
        found = (labels.location[primary] * labels.desired).sum(axis=1)
        missing = labels.desired_count - found
        score = np.where(real, cluster.location_score + missing, 0.0)
        state.location += sum_at(primary, score, cluster.node_count)
