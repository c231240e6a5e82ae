"""What needs a driver that a node lacks, or has in another version, is refused before it acts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unequal import provide, start_with
from virtual_cluster import VirtualCluster

OLD_GUESTS = (
    "Node 'node3.example.com' has the hypervisor 'pretender' (ganeti-pretender 1.5) with state "
    "version 1, which cannot read version 2, that the master has: install the newer one on node "
    "'node3.example.com', then run gnt-plugin reload")
NO_GUESTS = (
    "Node 'node4.example.com' has no hypervisor 'pretender': install ganeti-pretender 2.0 on node "
    "'node4.example.com', as the master has it, then run gnt-plugin reload")
OLD_DISKS = "Node 'node3.example.com' has the disk template 'twin' (ganeti-twin 1.5)"
NO_DISKS = ("Node 'node4.example.com' has no disk template 'twin': install ganeti-twin 2.0 on "
            "node 'node4.example.com'")
ADD = ("gnt-instance", "add", "--no-install", "--no-name-check", "--no-ip-check", "-o",
       "debootstrap", "--no-nics", "-B", "memory=128M")
DISKLESS = (*ADD, "-t", "diskless")
PAIR = (*ADD, "-t", "twin", "--disk", "0:size=10M")


@pytest.fixture(scope="module", autouse=True)
def others_find_it_as_it_was(skewed: VirtualCluster) -> Iterator[None]:
    yield
    start_with(skewed, "node2", skewed.root.parent / "new")
    for (name,) in skewed.instances("name"):
        skewed.gnt("gnt-instance", "remove", "-f", name)


def refused(cluster: VirtualCluster, reason: str, *words: str) -> None:
    """The command fails for this reason, and no hook that changes anything was called."""
    def changing() -> list[str]:
        return [line for node in ("node1", "node2", "node3", "node4")
                for line in (cluster.paths(node).log / "node-daemon.log").read_text().splitlines()
                if ", epoch" in line and " node." not in line]

    before = changing()
    ran = cluster.try_(*words)
    assert ran.status != 0, ran
    assert reason in ran.stderr, ran
    assert changing() == before, "something was changed"


def test_creations_are_refused_by_name(skewed: VirtualCluster) -> None:
    for node, reason in (("node3", OLD_GUESTS), ("node4", NO_GUESTS)):
        refused(skewed, reason, *DISKLESS, "-H", "pretender", "-n", node, "one.example.com")
    for nodes, reason in (("node1:node3", OLD_DISKS), ("node4:node1", NO_DISKS),
                          ("node1:node4", NO_DISKS)):
        refused(skewed, reason, *PAIR, "-n", nodes, "two.example.com")


def test_dry_runs_say_it_too(skewed: VirtualCluster) -> None:
    refused(skewed, OLD_GUESTS, *DISKLESS, "--dry-run", "-H", "pretender", "-n", "node3",
            "dry.example.com")


def test_what_exists_moves_only_to_nodes_that_can_take_it(skewed: VirtualCluster) -> None:
    skewed.gnt(*DISKLESS, "-H", "pretender", "-n", "node1", "guest.example.com")
    skewed.gnt(*PAIR, "-n", "node1:node2", "pair.example.com")
    for node, reason in (("node3", OLD_GUESTS), ("node4", NO_GUESTS)):
        for move in ("migrate", "failover"):
            refused(skewed, reason, "gnt-instance", move, "-f", "-n", node, "guest.example.com")
    for node, reason in (("node3", OLD_DISKS), ("node4", NO_DISKS)):
        refused(skewed, reason, "gnt-instance", "replace-disks", "-n", node, "pair.example.com")
    skewed.gnt("gnt-instance", "stop", "pair.example.com")
    for file in (skewed.root / "node1").rglob("*.twin"):
        file.unlink()
    refused(skewed, OLD_DISKS, "gnt-instance", "recreate-disks", "-n", "node1:node3",
            "pair.example.com")
    skewed.gnt("gnt-instance", "remove", "-f", "pair.example.com")
    skewed.gnt(*PAIR, "-n", "node1:node2", "--no-start", "pair.example.com")


def test_an_allocator_leaves_such_nodes_out_and_says_why(skewed: VirtualCluster) -> None:
    add = (*DISKLESS, "-I", "hail", "-H", "pretender", "chosen.example.com")
    explained, ran = skewed.gnt(*add[:-1], "--explain", add[-1]), skewed.gnt(*add)
    for node, reason in (("node3", OLD_GUESTS), ("node4", NO_GUESTS)):
        name = f"{node}.example.com"
        assert f"no instance is placed on node {name}: {reason}" in ran.stdout, ran
        assert f"{name}: left out: {reason}" in explained.stdout, explained
    [[where]] = skewed.table("gnt-instance", "list", "-o", "pnode", "chosen.example.com")
    assert where in ("node1.example.com", "node2.example.com")


def test_a_node_for_copies_is_chosen_among_those_that_can_have_them(
    skewed: VirtualCluster,
) -> None:
    skewed.gnt("gnt-instance", "add", "-t", "file", "-s", "1M", "--no-install", "-o", "noop",
               "-B", "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check", "--no-start",
               "-n", "node1", "alone.example.com")
    ran = skewed.gnt("gnt-instance", "modify", "-t", "twin", "-I", "hail", "alone.example.com")
    for node, reason in (("node3", OLD_DISKS), ("node4", NO_DISKS)):
        assert f"no instance is placed on node {node}.example.com: {reason}" in ran.stdout, ran
    assert skewed.table("gnt-instance", "list", "-o", "snodes", "alone.example.com") == [
        ["node2.example.com"]]
    skewed.gnt("gnt-instance", "remove", "-f", "alone.example.com")


def test_a_daemon_that_is_started_anew_is_known_at_once(skewed: VirtualCluster) -> None:
    start_with(skewed, "node2", None)
    refused(skewed, NO_DISKS.replace("node4", "node2"), "gnt-instance", "start", "pair.example.com")
    refused(skewed, NO_DISKS.replace("node4", "node2"), "gnt-instance", "modify", "--disk",
            "add:size=10M", "pair.example.com")
    start_with(skewed, "node2", provide(skewed.root / "newest", 3, "3.0"))
    skewed.gnt("gnt-instance", "start", "pair.example.com")
    # State of version 3 can be read by its own version only, also where the master has version 2.
    skewed.gnt("gnt-instance", "failover", "-f", "pair.example.com")
    refused(skewed, "cannot read version 3, that node 'node2.example.com' has", "gnt-instance",
            "failover", "-f", "pair.example.com")
