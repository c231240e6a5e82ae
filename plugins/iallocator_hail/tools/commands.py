"""Moves as commands for people and shells."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PlacementError
from ..model.cluster import Cluster
from ..records import RUNNING_STATUSES
from ..search.balance import Move
from ..search.jobsets import steps
from ..search.moves import Kind
from .output import say

_SCRIPT_HEAD = """#!/bin/sh

# Auto-generated script for executing cluster rebalancing

# To stop, touch the file /tmp/stop-htools

set -e

check() {
  if [ -f /tmp/stop-htools ]; then
    echo 'Stop requested, exiting'
    exit 0
  fi
}

"""


class Names:
    """Names of nodes and instances, short or full."""

    def __init__(self, nodes: Sequence[str], instances: Sequence[str]) -> None:
        self.nodes = nodes
        self.instances = instances


def move_text(move: Move, nodes: Sequence[str]) -> str:
    """A move in short: `f` fails over, `r:node` replaces the secondary, `fa:node` moves."""
    words = {
        Kind.FAILOVER: "f",
        Kind.FAILOVER_TO: f"fa:{nodes[move.target]}",
        Kind.REPLACE_SECONDARY: f"r:{nodes[move.target]}",
    }
    return " ".join(words[kind] for kind, _ in steps(move))


def commands(cluster: Cluster, move: Move, names: Names) -> list[str]:
    """The commands that make a move."""
    instance = names.instances[move.instance]
    running = cluster.instances[move.instance].status in RUNNING_STATUSES
    verb = "migrate" if running else "failover"
    result = []
    for kind, target in steps(move):
        node = names.nodes[target]
        if kind is Kind.REPLACE_SECONDARY:
            result.append(f"replace-disks -n {node} {instance}")
        elif kind is Kind.FAILOVER_TO:
            result.append(f"{verb} -f -n {node} {instance}")
        else:
            result.append(f"{verb} -f {instance}")
    return [f"gnt-instance {command}" for command in result]


def job_lines(
    cluster: Cluster, sets: Sequence[Sequence[Move]], names: Names, *, checked: bool = False
) -> list[str]:
    """The lines of a script that makes all moves; `checked` lets each job be stopped."""
    lines = []
    for number, jobs in enumerate(sets, 1):
        lines += ["", f"echo jobset {number}, {len(jobs)} jobs"]
        for position, move in enumerate(jobs, 1):
            lines.append(f"  echo job {number}/{position}")
            if checked:
                lines.append("  check")
            lines += [f"  {command}" for command in commands(cluster, move, names)]
    return lines


def print_commands(
    cluster: Cluster, sets: Sequence[Sequence[Move]], names: Names, heading: str
) -> None:
    """Print the commands under a heading."""
    say()
    say(heading)
    for line in job_lines(cluster, sets, names):
        say(f"  {line}")


def write_script(
    cluster: Cluster, sets: Sequence[Sequence[Move]], names: Names, path: str
) -> None:
    """Write the commands as a shell script.

    :raises PlacementError: the file cannot be written.
    """
    write_lines(path, job_lines(cluster, sets, names, checked=True))


def write_lines(path: str, lines: Sequence[str]) -> None:
    """Write the lines of a script, which may call `check` to be stopped from outside.

    :raises PlacementError: the file cannot be written.
    """
    text = _SCRIPT_HEAD + "".join(f"{line}\n" for line in lines)
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as exc:
        raise PlacementError(f"{path}: cannot be written: {exc.strerror}") from exc
    say(f"The commands have been written to file '{path}'")
