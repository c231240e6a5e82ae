"""What moving existing instances comes to, one after the other, as an explanation tells of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .engine import EngineOptions
from .errors import RequestFailed
from .explained_places import Explanation, explain_groups, verdict
from .formats.ialloc import ChangeGroup, Evacuate, Relocate
from .model.arrays import Ints
from .model.cluster import Cluster, nodes_of
from .records import FREELY_MOVABLE
from .search.evacuate import (
    Evacuated,
    Step,
    allowed_groups,
    as_evacuation,
    best_group_nodes,
    evacuate_into,
    excluded_nodes,
)
from .search.moves import Kind
from .search.single import try_targets

_NO_NODES = np.zeros(0, dtype=np.int64)


def explain_moves(
    cluster: Cluster, request: Relocate | Evacuate | ChangeGroup, options: EngineOptions
) -> list[Explanation]:
    """What happens to the instances of a request, in order, each on the state that the last left.

    Each has a `name`, the nodes it comes `from`, an `outcome` (`moved` or `failed`); then the
    nodes it goes `to` and the `steps`, or the `reason`. `moves` are the single moves that were
    possible or why not; `not_considered` tells by node why it was no target; a change of group
    has `groups` with their places and `groups_not_considered`.
    """
    if isinstance(request, ChangeGroup):
        return _change_group(cluster, request, options)
    if isinstance(request, Evacuate):
        return _evacuate(cluster, request, options)
    try:
        return _evacuate(cluster, as_evacuation(cluster, request), options)
    except RequestFailed as exc:
        refused = {"outcome": "failed", "reason": str(exc)}
        return [_start(cluster, request.instance) | refused]


def _evacuate(cluster: Cluster, request: Evacuate, options: EngineOptions) -> list[Explanation]:
    gone = excluded_nodes(cluster, request)
    result = Evacuated([], [], cluster.copy())
    told = []
    for instance in request.instances:
        here = int(cluster.primary[instance])
        nodes = nodes_of(cluster, int(cluster.figures.group[here]))
        usable = nodes[~gone[nodes] & (nodes != here)]
        entry = _start(result.cluster, instance)
        entry["not_considered"] = {
            cluster.description.nodes[node].name: _why_not(cluster, node, instance)
            for node in nodes.tolist()
            if node not in usable
        }
        entry["moves"] = candidates(result.cluster, instance, options, usable)
        evacuate_into(result, instance, request.mode, usable, soft=options.rules.soft)
        told.append(entry | _outcome(result, instance))
    return told


def _why_not(cluster: Cluster, node: int, instance: int) -> str:
    if cluster.site.offline[node]:
        return "is offline"
    if node == cluster.primary[instance]:
        return "is the primary node"
    if node == cluster.secondary[instance]:
        return "is the secondary node"
    return "has to be left by instances of this request"


def _change_group(
    cluster: Cluster, request: ChangeGroup, options: EngineOptions
) -> list[Explanation]:
    allowed = allowed_groups(cluster, request)
    left_out = _groups_left_out(cluster, request, allowed)
    result = Evacuated([], [], cluster.copy())
    told = []
    for instance in request.instances:
        entry = _start(result.cluster, instance) | {"groups_not_considered": left_out}
        state = result.cluster.copy()
        required = 2 if cluster.instances[instance].kind == "drbd" else 1
        twin = state.add_twin(instance)
        entry["groups"] = explain_groups(state, twin, required, allowed, options.rules)
        try:
            usable = best_group_nodes(result.cluster, instance, allowed, options.rules)
        except RequestFailed as exc:
            result.failed.append((instance, str(exc)))
            usable = _NO_NODES
        else:
            evacuate_into(result, instance, "all", usable, soft=options.rules.soft)
        entry["moves"] = candidates(cluster, instance, options, usable)
        told.append(entry | _outcome(result, instance))
    return told


def _groups_left_out(
    cluster: Cluster, request: ChangeGroup, allowed: Sequence[int]
) -> dict[str, str]:
    held = {int(cluster.figures.group[cluster.primary[i]]) for i in request.instances}
    return {
        group.name: "instances of this request are there" if index in held else "is no target"
        for index, group in enumerate(cluster.description.groups)
        if index not in allowed
    }


def _start(cluster: Cluster, instance: int) -> Explanation:
    return {"name": cluster.instances[instance].name, "from": _nodes(cluster, instance)}


def _nodes(cluster: Cluster, instance: int) -> list[str]:
    places = int(cluster.primary[instance]), int(cluster.secondary[instance])
    return [cluster.description.nodes[node].name for node in places if node >= 0]


def _outcome(result: Evacuated, instance: int) -> Explanation:
    for index, reason in result.failed:
        if index == instance:
            return {"outcome": "failed", "reason": reason}
    steps = next(steps for index, steps in result.moved if index == instance)
    return {
        "outcome": "moved",
        "to": _nodes(result.cluster, instance),
        "steps": [_step(result.cluster, step) for step in steps],
    }


def _step(cluster: Cluster, step: Step) -> str:
    kind, target = step
    if kind is Kind.FAILOVER:
        return "migrate to the secondary"
    name = cluster.description.nodes[target].name
    verb = "replace the secondary by" if kind is Kind.REPLACE_SECONDARY else "migrate to"
    return f"{verb} {name}"


def candidates(
    cluster: Cluster, instance: int, options: EngineOptions, targets: Ints
) -> list[Explanation]:
    """What moving one instance to each target would lead to."""
    record = cluster.instances[instance]
    here = int(cluster.primary[instance]), int(cluster.secondary[instance])
    others = targets[~np.isin(targets, here) & ~cluster.site.offline[targets]]
    if not len(others):
        return []
    scope = nodes_of(cluster, int(cluster.figures.group[others[0]]))
    kinds: Sequence[Kind] = ()
    if record.kind == "drbd":
        kinds = (Kind.REPLACE_SECONDARY, Kind.REPLACE_PRIMARY)
    elif record.kind in FREELY_MOVABLE:
        kinds = (Kind.FAILOVER_TO,)
    moves = []
    for kind in kinds:
        tried = try_targets(cluster, instance, kind, others, scope, soft=options.rules.soft)
        for node, code, score in zip(others, tried.failure, tried.score, strict=True):
            name = cluster.description.nodes[int(node)].name
            moves.append(
                {"move": kind.name.lower(), "nodes": [name], **verdict(int(code), float(score))}
            )
    return moves
