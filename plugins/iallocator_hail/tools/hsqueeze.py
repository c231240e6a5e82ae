"""hsqueeze: finds nodes that can be switched off, or have to be switched on."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PlacementError
from ..model.cluster import Cluster
from ..search.jobsets import job_sets
from ..search.squeeze import (
    Plan,
    offline_candidates,
    online_candidates,
    plan,
    test_instance,
)
from .commands import Names, job_lines, write_lines
from .output import say
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import load_cluster, node_aliases, save_cluster

_TAG = "htools:standby:auto"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = load_cluster(settings)
    save_cluster(cluster, settings, "original", "before hsqueeze run ")
    names = [node.name for node in cluster.description.nodes]
    if settings.verbosity > 1:
        offline = [names[node] for node in offline_candidates(cluster)]
        online = [names[node] for node in online_candidates(cluster)]
        say(f"Offline candidates: {','.join(offline)}")
        say(f"Online candidates: {','.join(online)}")
    std = cluster.description.policy.std
    chosen = plan(
        cluster,
        test_instance(std, settings.minimal_resources),
        test_instance(std, settings.target_resources),
    )
    save_cluster(chosen.cluster, settings, "squeezed", f"after hsqueeze {_deed(chosen)} ")
    _print(chosen, names, settings)
    _hand_out(cluster, chosen, settings)
    return 0


def _deed(chosen: Plan) -> str:
    if chosen.online:
        return "expansion"
    return "run" if chosen.nodes else "doing nothing"


def _print(chosen: Plan, names: list[str], settings: Settings) -> None:
    header = "'Nodes to online'" if chosen.online else "'Nodes to offline'"
    if not chosen.nodes and not chosen.online:
        header = "'No action'"
    if settings.headers:
        say(header)
    for node in chosen.nodes:
        say(names[node])
    if settings.verbosity > 1 and chosen.online and not chosen.enough:
        say("Onlining all nodes will not yield enough capacity")


def _hand_out(cluster: Cluster, chosen: Plan, settings: Settings) -> None:
    """Print, write or run the commands, as asked."""
    if settings.print_commands:
        lines = _command_lines(cluster, chosen, checked=True)
        write_lines(settings.print_commands, lines)
    elif settings.print_commands is not None:
        say()
        say("Commands to run:")
        for line in _command_lines(cluster, chosen, checked=False):
            say(f"  {line}")
    if settings.execute:
        if settings.luxi is None:
            raise PlacementError("hsqueeze: Execution of commands possible only on LUXI")
        from .submission import run_squeeze

        run_squeeze(cluster, chosen, settings)


def _command_lines(cluster: Cluster, chosen: Plan, *, checked: bool) -> list[str]:
    nodes = node_aliases(cluster)
    instances = [instance.name for instance in cluster.instances]
    sets = job_sets(cluster, chosen.moves)
    moves = job_lines(cluster, sets, Names(nodes, instances), checked=checked)
    names = [nodes[node] for node in chosen.nodes]
    switching = ["echo Power Commands"]
    power = "on" if chosen.online else "off"
    switching += [f"  gnt-node power -f {power} {name}" for name in names]
    if chosen.online:
        return [*switching, *moves]
    if not names:
        return ["echo Nothing to do"]
    tagging = ["echo Tagging Commands"]
    tagging += [f"  gnt-node add-tags {name} {_TAG}" for name in names]
    return [*moves, "", *tagging, "", *switching]


_TOOL = Tool(
    "hsqueeze",
    (
        "luxi", "text-data", "exec", "minimal-resources", "target-resources", "save",
        "print-commands", "verbose", "no-headers", "static-kvm-node-memory",
    ),
    _run,
)
