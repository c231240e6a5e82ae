"""How few nodes would do: which to switch off, or which standby nodes to switch on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.arrays import Ints
from ..model.build import BuildOptions, demand_of
from ..model.changes import NO_MARKS, add_primary, any_failure
from ..model.cluster import Cluster, all_nodes
from ..records import LOCAL_TEMPLATES, Instance, Spec
from .balance import Balancer, Move, Rules

STANDBY_TAG = "htools:standby:"


@dataclass(slots=True)
class Plan:
    """Nodes to switch, and the moves that go with it."""

    online: bool
    nodes: list[int]
    moves: list[Move]
    cluster: Cluster
    """The state afterwards."""
    enough: bool = True
    """Whether the cluster then has the room that was asked for."""


def test_instance(spec: Spec, factor: float) -> Instance:
    """An instance of so many times a size, without disks."""
    return Instance(
        name="",
        memory=int(np.floor(factor * spec.memory)),
        disk=0,
        vcpus=int(np.floor(factor * spec.cpus)),
        template="ext",
        spindle_use=int(np.floor(factor * spec.spindles)),
    )


def every_node_takes(cluster: Cluster, instance: Instance) -> bool:
    """Whether the instance would fit on each node that answers, offline ones included."""
    demand = demand_of([instance], BuildOptions())
    nodes = np.flatnonzero(~cluster.site.silent)
    site, view = cluster.site_of(nodes), cluster.view(nodes)
    _, checks = add_primary(site, view, demand, False, NO_MARKS)
    return not bool(any_failure(checks).any())


def offline_candidates(cluster: Cluster) -> list[int]:
    """Nodes that could be emptied by moving their instances, the fullest first."""

    def movable(node: int) -> bool:
        record = cluster.description.nodes[node]
        if cluster.site.offline[node] or record.master or cluster.secondaries[node]:
            return False
        here = cluster.primaries[node]
        return all(cluster.instances[i].kind not in LOCAL_TEMPLATES for i in here)

    found = [node for node in range(cluster.node_count) if movable(node)]
    return sorted(found, key=lambda node: -len(cluster.primaries[node]))


def online_candidates(cluster: Cluster) -> list[int]:
    """Nodes on standby."""
    return [
        index
        for index, node in enumerate(cluster.description.nodes)
        if cluster.site.offline[index]
        and not cluster.site.silent[index]
        and any(tag.startswith(STANDBY_TAG) for tag in node.tags)
    ]


def _switched(
    cluster: Cluster, nodes: Sequence[int], *, offline: bool
) -> tuple[Cluster, list[Move]]:
    """A copy with nodes switched, and balanced."""
    after = cluster.copy()
    site = after.site_of(slice(None))
    site.offline = site.offline.copy()
    site.offline[list(nodes)] = offline
    after.site = site
    rules = Rules(min_gain=0.0, min_gain_limit=0.0)
    moves = list(Balancer(after, all_nodes(after), rules).run())
    return after, moves


def _all_online(cluster: Cluster) -> bool:
    used: Ints = cluster.primary[: len(cluster.instances)]
    return not bool((cluster.site.offline & ~cluster.site.silent)[used].any())


def plan(cluster: Cluster, minimal: Instance, target: Instance) -> Plan:
    """What to switch: on if the minimal instance does not fit everywhere, else off."""
    if not every_node_takes(cluster, minimal):
        return _expand(cluster, minimal)
    chosen: list[int] = []
    best = Plan(False, [], [], cluster)
    for node in reversed(offline_candidates(cluster)):
        wanted = [node, *chosen]
        after, moves = _switched(cluster, wanted, offline=True)
        if _all_online(after) and every_node_takes(after, target):
            chosen = wanted
            best = Plan(False, wanted, moves, after)
    return best


def _expand(cluster: Cluster, minimal: Instance) -> Plan:
    candidates = online_candidates(cluster)
    last = Plan(True, [], [], cluster, enough=False)
    for count in range(len(candidates) + 1):
        nodes = candidates[:count]
        after, moves = _switched(cluster, nodes, offline=False)
        last = Plan(True, nodes, moves, after, enough=False)
        if _all_online(after) and every_node_takes(after, minimal):
            last.enough = True
            break
    return last
