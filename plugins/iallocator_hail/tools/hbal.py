"""hbal: balances a node group."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np

from ..errors import PlacementError
from ..formats.haskell import fixed
from ..formats.names import common_suffix
from ..model.arrays import Floats, Ints
from ..model.cluster import Cluster
from ..model.score import COMPONENTS, Scorer, optimal_score, weigh
from ..search.balance import Balancer, Move, Rules, policy_violations
from ..search.jobsets import job_sets
from .balance_document import tell_plan
from .commands import Names, move_text, print_commands, write_script
from .dumps import general, score_table, show_policy
from .groups import choose_group, instances_in, split_instances
from .output import note, say
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import (
    adjust,
    instance_aliases,
    node_aliases,
    read_cluster,
    save_cluster,
    snapshot,
)
from .tables import print_instances, print_nodes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = read_cluster(settings)
    loaded = snapshot(cluster)
    cluster = adjust(cluster, settings)
    if settings.json and not settings.explain:
        return _tell_document(cluster, settings)
    _introduce(cluster, settings)
    if not cluster.instances:
        say("Cluster is empty, exiting.")
        return 0
    _tell_size(cluster, settings)
    _tell_split(cluster, settings)
    save_cluster(loaded, settings, "original", "before balancing ")
    group, nodes = choose_group(cluster, settings.group, only_used=True)
    return _Run(cluster, settings, group, nodes).run()


def _tell_document(cluster: Cluster, settings: Settings) -> int:
    """Print the plan as one JSON document, and nothing for people."""
    if not cluster.instances:
        tell_plan(cluster, None, 0.0, [])
        return 0
    run = _Run(cluster, settings, *choose_group(cluster, settings.group, only_used=True))
    with redirect_stdout(StringIO()):
        run.run()
    tell_plan(cluster, cluster.description.groups[run.group].name, run.start, run.moves)
    return 0


def _introduce(cluster: Cluster, settings: Settings) -> None:
    description = cluster.description
    if settings.verbosity > 1:
        say(f"Loaded cluster tags: {','.join(description.tags)}")
        say(f"Loaded cluster ipolicy: {show_policy(description.policy)}")


def _tell_size(cluster: Cluster, settings: Settings) -> None:
    say(f"Loaded {cluster.node_count} nodes, {len(cluster.instances)} instances")
    suffix = common_suffix(cluster.description)
    if settings.verbosity > 1 and suffix:
        say(f"Note: Stripping common suffix of '{suffix}' from names")


def _tell_split(cluster: Cluster, settings: Settings) -> None:
    names = split_instances(cluster)
    if names and settings.verbosity > 1:
        note("Found instances belonging to multiple node groups:")
        for name in names:
            note(f"  {name}")
        note("These instances will not be moved.")


def rules_of(settings: Settings) -> Rules:
    """The balancing rules that the options ask for."""
    return Rules(
        disk_moves=settings.disk_moves,
        instance_moves=settings.instance_moves,
        restricted_migration=settings.restricted_migration,
        evacuation=settings.evacuation,
        soft=settings.soft,
        min_gain=settings.min_gain,
        min_gain_limit=settings.min_gain_limit,
    )


class _Run:
    """One run on one group."""

    def __init__(self, cluster: Cluster, settings: Settings, group: int, nodes: Ints) -> None:
        self.cluster = cluster
        self.settings = settings
        self.group = group
        self.nodes = nodes
        self.members = instances_in(cluster, group)
        self.node_names = node_aliases(cluster)
        self.instance_names = instance_aliases(cluster)
        self.components: Floats = np.zeros(len(COMPONENTS))
        self.explained: list[dict[str, object]] = []
        self.start = 0.0
        self.moves: list[Move] = []

    def run(self) -> int:
        cluster, settings = self.cluster, self.settings
        name = cluster.description.groups[self.group].name
        say(f"Group size {len(self.nodes)} nodes, {len(self.members)} instances")
        say(f"Selected node group: {name}")
        self._tell_health()
        print_instances(cluster, settings.print_instances, "Initial", self.members)
        print_nodes(cluster, settings.print_nodes, "Initial cluster", self.nodes)
        before = cluster.copy()
        scorer = Scorer(cluster, self.nodes)
        start = self.start = scorer.base()
        self._tell_score("Initial", scorer)
        optimal = optimal_score(cluster, self.nodes)
        if start - optimal < settings.min_score:
            self._tell_balanced(start, optimal)
            return 0
        moves = self.moves = self._balance(optimal)
        self._tell_outcome(start, moves)
        self._hand_out(moves)
        nodes = self.nodes.tolist()
        save_cluster(cluster, settings, "balanced", "after balancing ", nodes)
        print_instances(cluster, settings.print_instances, "Final", self.members)
        print_nodes(cluster, settings.print_nodes, "Final cluster", self.nodes)
        if settings.verbosity > 3:
            self._tell_resources(before, "Original:")
            self._tell_resources(cluster, "Final:   ")
        return 0

    def _tell_health(self) -> None:
        cluster, nodes = self.cluster, self.nodes
        bad = nodes[cluster.state.failing[nodes] & ~cluster.site.offline[nodes]]
        if self.settings.verbosity >= 1:
            members = {i for node in bad for i in cluster.primaries[node]}
            members |= {i for node in bad for i in cluster.secondaries[node]}
            say(f"Initial check done: {len(bad)} bad nodes, {len(members)} bad instances.")
        if self.settings.verbosity > 4:
            self._tell_nodes(bad)
        if len(bad):
            say(
                "Cluster is not N+1 happy, continuing but no guarantee that the cluster will "
                "end N+1 happy."
            )
        good = nodes[~np.isin(nodes, bad)]
        self._tell_violations(int(policy_violations(cluster, good).sum()))

    def _tell_nodes(self, bad: Ints) -> None:
        names = [self.node_names[node] for node in bad.tolist()]
        good = [self.node_names[node] for node in self.nodes.tolist() if node not in bad]
        say(f"Bad nodes: {_quoted(names)}")
        say(f"N+1 happy nodes: {_quoted(good)}")
        broken = policy_violations(self.cluster, self.nodes).tolist()
        status = ",".join(
            f'("{self.node_names[node]}",{"Bad FailCPU" if is_bad else "Ok ()"})'
            for node, is_bad in zip(self.nodes.tolist(), broken, strict=True)
        )
        say(f"Node policy status: [{status}]")

    def _tell_violations(self, count: int) -> None:
        if not count:
            return
        say(f"The cluster contains {count} policy-violating nodes.")
        if self.settings.soft:
            say("Continuing, ignoring soft errors.")
        else:
            say(
                "Continuing, but the set of moves might be too restricted; consider using the "
                "--ignore-soft-errors option."
            )

    def _tell_score(self, when: str, scorer: Scorer) -> None:
        components = scorer.components()
        score = float(weigh(components)[0])
        if self.settings.verbosity > 2:
            gap = " " if when == "Initial" else "   "
            say(f"{when} coefficients:{gap}overall {fixed(score, 8)}")
            say(score_table(components[:, 0] if len(scorer.online) else None))
        elif when == "Initial":
            say(f"Initial score: {fixed(score, 8)}")

    def _tell_balanced(self, start: float, optimal: float) -> None:
        say(f"Cluster is already well balanced (initial score {general(start)},")
        say(f"optimum score due to N+1 reservations {general(optimal)},")
        say(f"minimum score {general(self.settings.min_score)}).")
        say("Nothing to do, exiting")

    def _balance(self, optimal: float) -> list[Move]:
        settings = self.settings
        say("Trying to minimize the CV...")
        balancer = Balancer(self.cluster, self.nodes, rules_of(settings))
        self.components = balancer.scorer.components()[:, 0]
        lowest = optimal + settings.min_score
        moves: list[Move] = []
        widths = (
            max((len(self.instance_names[i]) for i in self.members), default=0),
            2 * max((len(self.node_names[n]) for n in self.nodes.tolist()), default=0) + 1,
        )
        limit = settings.max_length
        while limit < 0 or len(moves) < limit:
            if balancer.score <= lowest:
                break
            move = balancer.step()
            if move is None:
                self._explain_end(balancer)
                break
            moves.append(move)
            say(self._line(len(moves), move, widths))
            self._explain(move, balancer)
        self._explain_all()
        return moves

    def _explain(self, move: Move, balancer: Balancer) -> None:
        """Return which components of the score a move has changed, by how much."""
        if not self.settings.explain:
            return
        now = balancer.scorer.components()[:, 0]
        changes = {
            name: weight * float(new - old)
            for (name, weight), new, old in zip(COMPONENTS, now, self.components, strict=True)
            if new != old
        }
        self.components = now
        self.explained.append(
            {
                "instance": self.cluster.instances[move.instance].name,
                "move": move_text(move, self.node_names),
                "score": move.score,
                "changes": changes,
            }
        )
        if not self.settings.json:
            for name, change in sorted(changes.items(), key=lambda item: item[1]):
                say(f"         {name:<24} {change:+.8f}")

    def _explain_end(self, balancer: Balancer) -> None:
        if self.settings.explain and not self.settings.json:
            from ..explained_balance import why_no_more

            for text in why_no_more(balancer, self.members):
                say(f"         not moved: {text}")

    def _explain_all(self) -> None:
        if self.settings.explain and self.settings.json:
            import json

            say(json.dumps(self.explained))

    def _line(self, number: int, move: Move, widths: tuple[int, int]) -> str:
        name = self.instance_names[move.instance].ljust(widths[0])
        old, new = (self._pair(pair).ljust(widths[1]) for pair in (move.source, move.result))
        text = move_text(move, self.node_names)
        return f"  {number:3d}. {name} {old} => {new} {fixed(move.score, 8):>12} a={text}"

    def _pair(self, pair: tuple[int, int]) -> str:
        return ":".join(self.node_names[node] for node in pair if node >= 0)

    def _tell_outcome(self, start: float, moves: list[Move]) -> None:
        if self.settings.verbosity > 2 and moves:
            self._tell_score("Final", Scorer(self.cluster, self.nodes))
        elif moves:
            say(f"Cluster score improved from {fixed(start, 8)} to {fixed(moves[-1].score, 8)}")
        else:
            say("No solution found")
        if self.settings.verbosity >= 1:
            say(f"Solution length={len(moves)}")

    def _hand_out(self, moves: list[Move]) -> None:
        """Print or write the commands, and run them if asked to."""
        settings, cluster = self.settings, self.cluster
        sets = job_sets(cluster, moves)
        if settings.first_job_group:
            sets = sets[:1]
        names = Names(self.node_names, self.instance_names)
        if settings.print_commands:
            write_script(cluster, sets, names, settings.print_commands)
        elif settings.print_commands is not None:
            heading = "Commands to run to reach the above solution:"
            if settings.first_job_group:
                heading = "First set of jobs:"
            print_commands(cluster, sets, names, heading)
        if settings.execute and sets:
            if settings.luxi is None:
                raise PlacementError("hbal: Execution of commands possible only on LUXI")
            from .submission import run_job_sets

            run_job_sets(cluster, sets, settings)

    def _tell_resources(self, cluster: Cluster, title: str) -> None:
        memory = cluster.state.free_mem[self.nodes].sum()
        disk = cluster.state.free_disk[self.nodes].sum()
        say(f"{title} mem={memory:.0f} disk={disk:.0f}")


def _quoted(names: Sequence[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


_TOOL = Tool(
    "hbal",
    (
        "print-nodes", "print-instances", "print-commands", "text-data", "evac-mode",
        "restricted-migration", "master", "luxi", "ialloc-src", "exec", "first-job-group",
        "reason", "group", "max-length", "verbose", "quiet", "offline",
        "static-kvm-node-memory", "min-score", "max-cpu", "min-disk", "min-gain",
        "min-gain-limit", "no-disk-moves", "select-instances", "no-instance-moves",
        "ignore-soft-errors", "dynu-file", "ignore-dynu", "mond", "mond-data",
        "exit-on-missing-mond-data", "mond-xen", "exclusion-tags", "exclude-instances", "save",
        "priority",
    ),
    _run,
    extra=("explain", "json"),
)
