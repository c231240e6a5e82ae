"""hroller: groups nodes so that each group can be rebooted at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import PlacementError
from ..formats.haskell import show_list
from ..model.cluster import Cluster
from ..search.coloring import Colouring, all_colourings, best
from ..search.rolling import (
    Part,
    clear_primaries,
    clear_secondaries,
    conflict_graph,
    cut,
    fail_over_all,
    without_redundancy,
)
from .output import note, say
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import adjust, read_cluster, save_cluster, snapshot


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = read_cluster(settings)
    master = _master(cluster, settings)
    loaded = snapshot(cluster)
    cluster = adjust(cluster, settings)
    save_cluster(loaded, settings, "original", "before hroller run ")
    nodes = _considered(cluster, settings)
    if not nodes:
        raise PlacementError("Cannot create node graph")
    graph = conflict_graph(cluster, nodes, offline=settings.offline_maintenance)
    colourings = all_colourings(graph)
    if settings.verbosity > 2:
        shown = ",".join(f"({v},{list(n)})".replace(" ", "") for v, n in graph.items())
        say(f"Node Graph: array ({min(graph)},{max(graph)}) [{shown}]")
    parts = _parts(cluster, best(colourings), set(nodes), settings)
    if settings.verbosity > 1:
        say(_statistics(colourings))
    _print(cluster, _ordered(parts, set(nodes), master), settings)
    return 0


def _master(cluster: Cluster, settings: Settings) -> int | None:
    names = [node.name for node in cluster.description.nodes if node.master]
    if len(names) > 1:
        raise PlacementError(f"Found more than one master node: {show_list(names)}")
    if not names:
        text = "No master node found (maybe not supported by backend)."
        if not settings.force:
            raise PlacementError(text)
        note(f"Warning: {text}")
        return None
    return [node.master for node in cluster.description.nodes].index(True)


def _considered(cluster: Cluster, settings: Settings) -> list[int]:
    group = _group(cluster, settings.group)

    def wanted(index: int) -> bool:
        node = cluster.description.nodes[index]
        if cluster.site.offline[index] or (group is not None and node.group != group):
            return False
        if settings.node_tags is not None and not set(node.tags) & set(settings.node_tags):
            return False
        return not (settings.skip_non_redundant and without_redundancy(cluster, index))

    return [index for index in range(cluster.node_count) if wanted(index)]


def _group(cluster: Cluster, name: str | None) -> int | None:
    if name is None:
        return None
    for index, group in enumerate(cluster.description.groups):
        if name in (group.name, group.uuid):
            return index
    raise PlacementError("Cannot find target group.")


def _statistics(colourings: Sequence[Colouring]) -> str:
    """How many colours each procedure needs, fewest first."""
    ordered = sorted(colourings, key=lambda found: -len(found.classes))[::-1]
    text, last = "", 0
    for found in ordered:
        sizes = ",".join(str(len(members)) for members in found.classes)
        link = " TIE " if len(found.classes) == last else " "
        text += f"{link if text else ''}{found.name}: {len(found.classes)} ({sizes})"
        last = len(found.classes)
    return text


def _parts(
    cluster: Cluster, classes: list[list[int]], nodes: set[int], settings: Settings
) -> list[Part]:
    """Colour classes, cut as far as room for their instances requires."""
    targets = np.flatnonzero(~cluster.site.offline).tolist()
    parts = [Part(members, cluster) for members in classes]
    if not settings.ignore_non_redundant:
        parts = [
            piece
            for part in parts
            for piece in _cut_or_fail(
                cut(cluster, part.nodes, targets, clear_primaries),
                "Not enough capacity to move non-redundant instances",
            )
        ]
    # What is cut off later stays, even where it has no node of ours: Ganeti shows it, too.
    parts = [part for part in parts if nodes.intersection(part.nodes)]
    if settings.full_evacuation:
        parts = [piece for part in parts for piece in _without_secondaries(part, targets)]
    return parts


def _without_secondaries(part: Part, targets: list[int]) -> list[Part]:
    after = fail_over_all(part.cluster, part.nodes)
    return _cut_or_fail(
        cut(after, part.nodes, targets, clear_secondaries),
        "Not enough capacity to move secondaries",
    )


def _cut_or_fail(parts: list[Part], problem: str) -> list[Part]:
    if not parts:
        raise PlacementError(problem)
    return parts


def _ordered(parts: list[Part], nodes: set[int], master: int | None) -> list[Part]:
    """Largest first, without vertices that are no nodes of ours, the master at the very end."""
    for part in parts:
        part.nodes = [node for node in part.nodes if node in nodes]
    shown = sorted(parts, key=lambda part: -len(part.nodes))
    last = [part for part in shown if master in part.nodes]
    for part in last:
        part.nodes = [node for node in part.nodes if node != master] + [
            node for node in part.nodes if node == master
        ]
    return [part for part in shown if master not in part.nodes] + last


def _print(cluster: Cluster, parts: list[Part], settings: Settings) -> None:
    names = [node.name for node in cluster.description.nodes]
    if settings.headers:
        say("'First Reboot Group'" if settings.one_step_only else "'Node Reboot Groups'")
    for part in parts[:1] if settings.one_step_only else parts:
        separator = "\n" if settings.one_step_only else ","
        say(separator.join(names[node] for node in part.nodes))
        if settings.print_moves:
            _print_moves(cluster, part)


def _print_moves(cluster: Cluster, part: Part) -> None:
    after = part.cluster
    held = after.standing_for or range(cluster.node_count)
    nodes = [cluster.description.nodes[node].name for node in held]
    instances = [instance.name for instance in cluster.instances]
    for index in range(len(cluster.instances)):
        first, second = int(after.primary[index]), int(after.secondary[index])
        if {first, second} != {int(cluster.primary[index]), int(cluster.secondary[index])}:
            words = [instances[index], nodes[first], *([nodes[second]] if second >= 0 else [])]
            say(f"  {' '.join(words)}")


_TOOL = Tool(
    "hroller",
    (
        "luxi", "master", "text-data", "ialloc-src", "offline", "offline-maintenance", "verbose",
        "quiet", "no-headers", "node-tags", "save", "group", "print-moves", "full-evacuation",
        "skip-non-redundant", "ignore-non-redundant", "force", "one-step-only",
        "static-kvm-node-memory",
    ),
    _run,
)
