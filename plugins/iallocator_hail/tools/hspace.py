"""hspace: tells how many more instances fit on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import PlacementError
from ..formats.haskell import fixed, show_list
from ..formats.names import common_suffix
from ..model.arrays import Ints
from ..model.cluster import Cluster, all_nodes, nodes_of
from ..model.score import Scorer
from ..records import Spec
from ..search.allocate import AllocationRules
from ..search.capacity import Capacity, CapacityRules
from ..search.sizes import new_instance
from ..search.space import Filled, Filler
from .dumps import score_table
from .groups import failing
from .output import note
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import load_cluster, node_aliases, save_cluster
from .space_json import JsonReport
from .space_report import HumanReport, MachineReport, Report, Run
from .tables import columns, print_nodes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to place where; `blocked` means that nothing may be placed at all."""

    template: str
    like: str
    spindle_use: int
    targets: Ints
    rules: AllocationRules
    blocked: bool


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = load_cluster(settings)
    plan = _plan(cluster, settings)
    suffix = common_suffix(cluster.description)
    if settings.verbosity > 1 and suffix:
        note(f"Note: Stripping common suffix of '{suffix}' from names")
    kind = JsonReport if settings.json else (
        MachineReport if settings.machine_readable else HumanReport)
    report: Report = kind(cluster, plan.template)
    report.introduce()
    print_nodes(cluster, settings.print_nodes, "Initial cluster")
    if settings.verbosity > 2:
        scorer = Scorer(cluster, all_nodes(cluster))
        components = scorer.components()
        note(f"Initial coefficients: overall {fixed(scorer.base(), 8)}")
        note(score_table(components[:, 0]))
    if settings.verbosity > 3:
        _tell_targets(cluster, plan)
    policy = cluster.description.policy
    tiered = [settings.tiered] if settings.tiered else [high for _, high in policy.pairs]
    _tiered(cluster, settings, plan, tiered, report)
    _standard(cluster, settings, plan, settings.standard or policy.std, report)
    report.close()
    return 0


def _tell_targets(cluster: Cluster, plan: _Plan) -> None:
    bad = set(cluster.figures.group[failing(cluster, all_nodes(cluster))].tolist())
    groups = cluster.description.groups
    if bad := bad | _not_redundant(cluster):
        note(f"Bad groups: {show_list(groups[index].name for index in sorted(bad))}")
    base, group = cluster.description.first_index, cluster.figures.group
    targets = plan.targets.tolist()
    if cluster.description.kind(plan.template) != "drbd":
        note(f"Allocatable nodes: Left [{','.join(str(node + base) for node in targets)}]")
        return
    rows = []
    for node in targets:
        others = [str(n + base) for n in targets if n != node and group[n] == group[node]]
        rows.append(f"({node + base},[{','.join(others)}])")
    note(f"Allocatable nodes: Right [{','.join(rows)}]")


def _not_redundant(cluster: Cluster) -> set[int]:
    """Groups with a node that could not be emptied."""
    groups = range(len(cluster.description.groups))
    nodes = all_nodes(cluster)
    return {g for g in groups if not Capacity(cluster, nodes, nodes_of(cluster, g)).redundant()}


def _plan(cluster: Cluster, settings: Settings) -> _Plan:
    policy = cluster.description.policy
    template = settings.disk_template or (policy.templates[0] if policy.templates else None)
    if template is None:
        raise PlacementError("failure during allocation: no disk template is enabled")
    use = policy.std.spindles if settings.spindle_use is None else settings.spindle_use
    bad = failing(cluster, all_nodes(cluster))
    closed = _closed_groups(cluster, settings, bad)
    usable = [
        index
        for index, group in enumerate(cluster.description.groups)
        if group.alloc_policy != "unallocable" and index not in closed
    ]
    nodes = all_nodes(cluster)
    targets = nodes[np.isin(cluster.figures.group, usable) & ~cluster.site.offline]
    ignored = frozenset(closed) if settings.independent_groups else frozenset()
    rules = AllocationRules(
        capacity=settings.capacity,
        capacity_rules=CapacityRules(settings.accept_existing, ignored),
    )
    blocked = len(bad) > 0 and not settings.accept_existing
    if settings.independent_groups and usable:
        blocked = False
    return _Plan(
        template, cluster.description.like(template), use, targets, rules, blocked)


def _closed_groups(cluster: Cluster, settings: Settings, bad: Ints) -> set[int]:
    """Groups that are unhealthy already and get nothing more."""
    closed: set[int] = set()
    if not settings.accept_existing:
        closed |= set(cluster.figures.group[bad].tolist())
    if settings.independent_groups:
        closed |= _not_redundant(cluster)
    return closed


def _blocked(cluster: Cluster) -> Filled:
    return Filled(cluster, [], [0] * 10, refused=True)


def _limit(settings: Settings) -> int | None:
    return None if settings.max_length < 0 else settings.max_length


def _tiered(
    cluster: Cluster, settings: Settings, plan: _Plan, specs: list[Spec], report: Report
) -> None:
    filler = Filler(plan.targets, plan.rules)
    filled = _blocked(cluster) if plan.blocked else Filled(cluster, [], [0] * 10)
    for spec in specs if not plan.blocked else []:
        instance = new_instance(spec, plan.template, plan.like, plan.spindle_use)
        limit = _limit(settings)
        # Of all sizes together.
        rest = None if limit is None else limit - len(filled.placed)
        filled = filler.fill_tiered(filled, instance, rest)
    _show(filled, settings, "Tiered", "tiered")
    report.tiered(Run(specs[0], filled))


def _standard(
    cluster: Cluster, settings: Settings, plan: _Plan, spec: Spec, report: Report
) -> None:
    filled = _filled(cluster, plan, spec, _limit(settings))
    _show(filled, settings, "Standard", "standard")
    report.standard(Run(spec, filled))


def _filled(
    cluster: Cluster, plan: _Plan, spec: Spec, limit: int | None,
    look: Callable[[], None] = lambda: None,
) -> Filled:
    """The cluster with as many instances of one size as fit."""
    if plan.blocked:
        return _blocked(cluster)
    instance = new_instance(spec, plan.template, plan.like, plan.spindle_use)
    filler = Filler(plan.targets, plan.rules, look)
    return filler.fill(Filled(cluster, [], [0] * 10), instance, limit)


def allocatable(cluster: Cluster, settings: Settings, look: Callable[[], None]) -> int:
    """How many more instances of the standard size fit.

    :param look: called again and again; ends the search by an exception
    :raises PlacementError: there are no nodes to place anything on, or no end to it
    """
    plan = _plan(cluster, settings)
    spec = settings.standard or cluster.description.policy.std
    return len(_filled(cluster, plan, spec, None, look).placed)


def _show(filled: Filled, settings: Settings, title: str, suffix: str) -> None:
    """Print and save what was allocated."""
    if settings.verbosity > 1:
        note(f"{title} allocation map")
        if filled.placed:
            note(_allocation_map(filled))
    print_nodes(filled.cluster, settings.print_nodes, f"{title} allocation")
    save_cluster(filled.cluster, settings, suffix, f"after {suffix} allocation ")


def _allocation_map(filled: Filled) -> str:
    cluster = filled.cluster
    names = [*node_aliases(cluster), ""]
    exclusive = cluster.site.any_exclusive
    rows = []
    for index in filled.placed:
        instance = cluster.instances[index]
        spindles = instance.total_spindles if exclusive else ""
        rows.append(
            [
                instance.name,
                names[int(cluster.primary[index])],
                names[int(cluster.secondary[index])],
                str(instance.memory),
                str(instance.disk),
                str(instance.vcpus),
                str(spindles),
            ]
        )
    return columns(rows, [False, False, False, True, True, True, True], " ")


_TOOL = Tool(
    "hspace",
    (
        "print-nodes", "text-data", "disk-template", "spindle-use", "simulate", "master", "luxi",
        "ialloc-src", "verbose", "quiet", "independent-groups", "accept-existing-errors",
        "offline", "no-capacity-checks", "machine-readable", "max-cpu", "max-length", "min-disk",
        "standard-alloc", "tiered-alloc", "save", "static-kvm-node-memory",
    ),
    _run,
    extra=("json",),
)

