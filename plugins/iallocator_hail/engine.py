"""The allocator: one request document in, one answer out, as the allocator protocol has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from .errors import RequestFailed
from .formats.ialloc import (
    Allocate,
    AllocateSecondary,
    Evacuate,
    NewInstance,
    Relocate,
    Request,
    parse_document,
)
from .formats.instance_json import InstanceMemory
from .model.build import BuildOptions, build, demand_of
from .model.cluster import Cluster, nodes_of
from .model.remarks import left_out
from .model.score import Scorer
from .records import Description, Instance
from .search.allocate import (
    Allocation,
    AllocationRules,
    allocate,
    find_group_or_fail,
)
from .search.evacuate import Evacuated, change_group, evacuate, relocate
from .search.opcodes import job
from .search.outcome import Place, choose, describe
from .search.placement import Candidates, on_pairs
from .search.redundancy import AfterPlacing

Answer = dict[str, Any]
"""The members `success`, `info` and `result`."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to answer."""

    build: BuildOptions = field(default_factory=BuildOptions)
    rules: AllocationRules = field(default_factory=AllocationRules)
    restrict_to: tuple[str, ...] | None = None
    """The only nodes to allocate on, in place of what the request says."""
    adjust: Callable[[Cluster], Cluster] | None = None
    """Called with the model before anything is answered."""


@dataclass(slots=True)
class Solved:
    """An answer, with the states before and after for whoever wants to show or save them."""

    answer: Answer
    before: Cluster
    after: Cluster


def answer(
    document: object, options: EngineOptions | None = None, memory: InstanceMemory | None = None
) -> Answer:
    """Return a parsed request document.

    A request without a solution gives an answer with `success` false. `memory` keeps what was read
    for the next call.

    :raises LoadError: the document is malformed or names something unknown.
    """
    with np.errstate(all="ignore"):
        description, request = parse_document(document, memory)
        return solve(description, request, options or EngineOptions()).answer


def prepare(description: Description, request: Request, options: EngineOptions) -> Cluster:
    """The model for a request: instances to be placed are part of it, but nowhere yet."""
    pending: Sequence[Instance] = ()
    if isinstance(request, Allocate):
        pending = [item.instance for item in request.items]
    cluster = build(description, options.build, pending)
    return cluster if options.adjust is None else options.adjust(cluster)


def rules_for(cluster: Cluster, request: Allocate, options: EngineOptions) -> AllocationRules:
    """The allocation rules that options, request and kind of cluster amount to."""
    return replace(
        options.rules,
        restrict_to=_restriction(cluster, request, options),
        dedicated=_is_dedicated(cluster, request),
    )


def solve(description: Description, request: Request, options: EngineOptions) -> Solved:
    """Return a request against cluster data that may come from elsewhere."""
    cluster = prepare(description, request, options)
    before = cluster.copy()
    odd = "".join(f"; {remark}" for remark in left_out(cluster.description))
    try:
        text, result, after = _dispatch(cluster, request, options)
    except RequestFailed as exc:
        failed = {"success": False, "info": f"Request failed: {exc}{odd}", "result": []}
        return Solved(failed, before, before)
    done = {"success": True, "info": f"Request successful: {text}{odd}", "result": result}
    return Solved(done, before, after)


Reply = tuple[str, Any, Cluster]
"""Text, result, and the state afterwards."""


def _dispatch(cluster: Cluster, request: Request, options: EngineOptions) -> Reply:
    rules = options.rules
    if isinstance(request, Allocate):
        rules = rules_for(cluster, request, options)
        if request.several:
            return _allocate_several(cluster, request, rules)
        return _allocate_one(cluster, request, rules)
    if isinstance(request, AllocateSecondary):
        return _allocate_secondary(cluster, request, options)
    if isinstance(request, Relocate):
        nodes, after = relocate(cluster, request, soft=rules.soft)
        return "success", [cluster.description.nodes[node].name for node in nodes], after
    if isinstance(request, Evacuate):
        return _told(evacuate(cluster, request, soft=rules.soft))
    limited = replace(rules, restrict_to=_named_nodes(cluster, options.restrict_to))
    return _told(change_group(cluster, request, limited))


def _restriction(
    cluster: Cluster, request: Allocate, options: EngineOptions
) -> frozenset[int] | None:
    wanted = options.restrict_to if options.restrict_to is not None else request.restrict_to
    return _named_nodes(cluster, wanted)


def _named_nodes(cluster: Cluster, names: Sequence[str] | None) -> frozenset[int] | None:
    if names is None:
        return None
    return frozenset(
        index for index, node in enumerate(cluster.description.nodes) if node.name in names
    )


def _is_dedicated(cluster: Cluster, request: Allocate) -> bool:
    """Whether all nodes that matter have exclusive storage (also if there are none)."""
    description = cluster.description
    if request.group_name is not None:
        # Ganeti knows names only here: a group given by its UUID counts as one without nodes.
        groups = [i for i, g in enumerate(description.groups) if request.group_name == g.name]
    else:
        groups = [
            i for i, g in enumerate(description.groups) if g.alloc_policy != "unallocable"
        ]
    return all(node.exclusive for node in description.nodes if node.group in groups)


def _allocate_one(cluster: Cluster, request: Allocate, rules: AllocationRules) -> Reply:
    position = len(cluster.description.instances)
    item = request.items[0]
    found = allocate(cluster, position, item.required_nodes, request.group_name, rules)
    if found.place is None:
        raise RequestFailed(found.text)
    put(cluster, position, found)
    names = [cluster.description.nodes[node].name for node in found.place.nodes]
    return found.text, names, cluster


def put(cluster: Cluster, instance: int, found: Allocation) -> None:
    """Put an instance on the place that was found for it."""
    place = cast("Place", found.place)
    score = 0.0
    if place.secondary >= 0:
        score = float(cluster.shared_locations(place.primary, place.secondary))
    cluster.put(instance, place.primary, place.secondary, score)


def _allocate_several(cluster: Cluster, request: Allocate, rules: AllocationRules) -> Reply:
    placed: list[Any] = []
    failed: list[Any] = []
    first = len(cluster.description.instances)
    # Ganeti forgets, in this one case, what it placed before.
    forgetful = rules.dedicated and request.group_name is not None
    start = cluster.copy() if forgetful else None
    for offset, item in enumerate(request.items):
        if start is not None:
            cluster = _forget_placed(start, cluster, first)
        found = _one_of_several(cluster, first + offset, item, request.group_name, rules)
        if found.place is None:
            failed.append([item.instance.name, found.reason if forgetful else found.text])
            continue
        put(cluster, first + offset, found)
        nodes = [cluster.description.nodes[node].name for node in found.place.nodes]
        placed.append([item.instance.name, nodes])
    text = (
        f"{len(failed)} instances failed to allocate and {len(placed)} were allocated "
        "successfully"
    )
    return text, [placed, failed], cluster


def _forget_placed(start: Cluster, cluster: Cluster, first: int) -> Cluster:
    """The state at the start, where new instances are said to be placed but no node knows."""
    state = start.copy()
    state.primary[first:] = cluster.primary[first:]
    state.secondary[first:] = cluster.secondary[first:]
    return state


def _one_of_several(
    cluster: Cluster, position: int, item: NewInstance, group: str | None, rules: AllocationRules
) -> Allocation:
    if group is not None:
        find_group_or_fail(cluster, group)
    return allocate(cluster, position, item.required_nodes, group, rules)


def _allocate_secondary(
    cluster: Cluster, request: AllocateSecondary, options: EngineOptions
) -> Reply:
    rules, instance = options.rules, request.instance
    candidates = secondary_places(cluster, request, options)
    good = AfterPlacing(cluster, instance, np.arange(cluster.node_count), rules.capacity_rules)
    found = choose(candidates, good if rules.capacity else None)
    names = [node.name for node in cluster.description.nodes]
    text = describe(found, names)
    if found.best is None:
        raise RequestFailed(text)
    put(cluster, instance, Allocation(found.best, text))
    return text, names[found.best.secondary], cluster


def secondary_places(
    cluster: Cluster, request: AllocateSecondary, options: EngineOptions
) -> Candidates:
    """What each node would be as the secondary of an instance, which is taken off its node.

    :raises RequestFailed: it has one already.
    """
    instance, template = request.instance, request.template
    if cluster.secondary[instance] >= 0:
        raise RequestFailed("Instance already has a secondary")
    primary = int(cluster.primary[instance])
    cluster.take_off(instance)
    mirrored = replace(cluster.instances[instance], template=template,
                       like=cluster.description.like(template))
    cluster.convert(instance, mirrored, demand_of([mirrored], options.build))
    nodes = nodes_of(cluster, int(cluster.figures.group[primary]))
    return on_pairs(
        cluster,
        Scorer(cluster, np.arange(cluster.node_count)),
        instance,
        np.array([primary]),
        nodes[nodes != primary],
        soft=options.rules.soft,
    )


def _told(result: Evacuated) -> Reply:
    cluster = result.cluster
    description = cluster.description
    moved, jobs = [], []
    for instance, steps in result.moved:
        nodes = [int(cluster.primary[instance]), int(cluster.secondary[instance])]
        names = [description.nodes[node].name for node in nodes if node >= 0]
        group = description.groups[int(cluster.figures.group[nodes[0]])]
        moved.append([cluster.instances[instance].name, group.name, names])
        jobs.append(job(cluster, instance, steps))
    failed = [[cluster.instances[instance].name, text] for instance, text in result.failed]
    text = (
        f"{len(failed)} instances failed to move and {len(moved)} were moved successfully"
    )
    return text, [moved, failed, jobs], cluster
