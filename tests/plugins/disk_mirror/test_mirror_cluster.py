"""Instances whose disks are mirrored by processes, in a running cluster: nothing is a stand-in."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from mirror_lab import (
    NAME,
    NEW,
    Writer,
    back,
    cluster,
    data,
    device,
    files,
    kept,
    kill,
    mirror_cluster,
    mounts,
    nodes,
    number_on,
    pair,
    power_off,
    signal_master,
    stale,
    write,
)
from virtual_cluster import VirtualCluster, wait_until

__all__ = ["cluster", "mirror_cluster", "pair"]

pytestmark = pytest.mark.skipif(
    not (Path("/usr/bin/qemu-storage-daemon").exists() and Path("/dev/fuse").exists()),
    reason="needs qemu-storage-daemon and /dev/fuse")


def test_an_instance_lives_and_moves(pair: VirtualCluster) -> None:
    write(pair, "node2", b"what the guest wrote")
    for how in ("failover", "migrate"):
        before = nodes(pair)
        pair.gnt("gnt-instance", how, "-f", NAME)
        assert nodes(pair) == before[::-1]
        assert device(pair, before[1]).read_bytes().startswith(b"what the guest wrote")
        assert mounts(pair, before[0]) == []
    write(pair, "node2", b"and again")
    assert data(pair, "node3").read_bytes() == data(pair, "node2").read_bytes()
    pair.verify()


def test_writes_wait_until_the_loss_of_a_copy_is_known(pair: VirtualCluster) -> None:
    signal_master(pair, signal.SIGSTOP)
    kill(pair, "node3", "store")
    writer = Writer(device(pair, "node2"))
    live = next(pair.paths("node2").plugin_state.rglob("live.json"))
    wait_until(lambda: json.loads(live.read_text())["state"] == "frozen", "writes wait")
    assert writer.acknowledged <= number_on(data(pair, "node3"))
    signal_master(pair, signal.SIGCONT)
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known, "writes go on")
    assert stale(pair) == ["node3"]
    writer.stop()
    refused = pair.try_("gnt-instance", "failover", "-f", NAME)
    assert refused.status == 1
    assert "older than another" in refused.stderr, refused
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert stale(pair) == []
    assert json.loads(live.read_text()) == {"state": "linked", "how": "changes", "size": 4}
    assert data(pair, "node3").read_bytes() == data(pair, "node2").read_bytes()


def test_a_killed_keeper_still_tells_of_the_copy_that_is_left_behind(
    cluster: VirtualCluster,
) -> None:
    cluster.gnt("gnt-cluster", "modify", "-D", "mirror:fence-timeout=1")
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "4M", "-n", "node2:node3", NAME)
    cluster.gnt("gnt-cluster", "modify", "-D", "mirror:fence-timeout=0")
    signal_master(cluster, signal.SIGSTOP)
    kill(cluster, "node3", "store")
    writer = Writer(device(cluster, "node2"))
    live = next(cluster.paths("node2").plugin_state.rglob("live.json"))
    wait_until(lambda: json.loads(live.read_text())["state"] == "alone", "writes go on")
    for pid in kept(cluster, "node2", "keeper"):
        if not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sh\0"):
            os.kill(pid, signal.SIGKILL)  # not who begins it again
    signal_master(cluster, signal.SIGCONT)
    wait_until(lambda: stale(cluster) == ["node3"], "the cluster knows")
    writer.stop()


def test_no_acknowledged_write_is_lost_with_its_node(pair: VirtualCluster) -> None:
    writer = Writer(device(pair, "node2"))
    wait_until(lambda: writer.acknowledged > 20, "it writes")
    power_off(pair, "node2")
    writer.stop()
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert number_on(device(pair, "node3")) >= writer.acknowledged
    write(pair, "node3", b"99999999")
    back(pair, "node2")
    assert stale(pair) == ["node2"]
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert stale(pair) == []
    assert number_on(data(pair, "node2")) == 99999999
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert nodes(pair) == ["node2", "node3"]


def test_a_copy_that_has_caught_up_can_be_promoted_without_a_look_at_it(
    pair: VirtualCluster,
) -> None:
    writer = Writer(device(pair, "node2"))
    power_off(pair, "node3")
    wait_until(lambda: stale(pair) == ["node3"], "it is left behind")
    pair.tool("start")
    pair.gnt("gnt-instance", "activate-disks", NAME)
    wait_until(lambda: stale(pair) == [], "it follows again")
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known + 5, "writes go on")
    power_off(pair, "node2")
    writer.stop()
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert number_on(device(pair, "node3")) >= writer.acknowledged


def test_a_copy_on_a_node_that_was_booted_is_opened_by_verify_disks(pair: VirtualCluster) -> None:
    power_off(pair, "node3")
    write(pair, "node2", b"while it was away")
    wait_until(lambda: stale(pair) == ["node3"], "its loss is known")
    pair.tool("start")
    found = pair.gnt("gnt-cluster", "verify-disks")
    assert f"Activating disks for instance '{NAME}'" in found.stdout, found
    live = next(pair.paths("node2").plugin_state.rglob("live.json"))
    wait_until(lambda: json.loads(live.read_text())["state"] == "linked", "it follows")
    pair.gnt("gnt-cluster", "verify-disks")
    assert stale(pair) == []
    assert data(pair, "node3").read_bytes().startswith(b"while it was away")
    assert "No disks need to be activated" in pair.gnt("gnt-cluster", "verify-disks").stdout


def test_a_silent_node_with_a_copy_is_named_by_verify_disks(pair: VirtualCluster) -> None:
    """Whether its copy follows, as far as the node knows that writes, or does not."""
    for lose in (lambda: pair.tool("stop", "node3"), lambda: power_off(pair, "node3")):
        lose()
        found = pair.try_("gnt-cluster", "verify-disks")
        assert found.status == 1
        assert [line.split(":")[0] for line in found.lines if "node3" in line] == [
            "Error gathering data on node node3.example.com"], found


def test_a_copy_that_is_lost_while_nobody_writes_is_known(pair: VirtualCluster) -> None:
    """The storage daemon of the node that writes notices nothing before the next write."""
    write(pair, "node2", b"before")
    kill(pair, "node3", "store")
    wait_until(lambda: stale(pair) == ["node3"], "its loss is known")
    assert "older than another" in pair.try_("gnt-instance", "failover", "-f", NAME).stderr
    found = pair.gnt("gnt-cluster", "verify-disks")
    assert f"Activating disks for instance '{NAME}'" in found.stdout, found
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert stale(pair) == []
    write(pair, "node2", b"after")
    assert data(pair, "node3").read_bytes().startswith(b"after")
    pair.verify()


def test_what_was_killed_is_begun_again_and_nothing_is_lost(pair: VirtualCluster) -> None:
    writer = Writer(device(pair, "node2"))
    for part in ("keeper", "store"):
        kill(pair, "node2", part)
        pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
        known = writer.acknowledged
        wait_until(lambda known=known: writer.acknowledged > known, "writes go on")
    writer.stop()
    assert data(pair, "node3").read_bytes() == data(pair, "node2").read_bytes()
    pair.verify()


def test_a_storage_daemon_that_does_not_reply_is_not_closed_below_its_user(
    pair: VirtualCluster,
) -> None:
    writer = Writer(device(pair, "node2"))
    wait_until(lambda: writer.acknowledged > 5, "it writes")
    [store] = kept(pair, "node2", "store")
    os.kill(store, signal.SIGSTOP)
    ran = pair.try_("gnt-instance", "activate-disks", NAME)
    assert ran.status == 1
    assert "does not answer" in ran.stderr, ran
    os.kill(store, signal.SIGCONT)
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known + 5, "it goes on")
    writer.stop()
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.verify()


def test_who_lost_the_file_that_he_writes_to_is_not_forgotten(pair: VirtualCluster) -> None:
    """He gets errors although the disk is there again, until he opens it anew."""
    writer = Writer(device(pair, "node2"))
    wait_until(lambda: writer.acknowledged > 5, "it writes")
    kill(pair, "node2", "front")
    pair.gnt("gnt-instance", "activate-disks", NAME)
    known = writer.acknowledged
    assert number_on(device(pair, "node2")) == number_on(data(pair, "node3")) >= known
    ran = pair.try_("gnt-cluster", "verify")
    assert ran.status == 1
    assert f"run gnt-instance reboot {NAME}" in ran.stdout + ran.stderr, ran
    assert stale(pair) == []
    assert writer.acknowledged == known
    writer.stop()
    pair.verify()


def test_a_copy_is_replaced_by_one_on_another_node(pair: VirtualCluster) -> None:
    write(pair, "node2", b"kept")
    pair.gnt("gnt-instance", "replace-disks", "-n", "node1", NAME)
    assert nodes(pair) == ["node2", "node1"]
    assert files(pair, "node3") == []
    assert data(pair, "node1").read_bytes().startswith(b"kept")
    pair.verify()


def test_a_disk_in_use_stays_open_whatever_is_ordered(pair: VirtualCluster) -> None:
    writer = Writer(device(pair, "node2"))
    wait_until(lambda: writer.acknowledged > 5, "it writes")
    told = pair.gnt("gnt-instance", "deactivate-disks", "--force", NAME)
    assert "it stays open: disk 0 of pair.example.com is in use on node node2" in (
        told.stdout + told.stderr), told
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known + 5, "it goes on")
    pair.verify()
    pair.gnt("gnt-instance", "migrate", "-f", "--cleanup", NAME)
    writer.stop()
    assert data(pair, "node3").read_bytes() == data(pair, "node2").read_bytes()
    pair.gnt("gnt-instance", "deactivate-disks", "--force", NAME)
    assert mounts(pair, "node2") == []
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
