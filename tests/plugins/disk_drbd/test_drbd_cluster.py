"""Instances whose disks DRBD keeps alike, in a running cluster; DRBD itself is a stand-in."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator

import fake_drbd
import pytest
from drbd_cluster import (
    NAME,
    NEW,
    NODES,
    back,
    change,
    cut,
    data,
    device,
    is_frozen,
    nodes,
    power_off,
    proc,
    signal_master,
    stale,
    volumes,
    with_drbd,
    world,
    write,
)
from virtual_cluster import VirtualCluster, wait_until


@pytest.fixture(scope="module")
def drbd_cluster(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    """Three nodes that have DRBD, whose volumes are files."""
    return with_drbd(make_cluster("--nodes", "3", "--hypervisor", "fake"))


@pytest.fixture
def cluster(drbd_cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    yield drbd_cluster
    signal_master(drbd_cluster, signal.SIGCONT)
    change(drbd_cluster, lambda kernels: kernels.data["cut"].clear())
    drbd_cluster.gnt("gnt-cluster", "modify", "-D", "drbd:fence-timeout=default")
    for node in NODES:
        back(drbd_cluster, node)
    for (name,) in drbd_cluster.instances("name"):
        drbd_cluster.gnt("gnt-instance", "remove", "-f", name)
    for node in NODES:
        assert volumes(drbd_cluster, node) == []
        assert "cs:" not in proc(drbd_cluster, node)


@pytest.fixture
def pair(cluster: VirtualCluster) -> VirtualCluster:
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "4M", "-n", "node1:node2", NAME)
    return cluster


def test_an_instance_lives_and_moves(pair: VirtualCluster) -> None:
    write(pair, "node1", b"what the guest wrote")
    for how in ("migrate", "failover"):
        before = nodes(pair)
        pair.gnt("gnt-instance", how, "-f", NAME)
        assert nodes(pair) == before[::-1]
        assert "ro:Primary/Secondary ds:UpToDate/UpToDate" in proc(pair, before[1])
        with world(pair) as kernels:
            assert not any(minor["both"] for node in kernels.data["nodes"].values()
                           for minor in node["minors"].values()), "both may write no longer"
    assert data(pair, "node2").read_bytes().startswith(b"what the guest wrote")
    told = pair.gnt("gnt-instance", "info", NAME).stdout
    assert "nodeA: node1.example.com, minor=0" in told
    assert "nodeB: node2.example.com, minor=0" in told
    secrets = [minor["secret"] for node in kernels.data["nodes"].values()
               for minor in node["minors"].values()]
    assert secrets
    assert not any(secret in told for secret in secrets)
    assert pair.table("gnt-node", "list-drbd", "node2") == [
        ["node2.example.com", "0", NAME, "disk/0", "secondary", "node1.example.com"]]
    pair.gnt("gnt-instance", "grow-disk", NAME, "0", "4M")
    assert [data(pair, node).stat().st_size >> 20 for node in ("node1", "node2")] == [8, 8]
    pair.verify()
    pair.gnt("gnt-instance", "shutdown", NAME)
    assert "cs:" not in proc(pair, "node1") + proc(pair, "node2")
    pair.gnt("gnt-instance", "startup", NAME)
    pair.verify()


def test_it_survives_its_node_and_the_old_side_is_never_used(pair: VirtualCluster) -> None:
    write(pair, "node1", b"first")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    write(pair, "node2", b"second")
    power_off(pair, "node2")
    pair.gnt("gnt-node", "modify", "--offline=yes", "node2")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert data(pair, "node1").read_bytes().startswith(b"second")
    write(pair, "node1", b"third")
    assert stale(pair) == ["node2"]
    # Back with its old data, it must not be what the instance goes on with.
    back(pair, "node2")
    pair.gnt("gnt-instance", "shutdown", NAME)
    refused = pair.try_("gnt-instance", "failover", "-f", NAME)
    assert refused.status == 1
    assert "older than another" in refused.stderr
    pair.gnt("gnt-instance", "startup", NAME)
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert stale(pair) == []
    assert data(pair, "node2").read_bytes().startswith(b"third")
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    pair.verify()


def test_copies_are_replaced(pair: VirtualCluster) -> None:
    write(pair, "node1", b"kept")
    pair.gnt("gnt-instance", "replace-disks", "-s", NAME)
    pair.gnt("gnt-instance", "replace-disks", "-n", "node3", NAME)
    assert nodes(pair) == ["node1", "node3"]
    assert volumes(pair, "node2") == []
    assert data(pair, "node3").read_bytes().startswith(b"kept")
    pair.gnt("gnt-instance", "replace-disks", "--early-release", "-n", "node2", NAME)
    assert nodes(pair) == ["node1", "node2"]
    pair.verify()


def test_the_copy_in_use_is_replaced(pair: VirtualCluster) -> None:
    write(pair, "node1", b"kept")
    pair.gnt("gnt-instance", "replace-disks", "-p", NAME)
    assert nodes(pair) == ["node1", "node2"]
    assert data(pair, "node1").read_bytes().startswith(b"kept")
    pair.verify()
    root = str(pair.paths("node1").root)
    change(pair, lambda kernels: fake_drbd.Setup(kernels, root).detach(
        *kernels.data["nodes"][root]["minors"]))
    pair.gnt("gnt-instance", "replace-disks", "-a", NAME)
    assert data(pair, "node1").read_bytes().startswith(b"kept")
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt("gnt-instance", "replace-disks", "-p", NAME)
    assert data(pair, "node1").read_bytes().startswith(b"kept")


def test_a_disk_gets_a_copy_and_loses_it_and_its_data_stay_where_they_are(
    cluster: VirtualCluster,
) -> None:
    cluster.gnt("gnt-instance", "add", *NEW[2:], "-t", "file", "--no-start", "-s", "4M", "-n",
                "node2", NAME)
    with data(cluster, "node2").open("r+b") as disk:
        disk.write(b"kept")
    before = data(cluster, "node2").stat().st_ino
    convert = ("gnt-instance", "modify", "-t", "drbd", "-n", "node3", NAME)
    for node in ("node3", "node2"):
        program = cluster.paths(node).root / "usr/sbin/drbdmeta"
        program.rename(program.with_name("away"))
        refused = cluster.try_(*convert)
        program.with_name("away").rename(program)
        assert refused.status == 1
        assert "drbdmeta not found: install drbd-utils" in refused.stderr
        assert volumes(cluster, "node3") == []
        assert cluster.instances("disk_template") == [["file"]]
    cluster.gnt(*convert)
    assert nodes(cluster) == ["node2", "node3"]
    assert data(cluster, "node2").stat().st_ino == before
    assert data(cluster, "node3").read_bytes().startswith(b"kept")
    cluster.gnt("gnt-instance", "startup", NAME)
    cluster.verify()
    write(cluster, "node2", b"more")
    cluster.gnt("gnt-instance", "shutdown", NAME)
    cluster.gnt("gnt-instance", "modify", "-t", "file", NAME)
    assert volumes(cluster, "node3") == []
    [only] = volumes(cluster, "node2")
    assert "cs:" not in proc(cluster, "node2")
    assert data(cluster, "node2").stat().st_ino == before
    assert data(cluster, "node2").read_bytes().startswith(b"more")
    cluster.gnt("gnt-instance", "startup", NAME)
    cluster.verify()
    assert only == data(cluster, "node2").name


@pytest.mark.torture
def test_the_only_new_copy_is_kept_whatever_is_replaced(pair: VirtualCluster) -> None:
    write(pair, "node1", b"older")
    cut(pair, "node1", "node2")
    write(pair, "node1", b"newer")
    pair.gnt("gnt-instance", "shutdown", NAME)
    refused = pair.try_("gnt-instance", "replace-disks", "-p", NAME)
    assert refused.status == 1
    assert "node2.example.com cannot be copied: its data are stale" in refused.stderr
    assert data(pair, "node1").read_bytes().startswith(b"newer")
    cut(pair, "node1", "node2", joined=True)
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.gnt("gnt-instance", "deactivate-disks", NAME)
    pair.gnt("gnt-instance", "replace-disks", "-p", NAME)
    assert data(pair, "node1").read_bytes().startswith(b"newer")
    pair.verify()


def test_an_instance_leaves_a_node_whose_disk_has_died(pair: VirtualCluster) -> None:
    write(pair, "node1", b"first")
    root = str(pair.paths("node1").root)
    change(pair, lambda kernels: fake_drbd.Setup(kernels, root).detach("0"))
    data(pair, "node1").unlink()
    write(pair, "node1", b"second")
    told = pair.gnt("gnt-instance", "failover", "-f", NAME).stdout
    assert "goes on with the data of its other copy: there is no disk 0" in told
    assert nodes(pair) == ["node2", "node1"]
    assert data(pair, "node2").read_bytes().startswith(b"second")
    assert stale(pair) == ["node1"]
    pair.gnt("gnt-instance", "replace-disks", "-s", NAME)
    assert stale(pair) == []
    assert data(pair, "node1").read_bytes().startswith(b"second")
    pair.verify()


def test_what_is_wrong_with_a_kernel_has_codes_of_its_own(cluster: VirtualCluster) -> None:
    two, three = cluster.paths("node2").root, cluster.paths("node3").root
    (two / "proc/drbd").write_text(proc(cluster, "node2").replace("8.4.11", "8.4.7"))
    helper = two / "sys/module/drbd/parameters/usermode_helper"
    before = helper.read_text()
    helper.write_text("/bin/true")
    (three / "proc/drbd").unlink()
    try:
        ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    finally:
        helper.write_text(before)
        change(cluster, lambda _: None)
    found = re.findall(r"- (\w+):(ENODEDRBD\w*):(\w+):([^:]+):", ran.stdout)
    assert set(found) == {
        ("WARNING", "ENODEDRBDVERSION", "node", "node1.example.com"),
        ("WARNING", "ENODEDRBDVERSION", "node", "node2.example.com"),
        ("ERROR", "ENODEDRBDHELPER", "node", "node2.example.com"),
        ("ERROR", "ENODEDRBD", "node", "node3.example.com")}
    assert ("version of the kernel module drbd is 8.4.7 here, and not the same on all nodes of the "
            "group (8.4.11 on node1.example.com, 8.4.7 on node2.example.com)") in ran.stdout
    assert "module drbd is not loaded: modprobe drbd" in ran.stdout


def test_a_lost_connection_is_reported_with_the_remedy(pair: VirtualCluster) -> None:
    cut(pair, "node1", "node2")
    write(pair, "node1", b"after the helper")
    assert stale(pair) == ["node2"]
    verified = pair.try_("gnt-cluster", "verify")
    assert verified.status == 1
    assert ("is degraded; local disk state is 'ok': node2.example.com is not connected "
            "(WFConnection)") in verified.stdout
    assert f"gnt-instance activate-disks {NAME}" in verified.stdout
    cut(pair, "node1", "node2", joined=True)
    pair.verify()
    pair.gnt("gnt-cluster", "verify-disks")
    wait_until(lambda: stale(pair) == [], "it has caught up", pause=0.2)


@pytest.fixture
def away(cluster: VirtualCluster) -> VirtualCluster:
    """An instance that neither runs nor has copies on the master."""
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "4M", "-n", "node2:node3", NAME)
    write(cluster, "node2", b"first")
    return cluster


def test_writes_wait_until_the_lost_copy_is_known_to_be_old(
    away: VirtualCluster,
) -> None:
    signal_master(away, signal.SIGSTOP)
    away.tool("stop", "--kill", "node2")  # the helper needs no daemon of its node
    cut(away, "node2", "node3")
    assert is_frozen(away, "node2")
    away.tool("start", "node2")
    assert is_frozen(away, "node2")
    signal_master(away, signal.SIGCONT)
    write(away, "node2", b"second")
    assert stale(away) == ["node3"]
    # Now the only new copy is lost: the old one is not what the instance goes on with.
    power_off(away, "node2")
    away.gnt("gnt-node", "modify", "--offline=yes", "node2")
    refused = away.try_("gnt-instance", "failover", "-f", NAME)
    assert refused.status == 1
    assert "older than another" in refused.stderr
    assert "written on node node2.example.com" in refused.stderr
    away.gnt("gnt-instance", "failover", "-f", "--ignore-consistency", NAME)
    assert device(away, "node3").read_bytes().startswith(b"first")


def test_a_node_whose_disk_came_back_does_not_go_on_with_what_is_on_it(
    away: VirtualCluster,
) -> None:
    root = str(away.paths("node2").root)
    change(away, lambda kernels: fake_drbd.Setup(kernels, root).detach("0"))
    write(away, "node2", b"second")
    away.gnt("gnt-cluster", "verify-disks")
    assert stale(away) == ["node2"]
    assert data(away, "node2").read_bytes().startswith(b"first")
    for node in ("node2", "node3"):
        power_off(away, node)
    back(away, "node2")
    away.gnt("gnt-node", "modify", "--offline=yes", "node3")
    refused = away.try_("gnt-instance", "startup", NAME)
    assert refused.status == 1
    assert "node3.example.com was written to while the copy here could not follow" in refused.stderr
    back(away, "node3")
    away.gnt("gnt-instance", "startup", NAME)
    away.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert data(away, "node2").read_bytes().startswith(b"second")
    assert stale(away) == []


@pytest.mark.torture
def test_a_master_that_is_silent_for_too_long_is_not_waited_for(
    away: VirtualCluster,
) -> None:
    away.gnt("gnt-cluster", "modify", "-D", "drbd:fence-timeout=1")
    away.gnt("gnt-instance", "activate-disks", NAME)
    signal_master(away, signal.SIGSTOP)
    cut(away, "node2", "node3")
    write(away, "node2", b"not waited for")
    signal_master(away, signal.SIGCONT)
    # Whoever looks after the disks now and then notes what nobody could.
    away.gnt("gnt-cluster", "verify-disks")
    wait_until(lambda: stale(away) == ["node3"], "the copy is known to be left behind", pause=0.2)
