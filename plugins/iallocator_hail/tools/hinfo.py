"""hinfo: tells about a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..formats.haskell import fixed
from ..formats.names import common_suffix
from ..model.cluster import Cluster, all_nodes, nodes_of
from ..model.score import Scorer, weigh
from .dumps import score_table, show_policy
from .groups import failing, instances_in, split_instances
from .output import note, say
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import load_cluster
from .tables import columns, print_instances, print_nodes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = load_cluster(settings)
    _introduce(cluster, settings)
    _tell_split(cluster, settings)
    if settings.verbosity > 1:
        _tell_groups(cluster)
    print_instances(cluster, settings.print_instances, "Instances")
    print_nodes(cluster, settings.print_nodes, "Cluster")
    happy = not len(failing(cluster, all_nodes(cluster)))
    say(f"Cluster is N+1 {'happy' if happy else 'unhappy'}")
    scorer = Scorer(cluster, all_nodes(cluster))
    components = scorer.components()
    say("Cluster coefficients:")
    say(score_table(components[:, 0] if len(scorer.online) else None))
    say(f"Cluster score: {fixed(weigh(components)[0], 8)}")
    return 0


def _introduce(cluster: Cluster, settings: Settings) -> None:
    description = cluster.description
    say(f"Loaded cluster tags: {','.join(description.tags)}")
    if settings.verbosity > 2:
        say(f"Loaded cluster ipolicy: {show_policy(description.policy)}")
    if not cluster.instances and settings.verbosity > 1:
        say("Cluster is empty.")
    counts = (
        _count(cluster.node_count, "node"),
        _count(len(cluster.instances), "instance"),
        _count(len(description.groups), "node group"),
    )
    say(f"Loaded {', '.join(counts)}")
    suffix = common_suffix(description)
    if settings.verbosity > 2 and suffix:
        say(f"Note: Stripping common suffix of '{suffix}' from names")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _tell_split(cluster: Cluster, settings: Settings) -> None:
    names = split_instances(cluster)
    if names:
        say("Found instances belonging to multiple node groups:")
        for name in names:
            note(f"  {name}")
    elif settings.verbosity > 1:
        say("No split instances found")


def _tell_groups(cluster: Cluster) -> None:
    rows = [["Group", "Nodes", "Instances", "Bad_Nodes", "Bad_Instances", "N+1", "Score"]]
    for index, group in enumerate(cluster.description.groups):
        nodes = nodes_of(cluster, index)
        if not len(nodes):
            continue
        bad = failing(cluster, nodes)
        members = {i for node in bad.tolist() for i in _on(cluster, node)}
        rows.append(
            [
                group.name,
                str(len(nodes)),
                str(len(instances_in(cluster, index))),
                str(len(bad)),
                str(len(members)),
                str(not len(bad)),
                fixed(Scorer(cluster, np.asarray(nodes)).base(), 8),
            ]
        )
    say("Node group information:")
    say(columns(rows, [False, *[True] * 4, False, True], "   "))


def _on(cluster: Cluster, node: int) -> tuple[int, ...]:
    return cluster.primaries[node] + cluster.secondaries[node]


_TOOL = Tool(
    "hinfo",
    (
        "print-nodes", "print-instances", "text-data", "master", "luxi", "ialloc-src", "verbose",
        "quiet", "offline", "ignore-dynu", "mond", "mond-data", "static-kvm-node-memory",
    ),
    _run,
)
