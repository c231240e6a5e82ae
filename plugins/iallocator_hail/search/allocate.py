"""Placing a new instance: in a group, or in the best of all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import LoadError, RequestFailed
from ..formats.ialloc import find_group
from ..model.arrays import Ints
from ..model.cluster import Cluster, all_nodes, nodes_of
from ..model.score import Scorer
from ..records import ALLOC_POLICIES, Group
from .capacity import CapacityRules
from .dedicated import Slots
from .outcome import Found, Place, choose, describe
from .placement import Candidates, on_pairs, on_single
from .redundancy import AfterPlacing


@dataclass(frozen=True, slots=True)
class AllocationRules:
    """How strict allocation is; `restrict_to` are the only nodes allowed."""

    soft: bool = False
    capacity: bool = True
    capacity_rules: CapacityRules = field(default_factory=CapacityRules)
    restrict_to: frozenset[int] | None = None
    dedicated: bool = False
    """Lose as few standard-sized places as possible instead of balancing."""


@dataclass(slots=True)
class GroupTrial:
    """What trying one group gave: a search, or an error."""

    group: int
    found: Found | None
    error: str = ""


@dataclass(slots=True)
class Allocation:
    """A chosen place (or none), and the text that explains it."""

    place: Place | None
    text: str
    group: int | None = None
    trials: list[GroupTrial] = field(default_factory=list)
    reason: str = ""
    """The text without what it says about groups."""


def search(
    cluster: Cluster,
    instance: int,
    required: int,
    targets: Ints,
    scope: Ints,
    rules: AllocationRules,
) -> Found:
    """Try all places on the targets; only the nodes in `scope` exist for scores and checks.

    :raises RequestFailed: there are too few nodes to try anything.
    """
    candidates = try_places(cluster, instance, required, targets, scope, rules)
    if rules.dedicated or not rules.capacity:
        return choose(candidates, None) if not rules.dedicated else _lost(cluster, candidates)
    good = AfterPlacing(cluster, instance, scope, rules.capacity_rules)
    return choose(candidates, good)


def try_places(
    cluster: Cluster,
    instance: int,
    required: int,
    targets: Ints,
    scope: Ints,
    rules: AllocationRules,
) -> Candidates:
    """Failure or score of every place on the targets.

    :raises RequestFailed: there are too few nodes to try anything.
    """
    targets = targets[~cluster.site.offline[targets]]
    if rules.restrict_to is not None:
        targets = targets[np.isin(targets, list(rules.restrict_to))]
    if required == 1:
        if not len(targets):
            raise RequestFailed("No online nodes")
        return on_single(
            cluster, Scorer(cluster, scope), instance, targets, soft=rules.soft
        )
    if required == 2:
        if len(targets) < 2:
            raise RequestFailed("Not enough online nodes")
        return on_pairs(
            cluster, Scorer(cluster, scope), instance, targets, targets, soft=rules.soft
        )
    raise RequestFailed("Unsupported number of nodes, only one or two  supported")


def _lost(cluster: Cluster, candidates: Candidates) -> Found:
    return Slots(cluster).choose(candidates)


def lacks_network(group: Group, networks: Sequence[str]) -> bool:
    """Whether a group is not connected to a network that an instance needs."""
    return not set(networks) <= set(group.networks)


def allocate(
    cluster: Cluster, instance: int, required: int, group_name: str | None, rules: AllocationRules
) -> Allocation:
    """Find a place in a named group, or in the best one.

    :raises RequestFailed: the group cannot be used, or no group at all has a place.
    """
    if group_name is not None:
        group = find_group_or_fail(cluster, group_name)
        return allocate_in_group(cluster, instance, required, group, rules)
    groups = list(range(len(cluster.description.groups)))
    return best_group(cluster, instance, required, groups, rules)


def find_group_or_fail(cluster: Cluster, name: str) -> int:
    """The group of this name.

    :raises RequestFailed: there is none.
    """
    try:
        return find_group(cluster.description, name)
    except LoadError as exc:
        raise RequestFailed(str(exc)) from exc


def allocate_in_group(
    cluster: Cluster, instance: int, required: int, group: int, rules: AllocationRules
) -> Allocation:
    """Find a place in one group, as if there were no other.

    :raises RequestFailed: the group lacks a network or nodes.
    """
    what = cluster.description.groups[group]
    wanted = cluster.instances[instance]
    if lacks_network(what, wanted.networks):
        raise RequestFailed(
            f"The group {what.name} is not connected to a network required by instance "
            f"{wanted.name}"
        )
    nodes = nodes_of(cluster, group)
    found = search(cluster, instance, required, nodes, nodes, rules)
    trial = GroupTrial(group, found)
    reason = describe(found, [node.name for node in cluster.description.nodes])
    return Allocation(found.best, _told(cluster, trial), group, [trial], reason)


def _told(cluster: Cluster, trial: GroupTrial) -> str:
    group = cluster.description.groups[trial.group]
    if trial.found is None:
        return f"Group {group.name}: error {trial.error}"
    names = [node.name for node in cluster.description.nodes]
    return f"Group {group.name} ({group.alloc_policy}): {describe(trial.found, names)}"


def best_group(
    cluster: Cluster,
    instance: int,
    required: int,
    groups: Sequence[int],
    rules: AllocationRules,
) -> Allocation:
    """Try groups and take the best: by allocation policy, then by score of the whole cluster.

    :raises RequestFailed: none of them has a place; the text tells why each has not.
    """
    wanted = cluster.instances[instance]
    groups = [group for group in groups if len(nodes_of(cluster, group))]
    trials: list[GroupTrial] = []
    messages: list[str] = []
    for group in groups:
        what = cluster.description.groups[group]
        if lacks_network(what, wanted.networks):
            text = f"is not connected to a network required by instance {wanted.name}"
            if rules.dedicated:
                trials.append(GroupTrial(group, None, f"The group {what.name} {text}"))
            else:
                messages.append(f"group {what.name} {text}")
            continue
        trials.append(_try_group(cluster, instance, required, group, rules))
    texts = [*messages, *(_told(cluster, trial) for trial in trials)]
    chosen = _chosen(cluster, trials)
    if chosen is None:
        raise RequestFailed(", ".join(texts))
    name = cluster.description.groups[chosen.group].name
    text = ", ".join([f"Selected group: {name}", *texts])
    best = None if chosen.found is None else chosen.found.best
    return Allocation(best, text, chosen.group, trials)


def _try_group(
    cluster: Cluster, instance: int, required: int, group: int, rules: AllocationRules
) -> GroupTrial:
    scope = all_nodes(cluster)
    try:
        nodes = nodes_of(cluster, group)
        return GroupTrial(group, search(cluster, instance, required, nodes, scope, rules))
    except RequestFailed as exc:
        return GroupTrial(group, None, str(exc))


def _chosen(cluster: Cluster, trials: Sequence[GroupTrial]) -> GroupTrial | None:
    """The group to take; the last of equals."""
    best: GroupTrial | None = None
    best_key: tuple[object, ...] = ()
    for trial in trials:
        policy = cluster.description.groups[trial.group].alloc_policy
        if trial.found is None or trial.found.best is None or policy == "unallocable":
            continue
        key = (ALLOC_POLICIES.index(policy), trial.found.best.score)
        if best is None or key <= best_key:
            best, best_key = trial, key
    return best
