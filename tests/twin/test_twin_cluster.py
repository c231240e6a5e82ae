"""Instances whose disks are on two nodes, by a template of a third party, in a running cluster."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from virtual_cluster import SCRIPTS, VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.plugin_api.testing.faults import write_faults

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


def in_use(cluster: VirtualCluster) -> dict[str, int]:
    """How many disks are open on each node."""
    wire = cluster.root / "node1/srv/ganeti/shared-file-storage/.twin"
    rows = cluster.table("gnt-node", "list", "-o", "uuid,name")
    names = {uuid: name.split(".")[0] for uuid, name in rows}
    return dict(sorted(Counter(names[uuid] for path in wire.glob("*.json")
                               for uuid in json.loads(path.read_text()).get("open", {})).items()))


def ended(cluster: VirtualCluster, job: str, how: str) -> None:
    """Wait until a job has ended, and see how."""
    wait_until(lambda: [[how]] == cluster.table("gnt-job", "list", "-o", "status", job),
               f"job {job} ended with {how}")


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


@pytest.mark.parametrize("running", [True, False])
def test_a_replacement_that_is_given_up_leaves_disks_as_they_were(
    pair: VirtualCluster, running: bool
) -> None:
    if not running:
        pair.gnt("gnt-instance", "shutdown", NAME)
    before, left = in_use(pair), files(pair, "node2")
    pace(pair, "node3", 1.0)
    job = pair.submit("gnt-instance", "replace-disks", "-n", "node3", NAME)
    wait_until(lambda: "% done" in pair.gnt("gnt-job", "info", job).stdout, "the copies are filled")
    pair.try_("gnt-job", "cancel", job)
    ended(pair, job, "canceled")
    assert nodes(pair) == ["node1", "node2"]
    assert (in_use(pair), files(pair, "node2"), files(pair, "node3")) == (before, left, [])


def test_copies_of_a_stopped_instance_are_filled_however_early_the_old_ones_may_go(
    pair: VirtualCluster,
) -> None:
    """They were closed before they were filled, and the old ones were gone by then."""
    pair.gnt("gnt-instance", "shutdown", NAME)
    pace(pair, "node3", 0.1)
    told = pair.gnt("gnt-instance", "replace-disks", "--early-release", "-n", "node3", NAME)
    assert "disks are in sync" in told.stdout
    assert (in_use(pair), files(pair, "node2")) == ({}, [])
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert nodes(pair) == ["node3", "node1"]


def test_a_node_that_was_chosen_for_copies_is_kept_as_it_is(pair: VirtualCluster) -> None:
    """It could be drained, or removed, while its copies were filled, and got them all the same."""
    pair.gnt("gnt-node", "modify", "--drained=yes", "node4")
    pace(pair, "node3", 0.3)
    try:
        replacing = pair.submit("gnt-instance", "replace-disks", "-I", "hail", NAME)
        wait_until(lambda: "% done" in pair.gnt("gnt-job", "info", replacing).stdout,
                   "the copies are filled")
        draining = pair.submit("gnt-node", "modify", "--drained=yes", "node3")
        wait_until(lambda: pair.table(
            "gnt-job", "list", "-o", "status", draining)[0] == ["waiting"], "the other job waits")
        ended(pair, replacing, "success")
        ended(pair, draining, "success")
        assert nodes(pair) == ["node1", "node3"]
    finally:
        for node in ("node3", "node4"):
            pair.gnt("gnt-node", "modify", "--drained=no", node)


def test_a_disk_that_a_running_instance_gets_has_its_copy(pair: VirtualCluster) -> None:
    """It was made and not opened: nothing filled its copy, and the instance could not migrate."""
    pace(pair, "node2", 0.1)
    told = pair.gnt("gnt-instance", "modify", "--disk", "add:size=4M", NAME)
    assert "disks are in sync" in told.stdout
    assert in_use(pair) == {"node1": 3, "node2": 3}
    pair.verify()
    pair.gnt("gnt-instance", "migrate", "-f", NAME)
    pair.verify()


def test_a_disk_that_a_stopped_instance_gets_has_its_copy(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    told = pair.gnt("gnt-instance", "modify", "--disk", "add:size=4M", NAME)
    assert "disks are in sync" in told.stdout
    assert in_use(pair) == {}
    told = pair.gnt("gnt-instance", "modify", "--no-wait-for-sync", "--disk", "add:size=4M", NAME)
    assert "sync" not in told.stdout
    pair.gnt("gnt-instance", "startup", NAME)
    assert in_use(pair) == {"node1": 4, "node2": 4}


def test_a_disk_whose_copy_cannot_be_filled_is_not_added(pair: VirtualCluster) -> None:
    before = in_use(pair)
    pace(pair, "node2", 1.0)
    job = pair.submit("gnt-instance", "modify", "--disk", "add:size=4M", NAME)
    wait_until(lambda: "% done" in pair.gnt("gnt-job", "info", job).stdout, "its copy is filled")
    pair.try_("gnt-job", "cancel", job)
    ended(pair, job, "canceled")
    assert in_use(pair) == before
    assert [len(numbers) for numbers in minors(pair).values()] == [2, 2, 0, 0]
    assert len(disks(pair)) == 2


def test_disks_that_were_activated_stay_so(pair: VirtualCluster) -> None:
    """What opened them for itself closed them, and the configuration said that they were open."""
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-instance", "activate-disks", NAME)
    opened = in_use(pair)
    assert opened == {"node1": 2, "node2": 2}
    pair.gnt("gnt-instance", "reinstall", "-f", NAME)
    assert in_use(pair) == opened
    for new, old in (("other.example.com", NAME), (NAME, "other.example.com")):
        pair.gnt("gnt-instance", "rename", "--no-name-check", "--no-ip-check", "-f", old, new)
        assert in_use(pair) == opened
    faults = pair.paths("node1").root / "etc/ganeti/fake-faults.json"
    write_faults(faults, {"start": {"mode": "fail", "message": "too tired"}})
    try:
        assert "too tired" in pair.try_("gnt-instance", "startup", NAME).stderr
    finally:
        write_faults(faults, {})
    assert in_use(pair) == opened
    pair.gnt("gnt-instance", "deactivate-disks", NAME)
    assert in_use(pair) == {}
    pair.verify()


def test_disks_of_a_guest_that_nobody_remembers_stay_open(pair: VirtualCluster) -> None:
    """They were closed below it, by whatever opens disks of stopped instances for a while."""
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-instance", "startup", "--no-remember", NAME)
    pair.gnt("gnt-instance", "replace-disks", "-n", "node3", NAME)
    assert in_use(pair) == {"node1": 2, "node3": 2}
    pair.gnt("gnt-instance", "shutdown", "--no-remember", NAME)
    assert in_use(pair) == {}
    pair.verify()
    assert pair.instances("status", "disks_active") == [["ADMIN_down", "N"]]


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


@pytest.mark.parametrize("words", [(), ("-n", "node2:node3")])
def test_lost_disks_are_made_anew_with_another_size(
    pair: VirtualCluster, words: tuple[str, ...]
) -> None:
    """What they lie on stayed as large as before, and with it the disk that the guest saw."""
    pair.gnt("gnt-instance", "shutdown", NAME)
    places = {child["uuid"]: child["logical_id"] for disk in disks(pair)
              for child in disk["children"]}
    lose(pair, "node1", "node2")
    pair.gnt("gnt-instance", "recreate-disks", "--disk=0:size=12M", "--disk=1:size=8M", *words,
             NAME)
    assert sorted((disk["size"], *(child["size"] for child in disk["children"]))
                  for disk in disks(pair)) == [(8, 8), (12, 12)]
    assert places == {child["uuid"]: child["logical_id"] for disk in disks(pair)
                      for child in disk["children"]}
    for node in nodes(pair):
        images = (pair.paths(node).root / "srv/ganeti/file-storage").rglob("*.disk?")
        assert sorted(path.stat().st_size >> 20 for path in images) == [8, 12]


def test_lost_disks_that_were_activated_are_open_again(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-instance", "activate-disks", NAME)
    lose(pair, "node1", "node2")
    pair.gnt("gnt-instance", "recreate-disks", NAME)
    assert in_use(pair) == {"node1": 2, "node2": 2}


def test_what_lost_copies_have_missed_is_forgotten_with_them(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "startup", NAME)
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-node", "modify", "--offline=no", "node2")
    assert left_behind(pair) == 2
    lose(pair, "node1", "node2")
    pair.gnt("gnt-instance", "recreate-disks", NAME)
    assert left_behind(pair) == 0


def left_behind(cluster: VirtualCluster) -> int:
    """How many disks have a copy that misses something, as the configuration has it."""
    with closing(sqlite3.connect(
            f"file:{cluster.paths().database}?mode=ro", uri=True, timeout=10)) as database:
        rows = database.execute("select doc from object where kind = 'disk'").fetchall()
    return sum(bool(json.loads(doc).get("stale")) for (doc,) in rows)


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


def test_the_address_over_which_copies_follow_stays(pair: VirtualCluster) -> None:
    def change(node: str) -> str:
        ran = pair.try_("gnt-node", "modify", "--force", "--secondary-ip=127.250.0.1", node)
        assert ran.status == 1
        return " ".join(ran.stderr.split())

    said = change("node1")
    assert f"the disks of {NAME} are written to over it; shut them down first" in said
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    try:
        assert f"offline node has instances ({NAME}) configured to use it" in change("node2")
    finally:
        pair.gnt("gnt-node", "modify", "--offline=no", "node2")
    [[primary]] = pair.table("gnt-node", "list", "-o", "pip", "node1")
    pair.gnt("gnt-node", "modify", "--force", "--secondary-ip=127.250.0.1", "node1")
    pair.gnt("gnt-node", "modify", "--force", f"--secondary-ip={primary}", "node1")


def test_a_disk_goes_to_another_instance_with_both_its_copies(pair: VirtualCluster) -> None:
    before = minors(pair)
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-instance", "modify", "--disk", "1:name=data", NAME)
    pair.gnt("gnt-instance", "modify", "--disk", "data:detach", NAME)
    assert minors(pair) == before, "it keeps what it was granted"
    pair.gnt("gnt-instance", "add", *NEW, "-s", "1M", "--no-start", "-n", "node2:node1",
             "other.example.com")
    turned = pair.try_("gnt-instance", "modify", "--disk", "attach:name=data", "other.example.com")
    assert "The disks' primary node is node1.example.com whereas" in turned.stderr
    pair.gnt("gnt-instance", "failover", "-f", "--ignore-consistency", "other.example.com")
    pair.gnt("gnt-instance", "modify", "--disk", "attach:name=data", "other.example.com")
    pair.gnt("gnt-instance", "startup", "other.example.com")
    pair.gnt("gnt-instance", "migrate", "-f", "other.example.com")
    pair.gnt("gnt-instance", "remove", "-f", NAME)
    pair.verify()


def test_a_disk_whose_first_node_is_lost_is_attached_on_the_other(cluster: VirtualCluster) -> None:
    other = "other.example.com"
    for name, on in ((NAME, "node2:node3"), (other, "node3:node2")):
        cluster.gnt("gnt-instance", "add", *NEW, "--disk", f"0:size=1M,name={name}", "--no-start",
                    "-n", on, name)
    attach = ("gnt-instance", "modify", "--disk", f"attach:name={NAME}", other)
    cluster.gnt("gnt-instance", "modify", "--disk", "0:detach", NAME)
    cluster.gnt("gnt-instance", "remove", "-f", NAME)
    assert "whereas the instance's primary node is" in cluster.try_(*attach).stderr
    cluster.gnt("gnt-node", "modify", "--offline=yes", "node2")
    cluster.gnt(*attach)
    cluster.gnt("gnt-instance", "startup", other)
    assert in_use(cluster) == {"node3": 2}
    cluster.gnt("gnt-instance", "shutdown", other)
    cluster.gnt("gnt-node", "modify", "--offline=no", "node2")
