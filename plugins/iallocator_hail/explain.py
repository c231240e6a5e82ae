"""Why an allocator's request is answered as it is: every place with its score or its fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .engine import EngineOptions, prepare, rules_for
from .errors import RequestFailed
from .formats.ialloc import (
    Allocate,
    ChangeGroup,
    Evacuate,
    NewInstance,
    Request,
    parse_document,
)
from .model.changes import Failure
from .model.cluster import Cluster
from .model.score import COMPONENTS, Scorer
from .records import FREELY_MOVABLE
from .search.allocate import AllocationRules, all_nodes, nodes_of, search
from .search.moves import Kind
from .search.outcome import Found, show_score
from .search.placement import Candidates
from .search.single import try_targets

Explanation = dict[str, Any]


def explain(document: object, options: EngineOptions | None = None) -> Explanation:
    """Explain the answer to a parsed request document.

    Gives `type` and `instances`; each of these has a `name` and `groups` (or `moves`) with the
    places that were tried: `nodes` and either `failure` or `score`; the best places also tell
    the weighted `components` that make their score.

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
    if isinstance(request, Evacuate | ChangeGroup):
        return [_moves(cluster, instance, options) for instance in request.instances]
    return [_moves(cluster, request.instance, options)]


def _allocation(
    cluster: Cluster, position: int, item: NewInstance, wanted: str | None, rules: AllocationRules
) -> Explanation:
    groups = []
    for index, group in enumerate(cluster.description.groups):
        nodes = nodes_of(cluster, index)
        if not len(nodes) or (wanted is not None and wanted not in (group.name, group.uuid)):
            continue
        scope = all_nodes(cluster) if wanted is None else nodes
        entry: Explanation = {"group": group.name, "alloc_policy": group.alloc_policy}
        missing = sorted(set(item.instance.networks) - set(group.networks))
        try:
            found = search(cluster, position, item.required_nodes, nodes, scope, rules)
        except RequestFailed as exc:
            groups.append({**entry, "error": str(exc), "places": []})
            continue
        entry["missing_networks"] = missing
        entry["chosen"] = _chosen(cluster, position, found)
        groups.append({**entry, "places": _places(cluster, found.candidates)})
    return {"name": item.instance.name, "groups": groups}


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


def _places(cluster: Cluster, candidates: Candidates | None) -> list[Explanation]:
    if candidates is None:
        return []
    names = [node.name for node in cluster.description.nodes]
    places = []
    codes = candidates.failure.reshape(-1)
    scores = candidates.score.reshape(-1)
    for place in np.flatnonzero(codes >= 0).tolist():
        nodes = [names[node] for node in candidates.nodes(place) if node >= 0]
        places.append({"nodes": nodes, **_verdict(int(codes[place]), float(scores[place]))})
    return places


def _verdict(code: int, score: float) -> Explanation:
    return {"failure": Failure(code).label} if code else {"score": score}


def _moves(cluster: Cluster, instance: int, options: EngineOptions) -> Explanation:
    """What moving one instance to each node of its group would lead to."""
    record = cluster.instances[instance]
    here = int(cluster.primary[instance]), int(cluster.secondary[instance])
    nodes = nodes_of(cluster, int(cluster.figures.group[here[0]]))
    others = nodes[~np.isin(nodes, here) & ~cluster.site.offline[nodes]]
    kinds: Sequence[Kind] = ()
    if record.template == "drbd":
        kinds = (Kind.REPLACE_SECONDARY, Kind.REPLACE_PRIMARY)
    elif record.template in FREELY_MOVABLE:
        kinds = (Kind.FAILOVER_TO,)
    moves = []
    for kind in kinds:
        tried = try_targets(cluster, instance, kind, others, nodes, soft=options.rules.soft)
        for node, code, score in zip(others, tried.failure, tried.score, strict=True):
            name = cluster.description.nodes[int(node)].name
            verdict = _verdict(int(code), float(score))
            moves.append({"move": kind.name.lower(), "nodes": [name], **verdict})
    return {"name": record.name, "moves": moves}


def as_text(explanation: Explanation) -> str:
    """An explanation for people."""
    lines = [f"{explanation['type']}: score now {explanation['score']:.8f}"]
    for instance in explanation["instances"]:
        lines.append(f"Instance {instance['name']}")
        for group in instance.get("groups", []):
            lines += _group_lines(group)
        lines += [_place_line(move, move["move"]) for move in instance.get("moves", [])]
    return "\n".join(lines)


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
