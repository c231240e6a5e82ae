"""``gnt-node restricted-command``: what administrators allow, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster

LINE = "-" * 48


@pytest.fixture
def folder(cluster: VirtualCluster) -> Iterator[Path]:
    """The folder of node2, with a command that works and one that fails."""
    found = cluster.paths("node2").etc / "restricted-commands"
    found.mkdir(mode=0o755)
    for name, text in (("hello", "echo hello; echo $#$HOME >&2"), ("broken", "exit 3")):
        (found / name).write_text(f"#!/bin/sh\n{text}\n")
        (found / name).chmod(0o755)
    yield found
    for file in found.iterdir():
        file.unlink()
    found.rmdir()


@pytest.mark.usefixtures("folder")
def test_a_command_runs_where_it_is_allowed(cluster: VirtualCluster) -> None:
    ran = cluster.gnt("gnt-node", "restricted-command", "hello", "node2")
    assert ran.lines == [LINE, "Node: node2.example.com", "hello", "0"]
    ran = cluster.try_("gnt-node", "restricted-command", "-M", "--sync", "hello", "node2",
                       "node3")
    assert (ran.status, ran.lines) == (1, [
        LINE, "node2.example.com: hello", "node2.example.com: 0", LINE,
        "Command 'hello' on node 'node3.example.com' failed: Executing command 'hello' failed"])


@pytest.mark.parametrize("command", ["nosuch", "broken", "../ganeti/restricted-commands/hello"])
def test_why_it_failed_stays_on_the_node(
    cluster: VirtualCluster, folder: Path, command: str
) -> None:
    ran = cluster.try_("gnt-node", "restricted-command", command, "node2")
    assert (ran.status, ran.lines) == (1, [
        LINE, f"Command '{command}' on node 'node2.example.com' failed: Executing command"
              f" '{command}' failed"])


def test_what_others_can_write_is_refused(cluster: VirtualCluster, folder: Path) -> None:
    (folder / "hello").chmod(0o777)
    ran = cluster.try_("gnt-node", "restricted-command", "hello", "node2")
    assert ran.status == 1
    assert "can be written by others" in (
        cluster.paths("node2").log / "node-daemon.log").read_text()


def test_nodes_must_be_named(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-node", "restricted-command", "hello")
    assert ran.stderr == ("Failure: prerequisites not met for this operation:\nerror type:"
                          " wrong_input, error details:\nNode group or node names must be given\n")
