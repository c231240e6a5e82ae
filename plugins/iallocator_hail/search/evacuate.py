"""Moving existing instances off nodes: evacuation, relocation, change of group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..errors import RequestFailed
from ..formats.ialloc import ChangeGroup, Evacuate, Relocate
from ..model.arrays import Bools, Ints
from ..model.changes import Failure
from ..model.cluster import Cluster, nodes_of
from ..model.score import Scorer
from ..records import FREELY_MOVABLE
from .allocate import AllocationRules, best_group
from .moves import Kind
from .single import Tried, move_checked, try_targets

Step = tuple[Kind, int]
"""A move and its target node (-1 for a failover)."""


@dataclass(slots=True)
class Evacuated:
    """What happened to the instances, in order."""

    moved: list[tuple[int, list[Step]]]
    failed: list[tuple[int, str]]
    cluster: Cluster
    """The state afterwards."""


def evacuate(cluster: Cluster, request: Evacuate, *, soft: bool) -> Evacuated:
    """Move instances off their primaries, their secondaries, or both."""
    gone = excluded_nodes(cluster, request)
    result = Evacuated([], [], cluster.copy())
    for instance in request.instances:
        group = int(cluster.figures.group[cluster.primary[instance]])
        nodes = nodes_of(cluster, group)
        usable = nodes[~gone[nodes] & (nodes != cluster.primary[instance])]
        evacuate_into(result, instance, request.mode, usable, soft=soft)
    return result


def excluded_nodes(cluster: Cluster, request: Evacuate) -> Bools:
    """A mask of the nodes that may not receive anything."""
    gone = cluster.site.offline.copy()
    for instance in request.instances:
        if request.mode != "secondary-only":
            gone[cluster.primary[instance]] = True
        if request.mode != "primary-only" and cluster.instances[instance].kind == "drbd":
            gone[cluster.secondary[instance]] = True
    return gone


def evacuate_into(
    result: Evacuated, instance: int, mode: str, usable: Ints, *, soft: bool
) -> None:
    """Move one instance in the result's state, or note why that fails."""
    cluster = result.cluster.copy()
    nodes = usable
    if len(usable):
        nodes = nodes_of(cluster, int(cluster.figures.group[usable[0]]))
    try:
        steps = find_steps(cluster, instance, mode, usable, nodes, soft=soft)
    except RequestFailed as exc:
        result.failed.append((instance, str(exc)))
        return
    result.cluster = cluster
    result.moved.append((instance, steps))


def find_steps(
    cluster: Cluster, instance: int, mode: str, usable: Ints, nodes: Ints, *, soft: bool
) -> list[Step]:
    """Find and make the moves that evacuate an instance; scores are of `nodes`.

    :raises RequestFailed: there are none; the state may then be anything.
    """
    template, kind = cluster.instances[instance].template, cluster.instances[instance].kind
    if kind == "drbd":
        return _mirrored(cluster, instance, mode, usable, nodes, soft=soft)
    if kind not in FREELY_MOVABLE:
        raise RequestFailed(f"Instances of type {template} cannot be relocated")
    if mode == "secondary-only":
        raise RequestFailed(
            f"Instances with disk template '{template}' can't execute change secondary"
        )
    return [_to_best(cluster, instance, Kind.FAILOVER_TO, usable, nodes, soft=soft)]


def _mirrored(
    cluster: Cluster, instance: int, mode: str, usable: Ints, nodes: Ints, *, soft: bool
) -> list[Step]:
    if mode == "primary-only":
        failure = move_checked(cluster, instance, Kind.FAILOVER, -1, soft=soft)
        if failure is not None:
            raise RequestFailed(failure.label)
        return [(Kind.FAILOVER, -1)]
    if mode == "secondary-only":
        return [_to_best(cluster, instance, Kind.REPLACE_SECONDARY, usable, nodes, soft=soft)]
    return _both_sides(cluster, instance, usable, nodes, soft=soft)


def _to_best(
    cluster: Cluster, instance: int, kind: Kind, usable: Ints, nodes: Ints, *, soft: bool
) -> Step:
    tried = try_targets(cluster, instance, kind, usable, nodes, soft=soft)
    best = tried.best
    if best is None:
        raise RequestFailed(f"Can't find any good node: {_told(cluster, tried)}")
    move_checked(cluster, instance, kind, best, soft=soft)
    return kind, best


def _told(cluster: Cluster, tried: Tried) -> str:
    names = [cluster.description.nodes[node].name for node in tried.targets.tolist()]
    return "".join(
        f" Node {name} failed: {Failure(code).label};"
        for name, code in zip(names, tried.failure.tolist(), strict=True)
    )


def _both_sides(
    cluster: Cluster, instance: int, usable: Ints, nodes: Ints, *, soft: bool
) -> list[Step]:
    """Two new nodes for a mirrored instance: of all ordered pairs the best, later ones on ties."""
    start: list[Step] = []
    if cluster.site.offline[cluster.primary[instance]]:
        start = [(Kind.FAILOVER, -1)]
    problem = "no nodes available"
    best: tuple[float, int, int] | None = None
    for first in usable.tolist():
        trial = cluster.copy()
        seconds = usable[usable != first]
        if not len(seconds):
            continue
        failed = _prepare(trial, instance, start, first, soft=soft)
        if failed is not None:
            problem = failed
            continue
        scorer = Scorer(trial, nodes)
        tried = try_targets(trial, instance, Kind.REPLACE_SECONDARY, seconds, scorer, soft=soft)
        if tried.failure[-1]:
            label = Failure(int(tried.failure[-1])).label
            problem = f"Allocation failed: Changing secondary to final secondary: {label}"
        second = tried.best
        if second is not None:
            score = float(tried.score.min())
            if best is None or score <= best[0]:
                best = score, first, second
    if best is None:
        raise RequestFailed(f"Can't find any good nodes for relocation: {problem}")
    steps = [*_steps_to(start, best[1]), (Kind.REPLACE_SECONDARY, best[2])]
    for kind, target in steps:
        move_checked(cluster, instance, kind, target, soft=soft)
    return steps


def _steps_to(start: list[Step], first: int) -> list[Step]:
    return [*start, (Kind.REPLACE_SECONDARY, first), (Kind.FAILOVER, -1)]


_STEP_NAMES = (
    "Failing over to the secondary",
    "Changing secondary to new primary",
    "Failing over to new primary",
)


def _prepare(
    cluster: Cluster, instance: int, start: list[Step], first: int, *, soft: bool
) -> str | None:
    """Make the moves up to the new primary; the reason if one fails."""
    steps = _steps_to(start, first)
    for name, (kind, target) in zip(_STEP_NAMES[-len(steps) :], steps, strict=True):
        failure = move_checked(cluster, instance, kind, target, soft=soft)
        if failure is not None:
            return f"Allocation failed: {name}: {failure.label}"
    return None


def as_evacuation(cluster: Cluster, request: Relocate) -> Evacuate:
    """What a relocation comes down to.

    :raises RequestFailed: the request does not fit the instance.
    """
    instance = request.instance
    template = cluster.instances[instance].kind
    if request.required_nodes != 1:
        raise RequestFailed("Exchange N nodes mode is not implemented")
    if template == "drbd":
        kind, mode, there = "secondary", "secondary-only", int(cluster.secondary[instance])
    elif template in FREELY_MOVABLE:
        kind, mode, there = "primary", "primary-only", int(cluster.primary[instance])
    else:
        raise RequestFailed("Can't relocate non-mirrored instances")
    if list(request.relocate_from) != [there]:
        named = ",".join(str(node) for node in request.relocate_from)
        raise RequestFailed(
            "Unsupported request: excluded nodes not equal to instance's "
            f"{kind}({there} versus [{named}])"
        )
    return Evacuate((instance,), mode)


def relocate(cluster: Cluster, request: Relocate, *, soft: bool) -> tuple[list[int], Cluster]:
    """The new node for an instance, and the state with it there.

    :raises RequestFailed: there is none, or the request does not fit the instance.
    """
    instance = request.instance
    result = evacuate(cluster, as_evacuation(cluster, request), soft=soft)
    if result.failed:
        raise RequestFailed(result.failed[0][1])
    after = result.cluster
    mirrored = cluster.instances[instance].kind == "drbd"
    new = after.secondary[instance] if mirrored else after.primary[instance]
    return [int(new)], after


def change_group(
    cluster: Cluster, request: ChangeGroup, rules: AllocationRules
) -> Evacuated:
    """Move instances to the best of the target groups."""
    allowed = allowed_groups(cluster, request)
    result = Evacuated([], [], cluster.copy())
    for instance in request.instances:
        try:
            usable = best_group_nodes(result.cluster, instance, allowed, rules)
        except RequestFailed as exc:
            result.failed.append((instance, str(exc)))
            continue
        evacuate_into(result, instance, "all", usable, soft=rules.soft)
    return result


def allowed_groups(cluster: Cluster, request: ChangeGroup) -> list[int]:
    """The groups that instances may move to."""
    now = {int(cluster.figures.group[cluster.primary[i]]) for i in request.instances}
    groups: Sequence[int] = request.targets or range(len(cluster.description.groups))
    # A group that is named twice counts as another one even for instances that are there.
    left = list(groups)
    for group in now.intersection(left):
        left.remove(group)
    return sorted(set(left))


def best_group_nodes(
    cluster: Cluster, instance: int, groups: Sequence[int], rules: AllocationRules
) -> Ints:
    """The online nodes of the group to move to."""
    if not groups:
        raise RequestFailed("no groups for evacuation: allowed groups was Just []")
    required = 2 if cluster.instances[instance].kind == "drbd" else 1
    trial = cluster.copy()
    twin = trial.add_twin(instance)
    group = cast("int", best_group(trial, twin, required, groups, rules).group)
    nodes = nodes_of(cluster, group)
    return np.asarray(nodes[~cluster.site.offline[nodes]])
