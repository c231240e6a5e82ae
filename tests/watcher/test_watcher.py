"""What has failed is put right by the next run of the watcher, and by no other means."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from virtual_cluster import Ran, VirtualCluster, wait_until

from ganeti_core.daemons.watcher import main, repairs
from ganeti_core.daemons.watcher.notes import EXPIRATION, MOST_TRIES, Notes, notes_file
from ganeti_core.daemons.watcher.repairs import activate_after_reboots, verify_disks
from ganeti_core.daemons.watcher.seen import Seen, SeenInstance, SeenNode, look
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.plugin_api.testing.faults import write_faults

NODES = ("node1", "node2", "node3")
NAME = "kept.example.com"


@pytest.fixture(scope="module")
def three_nodes(make_cluster) -> VirtualCluster:
    return make_cluster("--nodes", "3", "--hypervisor", "fake", "--with", "confd")


@pytest.fixture
def cluster(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    three_nodes.gnt("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop",
                    "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node2", NAME)
    yield three_nodes
    write_faults(control(three_nodes), {})
    three_nodes.tool("start")
    three_nodes.gnt("gnt-cluster", "queue", "undrain")
    three_nodes.gnt("gnt-instance", "remove", "-f", "--ignore-failures", NAME)
    three_nodes.gnt("gnt-cluster", "watcher", "continue")
    notes_file(three_nodes.paths()).unlink(missing_ok=True)


def control(cluster: VirtualCluster) -> Path:
    return cluster.paths("node2").root / "etc/ganeti/fake-faults.json"


def watch(cluster: VirtualCluster, *options: str, node: str = "node1") -> Ran:
    return cluster.on(node, "ganeti-watcher", *options)


def status(cluster: VirtualCluster) -> str:
    [[found]] = cluster.instances("status")
    return found


def guest_file(cluster: VirtualCluster) -> Path:
    [file] = (cluster.paths("node2").plugin_state / "hypervisors/fake").glob("*.guest")
    return file


def end_guest(cluster: VirtualCluster) -> None:
    guest_file(cluster).unlink()
    # What its node said a moment ago is known for that long.
    wait_until(lambda: status(cluster) == "ERROR_down", "it is missed")


@contextmanager
def working(cluster: VirtualCluster, client: LuxiClient) -> Iterator[int]:
    """Let a job work on the guest's node for as long as this lasts."""
    file = control(cluster)
    write_faults(file, {"reboot": [{"mode": "block", "times": 1}]})
    job = client.submit_job([{"OP_ID": "OP_INSTANCE_REBOOT", "instance_name": NAME,
                              "reboot_type": "soft", "reason": []}])
    wait_until(lambda: json.loads(file.read_text())["reboot"][0]["times"] == 0, "it works")
    yield job
    write_faults(file, {})
    wait_until(lambda: client.query_jobs([job], ["status"]) in ([["success"]], [["error"]]),
               "it ends")


def log_of(cluster: VirtualCluster) -> str:
    return (cluster.paths().log / "watcher.log").read_text()


def jobs(cluster: VirtualCluster) -> list[int]:
    return [int(number) for (number,) in cluster.table("gnt-job", "list", "-o", "id")]


def test_a_guest_that_has_ended_is_started_again(cluster):
    end_guest(cluster)
    assert watch(cluster) == Ran(("ganeti-watcher",), 0, "", "")
    assert status(cluster) == "running"
    with cluster.luxi() as client:
        [[_, ops]] = client.query_jobs([jobs(cluster)[-1]], ["summary", "ops"])
    assert ops[0]["OP_ID"] == "OP_INSTANCE_STARTUP"
    assert ["gnt:watcher", f"Restarting instance {NAME}"] in [
        reason[:2] for reason in ops[0]["reason"]]
    last = (cluster.paths().run / "instance-status").read_text()
    assert last == f"{NAME} ERROR_down\n"
    before = jobs(cluster)
    assert watch(cluster).status == 0
    assert f"instance {NAME} is as it should be again" in log_of(cluster)
    assert (cluster.paths().run / "instance-status").read_text() == f"{NAME} running\n"
    # What finds nothing to do leaves no job in the queue.
    assert jobs(cluster) == before


def test_one_that_cannot_be_started_is_given_up(cluster):
    end_guest(cluster)
    write_faults(control(cluster), {"start": {"mode": "fail"}})
    for _ in range(MOST_TRIES + 2):
        assert watch(cluster, "--no-verify-disks").status == 0
    assert log_of(cluster).count(f"ERROR instance {NAME}: {MOST_TRIES} attempts") == 1
    write_faults(control(cluster), {})
    watch(cluster)
    assert status(cluster) == "ERROR_down"
    # Long after the last attempt it is tried again.
    file = notes_file(cluster.paths())
    notes = Notes.load(file)
    count, when = notes.attempts[NAME]
    notes.attempts[NAME] = count, when - EXPIRATION
    notes.save(file)
    watch(cluster)
    assert status(cluster) == "running"


def test_one_that_its_user_has_shut_down_stays_so(cluster):
    cluster.gnt("gnt-cluster", "modify", "--user-shutdown=yes")
    file = guest_file(cluster)
    file.write_text(file.read_text().replace('"state": "running"', '"state": "user-down"'))
    assert watch(cluster).status == 0
    assert status(cluster) == "USER_down"
    assert not list(file.parent.glob("*.guest"))
    before = jobs(cluster)
    watch(cluster)
    assert (status(cluster), jobs(cluster)) == ("USER_down", before)
    cluster.gnt("gnt-cluster", "modify", "--user-shutdown=no")


def put_state(cluster: VirtualCluster, state: str) -> dict[str, object]:
    """Let the guest be so, and return what its hypervisor has of it."""
    file = guest_file(cluster)
    found = {**json.loads(file.read_text()), "state": state}
    file.write_text(json.dumps(found))
    wait_until(lambda: status(cluster) == "ERROR_down", "it is seen")
    return found


def test_one_that_has_crashed_is_ended_and_started_anew(cluster):
    before = put_state(cluster, "crashed")
    ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    assert f"EINSTANCEDOWN:instance:{NAME}:instance stands still on its primary node" in ran.stdout
    assert "'gnt-instance startup' ends it and starts it anew" in ran.stdout
    watch(cluster)
    assert status(cluster) == "running"
    assert json.loads(guest_file(cluster).read_text())["started"] > before["started"]


def test_one_that_is_stuck_goes_on_and_is_never_ended_for_it(cluster):
    before = put_state(cluster, "stuck")
    ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    assert "mend that, then 'gnt-instance startup' lets it go on" in ran.stdout
    write_faults(control(cluster), {"start": [{"mode": "fail", "times": 1}]})
    watch(cluster)
    assert status(cluster) == "ERROR_down"
    assert json.loads(guest_file(cluster).read_text()) == before
    watch(cluster)
    assert status(cluster) == "running"
    assert json.loads(guest_file(cluster).read_text()) == {**before, "state": "running"}


def test_a_job_that_works_on_it_is_not_disturbed(cluster):
    with cluster.luxi() as client, working(cluster, client):
        end_guest(cluster)
        before = jobs(cluster)
        assert watch(cluster, "--no-verify-disks").status == 0
        assert f"instance {NAME} is left alone: a job works on it" in log_of(cluster)
        assert jobs(cluster) == before


def test_a_pause_holds_for_whoever_does_not_ignore_it(cluster):
    cluster.gnt("gnt-cluster", "watcher", "pause", "1h")
    end_guest(cluster)
    watch(cluster)
    assert status(cluster) == "ERROR_down"
    assert "the watcher is paused until" in log_of(cluster)
    watch(cluster, "--ignore-pause")
    assert status(cluster) == "running"


def test_a_pause_holds_while_the_master_is_down(cluster):
    cluster.gnt("gnt-cluster", "watcher", "pause", "1h")
    cluster.tool("stop", "node1", "masterd")
    watch(cluster)
    assert "ganeti-masterd" not in cluster.status()["node1"]["daemons"] or (
        cluster.status()["node1"]["daemons"]["ganeti-masterd"]["pid"] is None)
    cluster.tool("start")


def looked_after(cluster: VirtualCluster, node: str) -> list[int]:
    """The daemons of a node that a watcher starts again."""
    return [one["pid"] for name, one in cluster.status()[node]["daemons"].items()
            if one["pid"] and name != "ganeti-confd"]


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_daemons_that_have_ended_are_started_again(cluster, node):
    killed = looked_after(cluster, node)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not looked_after(cluster, node), "they have ended")
    assert watch(cluster, node=node).status == 0
    running = looked_after(cluster, node)
    assert len(running) == len(killed)
    assert not set(running) & set(killed)
    assert cluster.gnt("gnt-cluster", "getmaster").stdout.strip() == "node1.example.com"
    wait_until(lambda: status(cluster) == "running", "the node answers, and has its guest")


def test_nodes_that_are_not_the_master_put_no_instance_right(cluster):
    end_guest(cluster)
    assert watch(cluster, node="node2").status == 0
    with cluster.luxi() as client:
        [[group]] = client.query_groups([], ["uuid"])
    assert watch(cluster, "--node-group", group, node="node3").status == 11
    assert status(cluster) == "ERROR_down"
    assert watch(cluster, "--node-group", group).status == 0
    assert status(cluster) == "running"


def test_a_group_is_meant_by_its_name_too_and_an_unknown_one_is_refused(cluster):
    end_guest(cluster)
    refused = watch(cluster, "--node-group", "nosuch")
    assert (refused.status, refused.stderr) == (
        1, "ganeti-watcher: Node group 'nosuch' not known (there are: default)\n")
    assert status(cluster) == "ERROR_down"
    assert watch(cluster, "--node-group", "default").status == 0
    assert status(cluster) == "running"


def test_a_drained_queue_is_no_failure_and_the_log_says_what_to_do(cluster):
    end_guest(cluster)
    cluster.gnt("gnt-cluster", "queue", "drain")
    before = log_of(cluster)
    assert watch(cluster) == Ran(("ganeti-watcher",), 0, "", "")
    said = log_of(cluster).removeprefix(before)
    assert "the job queue is drained" in said
    assert "gnt-cluster queue undrain" in said
    assert f"Restarting instance {NAME}" not in said
    cluster.gnt("gnt-cluster", "queue", "undrain")
    assert watch(cluster).status == 0
    assert status(cluster) == "running"


def test_programs_of_the_administrator_run_first(cluster, tmp_path):
    folder = cluster.paths().scripts / "watcher"
    folder.mkdir(parents=True)
    script = folder / "10-mark"
    script.write_text(f"#!/bin/sh\necho $GANETI_NODE > {tmp_path}/ran\nexit 3\n")
    script.chmod(0o755)
    end_guest(cluster)
    assert watch(cluster).status == 0
    assert (tmp_path / "ran").read_text() == "node1.example.com\n"
    assert "script watcher/10-mark failed" in log_of(cluster)
    assert status(cluster) == "running"
    script.unlink()


def test_old_jobs_are_archived(cluster):
    with cluster.luxi() as client:
        job = client.submit_job([{"OP_ID": "OP_TEST_DELAY", "duration": 0.01, "on_master": True,
                                  "reason": []}])
        wait_until(lambda: client.query_jobs([job], ["status"]) == [["success"]], "it ends")
    watch(cluster)
    assert job in jobs(cluster)
    watch(cluster, "--job-age", "0")
    assert job not in jobs(cluster)


def test_two_do_not_work_at_once(cluster):
    folder = cluster.paths().scripts / "watcher"
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "20-again"
    program = Path(sys.executable).parent / "ganeti-watcher"
    script.write_text(f"#!/bin/sh\nexec {program} 2>{cluster.root}/second\n")
    script.chmod(0o755)
    assert watch(cluster).status == 0
    assert "another process holds" in (cluster.root / "second").read_text()
    script.unlink()


def test_attempts_of_a_clock_that_was_ahead_do_not_count_until_then():
    later = time.time() + 365 * EXPIRATION
    notes = Notes({"past": (MOST_TRIES + 1, time.time()), "ahead": (MOST_TRIES + 1, later)})
    notes.keep_only(["past", "ahead"], [])
    assert not notes.may_try("past")
    assert notes.may_try("ahead")


def test_damaged_notes_are_begun_anew(cluster):
    notes_file(cluster.paths()).write_text("{")
    end_guest(cluster)
    assert watch(cluster).status == 0
    assert status(cluster) == "running"
    assert json.loads(notes_file(cluster.paths()).read_text())["attempts"][NAME][0] == 1
    assert "is damaged, attempts are counted anew" in log_of(cluster)


def test_it_can_go_on_in_the_background(cluster):
    end_guest(cluster)
    assert watch(cluster, "--no-wait-children").status == 0
    wait_until(lambda: status(cluster) == "running", "the guest is started")
    wait_until(lambda: not cluster.paths().daemon_pid("ganeti-watcher").exists(), "it has ended")
    assert set(Notes.load(notes_file(cluster.paths())).boot_ids) == {
        f"{node}.example.com" for node in NODES}


def test_disks_that_cannot_be_looked_at_hold_up_nobody_for_ever(cluster, monkeypatch):
    monkeypatch.setattr(repairs, "PATIENCE", 0.3)
    with cluster.luxi() as client, working(cluster, client) as job:
        verify_disks(client, look(client, None))
        assert client.query_jobs([job + 1], ["status"]) == [["canceled"]]


def test_a_node_that_is_marked_offline_ends_its_guests_where_the_cluster_wants_that(cluster):
    guest, setting = guest_file(cluster), cluster.paths("node2").ssconf
    cluster.gnt("gnt-cluster", "modify", "--maintain-node-health", "yes")
    wait_until(lambda: (setting / "ssconf_maintain_node_health").read_text() == "True\n", "known")
    assert watch(cluster, node="node2").status == 0
    assert guest.exists()
    cluster.gnt("gnt-node", "modify", "--offline", "yes", "node2")
    try:
        wait_until(lambda: watch(cluster, node="node2").status or not guest.exists(), "it is ended")
        assert not guest.exists()
        told = (cluster.paths("node2").log / "watcher.log").read_text()
        assert f"this node is marked offline: its instance {NAME} is ended" in told
    finally:
        cluster.gnt("gnt-node", "modify", "--offline", "no", "node2")
        cluster.gnt("gnt-cluster", "modify", "--maintain-node-health", "no")


class Jobs:
    """A master that says of each job that it succeeded."""

    def __init__(self) -> None:
        self.activated: list[str] = []

    def submit_many_jobs(self, wanted):
        self.activated += [op["instance_name"] for [op] in wanted
                           if op["OP_ID"] == "OP_INSTANCE_ACTIVATE_DISKS"]
        return [(True, number) for number, _ in enumerate(wanted, 1)]

    def wait_for_job_change(self, job_id, seen, *, wait):
        return seen.take([["success", [None]], []])


def test_disks_are_active_again_after_a_boot_of_the_other_node():
    def instance(name, *, active=True, secondary="two"):
        return SeenInstance(name, "running", "up", active, (secondary,), "group")

    seen = Seen({one.name: one for one in (
        instance("a"), instance("started"), instance("closed", active=False),
        instance("elsewhere", secondary="three"), instance("locked"))},
        {name: SeenNode(name, mark, False, "group") for name, mark in (
            ("one", "x"), ("two", "new"), ("three", "z"), ("silent", ""))},
        frozenset({"locked"}))
    notes = Notes(boot_ids={"one": "x", "two": "old", "three": "z", "silent": "s"})
    for activated in (["a"], []):
        master = Jobs()
        activate_after_reboots(master, seen, notes, {"started"})
        assert master.activated == activated
    assert notes.boot_ids == {"one": "x", "two": "new", "three": "z", "silent": "s"}


def test_who_looks_at_one_group_leaves_the_boots_to_the_others():
    def seen(group, *names):
        return Seen({name: SeenInstance(name, "running", "up", True, ("two",), name)
                     for name in names}, {"two": SeenNode("two", "new", False, "b")},
                    frozenset(), group)

    notes = Notes(boot_ids={"two": "old"})
    for looked_at, activated in ((seen("a", "a"), ["a"]), (seen("a", "a"), []),
                                 (seen(None, "a", "b"), ["a", "b"]), (seen("b", "b"), [])):
        master = Jobs()
        notes.keep_only(looked_at.instances, looked_at.nodes)  # as each run does
        activate_after_reboots(master, looked_at, notes, set())
        assert master.activated == activated


def test_one_that_is_stopped_while_it_is_looked_at_stays_so(cluster):
    end_guest(cluster)
    with cluster.luxi() as client:
        seen = look(client, None)
        cluster.gnt("gnt-instance", "shutdown", NAME)
        assert repairs.check_instances(client, seen, Notes()) == set()
    assert status(cluster) == "ADMIN_down"


def test_a_host_that_is_no_node_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GANETI_ROOT", str(tmp_path))
    assert main([]) == 1
