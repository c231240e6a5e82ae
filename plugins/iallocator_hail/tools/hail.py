"""hail: answers one allocator request, read from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from ..engine import EngineOptions, Solved, solve
from ..errors import LoadError, PlacementError
from ..formats.ialloc import (
    MESSAGE,
    Allocate,
    AllocateSecondary,
    ChangeGroup,
    Evacuate,
    Relocate,
    Request,
    find_group,
    parse_document,
)
from ..formats.json_reader import parse_json
from ..formats.text import read_file
from ..model.arrays import Ints
from ..model.build import BuildOptions, build
from ..model.cluster import Cluster, nodes_of
from ..records import Description
from ..search.allocate import AllocationRules
from .output import note, say
from .program import Tool, execute
from .settings import Settings
from .sources import adjust, build_options, describe_cluster, save_cluster, warn_unaccounted
from .tables import print_nodes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    if not words:
        raise PlacementError("This program needs an input file.")
    if len(words) > 1:
        raise PlacementError("Only one argument is accepted (the input file)")
    try:
        text = read_file(words[0])
    except LoadError as exc:
        note(f"hail: {exc}")
        return 1
    document = parse_json(text, MESSAGE)
    if settings.explain:
        from ..explain import explain
        from ..explained_text import as_text

        explanation = explain(document, _engine_options(settings))
        say(json.dumps(explanation) if settings.json else as_text(explanation))
        return 0
    description, request = parse_document(document)
    if settings.text_file is not None or settings.simulations:
        own = BuildOptions(kvm_node_memory=settings.kvm_node_memory)
        warn_unaccounted(build(description, own), settings)
        description = describe_cluster(replace_source(settings))
        _check_positions(request, description)
    solved = solve(description, request, _engine_options(settings))
    say(json.dumps(solved.answer, separators=(",", ":"), ensure_ascii=False))
    print_nodes(solved.before, settings.print_nodes, "Initial cluster")
    save_cluster(solved.before, settings, "pre-ialloc", "before iallocator run ")
    shown = _shown_nodes(solved, request)
    print_nodes(solved.after, settings.print_nodes, "Final cluster", shown)
    after = _new_first(solved.after, request)
    save_cluster(after, settings, "post-ialloc", "after iallocator run ")
    sys.stdout.flush()
    return 0


def _check_positions(request: Request, description: Description) -> None:
    """Refuse a request that was read against the document's data and does not fit the other.

    :raises PlacementError: it means instances or groups that the other data does not have.
    """
    instances: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    if isinstance(request, Evacuate | ChangeGroup):
        instances = request.instances
    elif isinstance(request, AllocateSecondary | Relocate):
        instances = (request.instance,)
    if isinstance(request, ChangeGroup):
        groups = request.targets
    if max(instances, default=-1) >= len(description.instances):
        raise PlacementError("The request names instances that the cluster data does not have")
    if max(groups, default=-1) >= len(description.groups):
        raise PlacementError("The request names groups that the cluster data does not have")


def _shown_nodes(solved: Solved, request: Request) -> Ints | None:
    """The nodes of the final table: of the group alone where the request named one."""
    if not isinstance(request, Allocate) or request.several or not solved.answer["success"]:
        return None
    if request.group_name is None:
        return None
    group = find_group(solved.after.description, request.group_name)
    return nodes_of(solved.after, group)


def _new_first(cluster: Cluster, request: Request) -> Cluster:
    """The state as it is saved: a single new instance comes before all others there."""
    if not isinstance(request, Allocate) or request.several:
        return cluster
    order = [len(cluster.instances) - 1, *range(len(cluster.instances) - 1)]
    saved = cluster.copy()
    saved.instances = [cluster.instances[index] for index in order]
    saved.primary, saved.secondary = cluster.primary[order], cluster.secondary[order]
    return saved


def replace_source(settings: Settings) -> Settings:
    """The settings with only the sources that may replace the document's own data."""
    return replace(settings, rapi=None, luxi=None, ialloc_file=None)


def _engine_options(settings: Settings) -> EngineOptions:
    def prepare(cluster: Cluster) -> Cluster:
        warn_unaccounted(cluster, settings)
        return adjust(cluster, settings)

    return EngineOptions(
        build=build_options(settings),
        rules=AllocationRules(soft=settings.soft, capacity=settings.capacity),
        restrict_to=settings.restrict_to,
        adjust=prepare,
    )


_TOOL = Tool(
    "hail",
    (
        "print-nodes", "save", "text-data", "simulate", "verbose", "ignore-dynu",
        "ignore-soft-errors", "no-capacity-checks", "restrict-allocation-to", "mond",
        "mond-xen", "static-kvm-node-memory",
    ),
    _run,
    extra=("explain", "json"),
    arguments=("file", 1, 1),
)
