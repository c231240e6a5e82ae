"""Why an allocator's request is answered as it is: every place with its score or its fault."""

from __future__ import annotations

import numpy as np

from .engine import EngineOptions, prepare, put, rules_for, secondary_places
from .errors import RequestFailed
from .explained_moves import explain_moves
from .explained_places import Explanation, explain_groups, places_told
from .formats.ialloc import (
    Allocate,
    AllocateSecondary,
    NewInstance,
    Request,
    parse_document,
)
from .model.cluster import Cluster, all_nodes
from .model.remarks import remarks
from .model.score import Scorer
from .search.allocate import AllocationRules, allocate


def explain(document: object, options: EngineOptions | None = None) -> Explanation:
    """Explain the answer to a parsed request document.

    Gives `type`, `score`, `remarks` on odd nodes, and `instances`. Each of these has a `name`, and
    for a new instance `groups` with the places that were tried: `nodes` and either `failure` or
    `score`; the best place also tells the weighted `components` that make its score; `verdict` is
    the group's part of the answer, `redundancy` tells what the global N+1 check objects to. For an
    instance that has to move see `explain_moves`.

    :raises LoadError: the document is malformed or names something unknown.
    """
    with np.errstate(all="ignore"):
        description, request = parse_document(document)
        options = options or EngineOptions()
        cluster = prepare(description, request, options)
        return {
            "type": type(request).__name__,
            "score": Scorer(cluster, all_nodes(cluster)).base(),
            "remarks": remarks(cluster.description),
            "instances": _instances(cluster, request, options),
        }


def _instances(cluster: Cluster, request: Request, options: EngineOptions) -> list[Explanation]:
    if isinstance(request, Allocate):
        rules = rules_for(cluster, request, options)
        first = len(cluster.description.instances)
        told = []
        for offset, item in enumerate(request.items):
            told.append(_allocation(cluster, first + offset, item, request.group_name, rules))
            if request.several:
                _place(cluster, first + offset, item, request.group_name, rules)
        return told
    if isinstance(request, AllocateSecondary):
        return [_secondary(cluster, request, options)]
    return explain_moves(cluster, request, options)


def _place(
    cluster: Cluster, position: int, item: NewInstance, group: str | None, rules: AllocationRules
) -> None:
    """Put an instance where it goes, so that the next ones are told of what is left."""
    try:
        found = allocate(cluster, position, item.required_nodes, group, rules)
    except RequestFailed:
        return
    if found.place is not None:
        put(cluster, position, found)


def _secondary(
    cluster: Cluster, request: AllocateSecondary, options: EngineOptions
) -> Explanation:
    instance = request.instance
    name, primary = cluster.instances[instance].name, int(cluster.primary[instance])
    here = [cluster.description.nodes[primary].name]
    try:
        tried = secondary_places(cluster.copy(), request, options)
    except RequestFailed as exc:
        return {"name": name, "from": here, "outcome": "failed", "reason": str(exc)}
    moves = [{"move": "mirror on", **place} for place in places_told(cluster, tried)]
    return {"name": name, "moves": moves}


def _allocation(
    cluster: Cluster, position: int, item: NewInstance, wanted: str | None, rules: AllocationRules
) -> Explanation:
    groups = [
        index
        for index, group in enumerate(cluster.description.groups)
        if wanted is None or wanted in (group.name, group.uuid)
    ]
    told = explain_groups(
        cluster, position, item.required_nodes, groups, rules, alone=wanted is not None
    )
    return {"name": item.instance.name, "groups": told}
