"""Choosing the node group to work on, and instances that lie in several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import PlacementError
from ..model.arrays import Ints
from ..model.cluster import Cluster, nodes_of
from .output import note


def split_instances(cluster: Cluster) -> list[str]:
    """Full names of instances whose nodes are in different groups."""
    group = np.append(cluster.figures.group, -1)
    return [
        cluster.instances[index].name
        for index in range(len(cluster.instances))
        if cluster.secondary[index] >= 0
        and group[cluster.secondary[index]] != group[cluster.primary[index]]
    ]


def failing(cluster: Cluster, nodes: Ints) -> Ints:
    """Online nodes that could not take over from some other node."""
    return nodes[cluster.state.failing[nodes] & ~cluster.site.offline[nodes]]


def instances_in(cluster: Cluster, group: int) -> list[int]:
    """Instances whose primary is in a group."""
    there = cluster.figures.group[cluster.primary[: len(cluster.instances)]] == group
    return np.flatnonzero(there).tolist()


def choose_group(
    cluster: Cluster, wanted: str | None, only_used: bool, tell: Callable[[str], None] = note
) -> tuple[int, Ints]:
    """The group to work on, with its nodes; `only_used` offers groups that have nodes.

    :raises PlacementError: it does not exist, or there are several and none was named.
    """
    groups = cluster.description.groups
    offered = [i for i in range(len(groups)) if not only_used or len(nodes_of(cluster, i))]
    if wanted is None:
        if len(offered) == 1:
            return offered[0], nodes_of(cluster, offered[0])
        tell("Found multiple node groups:")
    else:
        for index, group in enumerate(groups):
            if wanted in (group.name, group.uuid):
                return index, nodes_of(cluster, index)
        tell(f"Node group {wanted} not found. Node group list is:")
        offered = list(range(len(groups)))
    for index in offered:
        tell(f"  {groups[index].name}")
    raise PlacementError("Aborting.")
