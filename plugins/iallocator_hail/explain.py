"""Why an allocator's request is answered as it is: every place with its score or its fault."""

from __future__ import annotations

import numpy as np

from .engine import EngineOptions, prepare, rules_for, secondary_places
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
from .model.score import Scorer
from .search.allocate import AllocationRules


def explain(document: object, options: EngineOptions | None = None) -> Explanation:
    """Explain the answer to a parsed request document.

    Gives `type`, `score` and `instances`. Each of these has a `name`, and for a new instance
    `groups` with the places that were tried: `nodes` and either `failure` or `score`; the best
    place also tells the weighted `components` that make its score. For an instance that has to
    move see `explain_moves`.

    :raises LoadError: the document is malformed or names something unknown.
    """
    with np.errstate(all="ignore"):
        description, request = parse_document(document)
        options = options or EngineOptions()
        cluster = prepare(description, request, options)
        return {
            "type": type(request).__name__,
            "score": Scorer(cluster, all_nodes(cluster)).base(),
            "instances": _instances(cluster, request, options),
        }


def _instances(cluster: Cluster, request: Request, options: EngineOptions) -> list[Explanation]:
    if isinstance(request, Allocate):
        rules = rules_for(cluster, request, options)
        first = len(cluster.description.instances)
        return [
            _allocation(cluster, first + offset, item, request.group_name, rules)
            for offset, item in enumerate(request.items)
        ]
    if isinstance(request, AllocateSecondary):
        return [_secondary(cluster, request.instance, options)]
    return explain_moves(cluster, request, options)


def _secondary(cluster: Cluster, instance: int, options: EngineOptions) -> Explanation:
    name, primary = cluster.instances[instance].name, int(cluster.primary[instance])
    here = [cluster.description.nodes[primary].name]
    try:
        tried = secondary_places(cluster.copy(), instance, options)
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


def as_text(explanation: Explanation) -> str:
    """An explanation for people."""
    lines = [f"{explanation['type']}: score now {explanation['score']:.8f}"]
    for instance in explanation["instances"]:
        lines.append(f"Instance {instance['name']}{_fate(instance)}")
        lines += [f"  step: {step}" for step in instance.get("steps", [])]
        for group in instance.get("groups", []):
            lines += _group_lines(group)
        for what in ("not_considered", "groups_not_considered"):
            lines += [f"  {name}: {why}" for name, why in instance.get(what, {}).items()]
        lines += [_place_line(move, move["move"]) for move in instance.get("moves", [])]
    return "\n".join(lines)


def _fate(instance: Explanation) -> str:
    """What became of an instance that had to move."""
    if "outcome" not in instance:
        return ""
    if instance["outcome"] == "failed":
        return f" stays on {'/'.join(instance['from'])}: {instance['reason']}"
    return f" moves from {'/'.join(instance['from'])} to {'/'.join(instance['to'])}"


def _group_lines(group: Explanation) -> list[str]:
    lines = [f" Group {group['group']} ({group['alloc_policy']})"]
    if "error" in group:
        return [*lines, f"  error: {group['error']}"]
    if group["missing_networks"]:
        lines.append(f"  lacks networks: {', '.join(group['missing_networks'])}")
    lines += [_place_line(place, "") for place in group["places"]]
    chosen = group["chosen"]
    if chosen is not None:
        lines.append(f"  best: {'/'.join(chosen['nodes'])} with {chosen['score']}, made of")
        made = sorted(chosen["components"].items(), key=lambda item: -item[1])
        lines += [f"    {name:<24} {value:.8f}" for name, value in made if value]
    return lines


def _place_line(place: Explanation, how: str) -> str:
    verdict = place.get("failure") or f"{place['score']:.8f}"
    return f"  {how + ' ' if how else ''}{'/'.join(place['nodes'])}: {verdict}"
