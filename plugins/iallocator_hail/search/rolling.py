"""Maintenance in groups: which nodes can be down at the same time.

Nodes are in conflict if an instance is on both, or if instances that have their secondaries on
one third node are on them. Groups are then cut further until all instances that would be down
find a place elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PlacementError
from ..model.arrays import SITE_FIELDS, VIEW_FIELDS
from ..model.changes import (
    NO_MARKS,
    Secondary,
    add_primary,
    add_secondary,
    any_failure,
    remove_secondary,
)
from ..model.cluster import Cluster
from .coloring import Graph
from .moves import Kind
from .single import move_checked


@dataclass(slots=True)
class Part:
    """Nodes that can be down together, and the state with their instances elsewhere."""

    nodes: list[int]
    cluster: Cluster


def conflict_graph(cluster: Cluster, nodes: Sequence[int], *, offline: bool) -> Graph:
    """The conflicts of nodes; `offline` maintenance has no instances running meanwhile.

    Vertices are all positions from the first to the last node, as in Ganeti.
    """
    considered = set(nodes)
    graph: Graph = {vertex: [] for vertex in range(min(nodes), max(nodes) + 1)}

    def join(first: int, second: int) -> None:
        if first in considered and second in considered:
            graph[first].append(second)

    for index, instance in enumerate(cluster.instances):
        first, second = int(cluster.primary[index]), int(cluster.secondary[index])
        if instance.kind == "drbd" and second >= 0:
            join(first, second)
            join(second, first)
    if not offline:
        for first, second in _sharing(cluster):
            if first in graph and second not in graph[first]:
                join(first, second)
    return graph


def _sharing(cluster: Cluster) -> list[tuple[int, int]]:
    """Pairs of nodes that would fail over to one node, in both orders, each once."""
    pairs: dict[tuple[int, int], None] = {}
    for members in cluster.secondaries:
        primaries = [int(cluster.primary[i]) for i in members]
        for first in primaries:
            for second in primaries:
                pairs[first, second] = None
    return list(pairs)


Clear = Callable[[Cluster, int, list[int]], Cluster | None]
"""Moves what has to leave a node to some of the targets; None if something finds no place."""


def cut(cluster: Cluster, nodes: Sequence[int], targets: Sequence[int], clear: Clear) -> list[Part]:
    """Cut nodes into parts that can be cleared at the same time; empty if some cannot at all."""
    parts: list[Part] = []
    left = list(nodes)
    while left:
        part = _clear_some(cluster, left, targets, clear)
        if not part.nodes:
            return []
        parts.append(part)
        left = [node for node in left if node not in part.nodes]
    return parts


def _clear_some(
    cluster: Cluster, nodes: Sequence[int], targets: Sequence[int], clear: Clear
) -> Part:
    part = Part([], cluster)
    usable = list(targets)
    for node in nodes:
        others = [target for target in usable if target != node]
        after = clear(part.cluster, node, others)
        if after is not None:
            part.nodes.append(node)
            part.cluster = after
            usable = others
    return part


def without_redundancy(cluster: Cluster, node: int) -> list[int]:
    """Primaries of a node that exist only there."""
    return [i for i in cluster.primaries[node] if cluster.instances[i].kind != "drbd"]


def clear_primaries(cluster: Cluster, node: int, targets: list[int]) -> Cluster | None:
    """Move the instances without redundancy to the first possible nodes."""
    here = without_redundancy(cluster, node)
    if not here:
        return cluster
    after = cluster.copy()
    for instance in here:
        place = _first_primary(after, instance, node, targets)
        if place is None:
            return None
        score = float(after.location_score[instance])
        after.take_off(instance)
        after.put(instance, place, -1, score)
    return after


def _first_primary(
    cluster: Cluster, instance: int, node: int, targets: Sequence[int]
) -> int | None:
    group = cluster.figures.group
    near = np.array([t for t in targets if group[t] == group[node]], dtype=np.int64)
    if not len(near):
        return None
    demand = cluster.demand_of(instance)
    site, view = cluster.site_of(near), cluster.view(near)
    _, checks = add_primary(site, view, demand, True, NO_MARKS)
    fits = np.flatnonzero(~np.broadcast_to(any_failure(checks), near.shape))
    return int(near[fits[0]]) if len(fits) else None


def fail_over_all(cluster: Cluster, nodes: Sequence[int]) -> Cluster:
    """Fail over all mirrored primaries of nodes, not the ones that come there by that.

    :raises PlacementError: one of them cannot.
    """
    after = cluster.copy()
    # Neither tags about migration nor which nodes are offline matter to Ganeti here.
    after.labels = replace(cluster.labels, migration=None)
    after.site = replace(cluster.site, offline=np.zeros_like(cluster.site.offline))
    for node in nodes:
        for instance in cluster.primaries[node]:
            if after.instances[instance].kind != "drbd":
                continue
            if move_checked(after, instance, Kind.FAILOVER, -1, soft=True) is not None:
                raise PlacementError("Failed to migrate instances off nodes")
    after.site = cluster.site
    return after


def clear_secondaries(cluster: Cluster, node: int, targets: list[int]) -> Cluster | None:
    """Find new secondaries for all that are on a node, the first possible ones."""
    if not cluster.secondaries[node]:
        return cluster
    after = cluster.copy()
    for instance in cluster.secondaries[node]:
        if not _new_secondary(after, instance, targets):
            return None
    return after


def _new_secondary(cluster: Cluster, instance: int, targets: Sequence[int]) -> bool:
    primary, old = int(cluster.primary[instance]), int(cluster.secondary[instance])
    group = cluster.figures.group
    demand = cluster.demand_of(instance)
    for target in targets:
        if target == primary or group[target] != group[old]:
            continue
        how = Secondary(cluster.peers[target, primary], forced=True)
        site, view = cluster.site_of(target), cluster.view(target)
        new, checks = add_secondary(site, view, demand, how)
        if any_failure(checks):
            continue
        cluster.store(target, new)
        cluster.secondaries[target] = (instance, *cluster.secondaries[target])
        own_peers(cluster)
        cluster.peers[target, primary] += float(demand.counted)
        cluster.secondary[instance] = target
        held = list(cluster.standing_for or range(cluster.node_count))
        held[old] = held[primary]
        cluster.standing_for = tuple(held)
        _confuse(cluster, instance, primary, old)
        return True
    return False


def own_peers(cluster: Cluster) -> None:
    """Make the peer table writable."""
    if not cluster.owns_peers:
        cluster.peers = cluster.peers.copy()
        cluster.owns_peers = True


def _confuse(cluster: Cluster, instance: int, primary: int, old: int) -> None:
    """Give the old secondary node the record of the primary.

    Ganeti does this by mistake (it takes the instance off the wrong record), and later
    choices depend on it.
    """
    demand = cluster.demand_of(instance)
    site = cluster.site_of(np.arange(cluster.node_count))
    for name in SITE_FIELDS:
        getattr(site, name)[old] = getattr(site, name)[primary]
    cluster.site = site
    for name in VIEW_FIELDS:
        getattr(cluster.state, name)[old] = getattr(cluster.state, name)[primary]
    cluster.peers[old] = cluster.peers[primary]
    cluster.peers[old, primary] = max(0.0, cluster.peers[old, primary] - float(demand.counted))
    view = remove_secondary(
        cluster.site_of(old), cluster.view(old), demand, cluster.reserved(old)
    )
    cluster.store(old, view)
    cluster.primaries[old] = cluster.primaries[primary]
    cluster.secondaries[old] = tuple(
        other for other in cluster.secondaries[primary] if other != instance
    )
