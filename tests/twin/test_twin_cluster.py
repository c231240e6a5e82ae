"""Instances whose disks are on two nodes, by a template of a third party, in a running cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from virtual_cluster import SCRIPTS, VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout

NAME = "pair.example.com"
NEW = ("-t", "twin", "--no-install", "-o", "noop", "-B", "memory=64M", "--no-nics",
       "--no-name-check", "--no-ip-check")


@pytest.fixture
def cluster(pairs: VirtualCluster) -> Iterator[VirtualCluster]:
    yield pairs
    pairs.bring_back()
    for node in ("node1", "node2", "node3", "node4"):
        pace(pairs, node, None)
    for (name,) in pairs.instances("name"):
        pairs.gnt("gnt-instance", "remove", "-f", name)
    for node in ("node1", "node2", "node3", "node4"):
        assert files(pairs, node) == []
    assert disks(pairs) == []


@pytest.fixture
def pair(cluster: VirtualCluster) -> VirtualCluster:
    cluster.gnt("gnt-instance", "add", *NEW, "--disk", "0:size=2M", "--disk", "1:size=1M",
                "-n", "node1:node2", NAME)
    return cluster


def pace(cluster: VirtualCluster, node: str, seconds: float | None) -> None:
    """Let the process that fills copies on a node rest so long between two parts."""
    file = cluster.paths(node).root / "etc/ganeti/twin-pace"
    if seconds is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(str(seconds))


def files(cluster: VirtualCluster, node: str) -> list[str]:
    """What the template, and that of its children, left on a node."""
    keep = cluster.paths(node).data / "plugins/disk_templates/twin"
    below = cluster.paths(node).root / "srv/ganeti/file-storage"
    return sorted(path.name for folder in (keep, below) for path in folder.rglob("*")
                  if path.is_file())


def disks(cluster: VirtualCluster) -> list[dict[str, Any]]:
    document = json.loads(cluster.gnt("gnt-cluster", "export-config").stdout)
    return list(document["disks"].values())


def nodes(cluster: VirtualCluster) -> list[str]:
    [row] = cluster.instances("pnode", "snodes")
    return [name.split(".")[0] for name in row]


def minors(cluster: VirtualCluster) -> dict[str, set[str]]:
    """The numbers in use, as each node has them."""
    return {node: {path.read_text() for path in (
        cluster.paths(node).data / "plugins/disk_templates/twin").glob("*.twin")}
        for node in ("node1", "node2", "node3", "node4")}


def test_a_new_instance_waits_for_its_copies(cluster: VirtualCluster) -> None:
    pace(cluster, "node2", 0.1)
    made = cluster.gnt("gnt-instance", "add", *NEW, "-s", "2M", "-n", "node1:node2", NAME)
    assert f"Waiting for instance {NAME} to sync disks" in made.stdout
    assert "% done" in made.stdout
    assert f"Instance {NAME}'s disks are in sync" in made.stdout
    cluster.verify()


def test_looks_that_fail_do_not_end_the_wait_for_copies(cluster: VirtualCluster) -> None:
    """On a busy node a driver was ended at its limit: the new instance was taken away again."""
    pace(cluster, "node2", 0.1)
    dies = cluster.paths("node1").root / "etc/ganeti/twin-dies"
    dies.write_text("2")
    made = cluster.gnt("gnt-instance", "add", *NEW, "-s", "2M", "-n", "node1:node2", NAME)
    assert dies.read_text() == "0"
    dies.unlink()
    assert "asking again" in made.stdout
    assert f"Instance {NAME}'s disks are in sync" in made.stdout
    cluster.verify()


def test_nodes_are_chosen_for_both_copies(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "1M", NAME)
    assert len(set(nodes(cluster))) == 2


def test_what_is_planned_on_the_master_can_be_watched(cluster: VirtualCluster) -> None:
    environment = os.environ | Layout.load(cluster.root).node("master").environment()
    with subprocess.Popen(
            [SCRIPTS / "gnt-plugin", "trace", "disk_template:twin", "--seconds", "60", "--node",
             "node2"], env=environment, stdout=subprocess.PIPE, text=True) as trace:
        assert trace.stdout is not None
        assert "by the master, and on node2" in trace.stdout.readline()
        cluster.gnt("gnt-instance", "add", *NEW, "-s", "1M", "-n", "node1:node2", NAME)
        seen: set[str] = set()
        wanted = {"master layout", "master steps", "create"}
        while not wanted <= seen and (line := trace.stdout.readline()):
            seen.add(re.sub(r"^\S+ ((?:master )?\w+) [\d.]+ms .*", r"\1", line.strip()))
        trace.terminate()
    assert wanted <= seen


def test_two_nodes_are_needed(cluster: VirtualCluster) -> None:
    refused = cluster.try_("gnt-instance", "add", *NEW, "-s", "1M", "-n", "node1", NAME)
    assert refused.status == 1
    assert "needs 2 node(s), 1 given" in refused.stderr


def test_both_copies_cannot_lie_on_one_node(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    for words in (("add", *NEW, "-s", "1M", "-n", "node3:node3", "same.example.com"),
                  ("recreate-disks", "-n", "node3:node3", NAME)):
        refused = pair.try_("gnt-instance", *words)
        assert refused.status == 1
        assert "cannot be the primary node: node3.example.com is given twice" in refused.stderr


def test_a_silent_node_is_named_once_whichever_it_is(pair: VirtualCluster) -> None:
    pair.tool("stop", "node2")
    for words in (("add", *NEW, "-s", "1M", "-n", "node1:node2", "new.example.com"),
                  ("failover", "-f", NAME)):
        refused = pair.try_("gnt-instance", *words)
        assert refused.status == 1
        assert refused.stderr.count("cannot be asked") == 1, refused
        assert "node2.example.com cannot be asked at" in refused.stderr
        assert "node1" not in refused.stderr


def test_numbers_are_unique_on_a_node_and_given_back(pair: VirtualCluster) -> None:
    assert [len(numbers) for numbers in minors(pair).values()] == [2, 2, 0, 0]
    pair.gnt("gnt-instance", "add", *NEW, "-s", "1M", "-n", "node2:node3", "second.example.com")
    assert [len(numbers) for numbers in minors(pair).values()] == [2, 3, 1, 0]
    before = minors(pair)["node2"]
    pair.gnt("gnt-instance", "remove", "-f", "second.example.com")
    pair.gnt("gnt-instance", "add", *NEW, "-s", "1M", "-n", "node4:node2", "third.example.com")
    assert minors(pair)["node2"] == before


@pytest.mark.parametrize("how", ["failover", "migrate"])
def test_it_moves_to_its_other_node_and_back(pair: VirtualCluster, how: str) -> None:
    for expected in (["node2", "node1"], ["node1", "node2"]):
        pair.gnt("gnt-instance", how, "-f", NAME)
        assert nodes(pair) == expected
    pair.verify()


def test_it_survives_its_primary_node(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    pair.tool("stop", "--crash", "node2")
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert nodes(pair) == ["node1", "node2"]
    pair.tool("start")
    pair.gnt("gnt-node", "modify", "--offline=no", "node2")
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.verify()


def test_a_copy_that_missed_something_is_no_place_to_fail_over_to(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "startup", NAME)
    pair.gnt("gnt-node", "modify", "--offline=no", "node2")
    refused = pair.try_("gnt-instance", "failover", "-f", NAME)
    assert refused.status == 1
    assert "has a copy that is older than another" in refused.stderr
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert nodes(pair) == ["node2", "node1"]


def test_growing_grows_both(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "grow-disk", NAME, "0", "4M")
    sizes = [sorted(path.stat().st_size >> 20 for path in (
        pair.paths(node).root / "srv/ganeti/file-storage").rglob("*.disk0"))
        for node in ("node1", "node2")]
    assert sizes == [[8], [8]]
    grown = next(disk for disk in disks(pair) if disk["size"] == 8)
    assert [child["size"] for child in grown["children"]] == [8]


def test_a_copy_is_replaced_by_one_on_another_node(pair: VirtualCluster) -> None:
    told = pair.gnt("gnt-instance", "replace-disks", "-n", "node3", NAME)
    assert "disks are in sync" in told.stdout
    assert nodes(pair) == ["node1", "node3"]
    assert files(pair, "node2") == []
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert nodes(pair) == ["node3", "node1"]
    pair.verify()


def test_a_copy_is_made_anew_where_it_was(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "replace-disks", "-s", NAME)
    assert nodes(pair) == ["node1", "node2"]
    pair.verify()


def test_a_lost_copy_is_found_and_replaced(pair: VirtualCluster) -> None:
    assert "No disks need replacement" in pair.gnt(
        "gnt-instance", "replace-disks", "-a", NAME).stdout
    for lost in (pair.paths("node2").data / "plugins/disk_templates/twin").glob("*.twin"):
        lost.unlink()
    pair.gnt("gnt-instance", "replace-disks", "-a", NAME)
    assert len(minors(pair)["node2"]) == 2
    pair.verify()


def test_the_copies_of_a_dead_node_go_elsewhere(pair: VirtualCluster) -> None:
    pair.tool("stop", "--crash", "node2")
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-node", "evacuate", "-f", "-s", "-n", "node4", "node2")
    assert nodes(pair) == ["node1", "node4"]
    assert files(pair, "node2") != []
    pair.tool("start")
    pair.gnt("gnt-node", "modify", "--offline=no", "node2")
    wait_until(lambda: files(pair, "node2") == [], "what was owed to node2 is removed")


def lose(cluster: VirtualCluster, *nodes: str) -> None:
    """Let the nodes have nothing of any disk; the copies of all, and nobody knows of them."""
    for node in nodes:
        keep = cluster.paths(node).data / "plugins/disk_templates/twin"
        for folder in (keep, cluster.paths(node).root / "srv/ganeti/file-storage"):
            for path in folder.rglob("*"):
                if path.is_file():
                    path.unlink()
    for path in (cluster.root / "node1/srv/ganeti/shared-file-storage/.twin").glob("*-*"):
        path.unlink()


@pytest.mark.parametrize(("words", "now"), [
    ((), ["node1", "node2"]), (("-n", "node2:node3"), ["node2", "node3"])])
def test_lost_copies_are_made_anew(
    pair: VirtualCluster, words: tuple[str, ...], now: list[str],
) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    lose(pair, "node1", "node2")
    pair.gnt("gnt-instance", "recreate-disks", *words, NAME)
    assert nodes(pair) == now
    assert [len(minors(pair)[node]) for node in now] == [2, 2]
    pair.gnt("gnt-instance", "startup", NAME)
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    pair.verify()


def test_a_copy_that_is_left_is_not_made_anew_with_the_lost_one(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    lose(pair, "node1")
    before = files(pair, "node2")
    refused = pair.try_("gnt-instance", "recreate-disks", NAME)
    assert refused.status == 1
    assert f"Disk 0 of instance {NAME} exists on node node2.example.com" in refused.stderr
    assert files(pair, "node2") == before


def test_what_cannot_be_replaced_is_refused(pair: VirtualCluster) -> None:
    for words, reason in (
        (("-n", "node1"), "is the primary node"), (("-n", "node2"), "already the secondary"),
        (("-s", "--disks", "7"), "Invalid disk index 7"), (("-p",), "fail pair.example.com over"),
    ):
        refused = pair.try_("gnt-instance", "replace-disks", *words, NAME)
        assert refused.status == 1
        assert reason in refused.stderr, refused


def test_placement_programs_know_what_its_instances_need(cluster: VirtualCluster) -> None:
    """They move between their two nodes, and new ones need two."""
    for number in (1, 2, 3):
        cluster.gnt("gnt-instance", "add", *NEW, "-s", "1M", "-n", "node1:node2",
                    f"twin{number}.example.com")
    balanced = cluster.gnt("hbal", "-L", "-C", "--no-disk-moves")
    assert "Solution length=" in balanced.stdout, balanced
    assert "gnt-instance migrate" in balanced.stdout
    cluster.gnt("hbal", "-L", "-X", "--no-disk-moves", timeout=120)
    primaries = [pnode.split(".")[0] for (pnode,) in cluster.instances("pnode")]
    assert sorted(set(primaries)) == ["node1", "node2"]
    cluster.verify()
    cluster.gnt("gnt-cluster", "modify", "--ipolicy-disk-templates=twin,file,diskless")
    room = cluster.gnt("hspace", "-L", "--machine-readable").stdout
    cluster.gnt("gnt-cluster", "modify", "--ipolicy-disk-templates=diskless,file,twin")
    said = dict(line.split("=", 1) for line in room.splitlines() if "=" in line)
    assert {value for name, value in said.items() if name.endswith("_DISK_TEMPLATE")} == {"twin"}
    assert {value for name, value in said.items() if name.endswith("_RQN")} == {"2"}
