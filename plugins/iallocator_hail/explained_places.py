"""Places for a new instance, group by group, as an explanation tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import RequestFailed
from .explained_redundancy import redundancy_told
from .model.arrays import Ints
from .model.changes import Failure
from .model.cluster import Cluster, all_nodes, nodes_of
from .model.score import COMPONENTS, Scorer
from .search.allocate import AllocationRules, search
from .search.outcome import Found, describe, show_score
from .search.placement import Candidates

Explanation = dict[str, Any]


def explain_groups(
    cluster: Cluster,
    position: int,
    required: int,
    groups: Sequence[int],
    rules: AllocationRules,
    *,
    alone: bool = False,
) -> list[Explanation]:
    """What became of each group and its places; `alone` judges each as if there were no other."""
    found = []
    for index in groups:
        nodes = nodes_of(cluster, index)
        if len(nodes):
            scope = nodes if alone else all_nodes(cluster)
            found.append(_group(cluster, position, required, (index, nodes, scope), rules))
    return found


def _group(
    cluster: Cluster,
    position: int,
    required: int,
    where: tuple[int, Ints, Ints],
    rules: AllocationRules,
) -> Explanation:
    index, nodes, scope = where
    group = cluster.description.groups[index]
    entry: Explanation = {"group": group.name, "alloc_policy": group.alloc_policy}
    try:
        found = search(cluster, position, required, nodes, scope, rules)
    except RequestFailed as exc:
        return {**entry, "error": str(exc), "places": []}
    wanted = cluster.instances[position].networks
    names = [node.name for node in cluster.description.nodes]
    return {
        **entry,
        "missing_networks": sorted(set(wanted) - set(group.networks)),
        "chosen": _chosen(cluster, position, found),
        "verdict": describe(found, names),
        "redundancy": redundancy_told(cluster, position, found, scope, rules),
        "places": places_told(cluster, found.candidates, found.dropped),
    }


def _chosen(cluster: Cluster, position: int, found: Found) -> Explanation | None:
    """The best place, with what makes its score."""
    if found.best is None:
        return None
    after = cluster.copy()
    place = found.best
    location = 0.0
    if place.secondary >= 0:
        location = float(cluster.shared_locations(place.primary, place.secondary))
    after.put(position, place.primary, place.secondary, location)
    values = Scorer(after, all_nodes(after)).components()[:, 0]
    return {
        "nodes": [cluster.description.nodes[node].name for node in place.nodes],
        "score": show_score(place.score),
        "components": {
            name: weight * float(value)
            for (name, weight), value in zip(COMPONENTS, values, strict=True)
        },
    }


def places_told(
    cluster: Cluster, candidates: Candidates | None, dropped: Sequence[int] = ()
) -> list[Explanation]:
    """Every place that was tried; the dropped ones fail for the redundancy that they cost."""
    if candidates is None:
        return []
    names = [node.name for node in cluster.description.nodes]
    places = []
    codes = candidates.failure.reshape(-1)
    scores = candidates.score.reshape(-1)
    codes = codes.copy()
    codes[list(dropped)] = int(Failure.N1)
    for place in np.flatnonzero(codes >= 0).tolist():
        nodes = [names[node] for node in candidates.nodes(place) if node >= 0]
        places.append({"nodes": nodes, **verdict(int(codes[place]), float(scores[place]))})
    return places


def verdict(code: int, score: float) -> Explanation:
    """A failure by its name, or a score where there is none."""
    return {"failure": Failure(code).label} if code else {"score": score}
