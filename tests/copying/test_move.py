"""``gnt-instance move``: a local disk goes to another node by being copied."""

from __future__ import annotations

import json

import pytest
from filled import add, digests, home_of, paths
from virtual_cluster import VirtualCluster

NAME = "inst1.example.com"
FROM_ONE = ("gnt-instance", "move", "-f", "-n", "node2")


def test_a_stopped_instance_moves_with_its_data(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    ran = cluster.gnt(*FROM_ONE, "--compress=gzip", NAME)
    assert home_of(cluster, NAME) == "node2"
    assert digests(cluster, NAME) == before
    assert "disk/0 is copied" in ran.stderr + ran.stdout
    assert not (cluster.root / "node1/srv/ganeti/file-storage" / NAME).exists()
    assert cluster.instances("status", "disk.sizes") == [["ADMIN_down", "4,4"]]
    cluster.verify()


def test_a_running_instance_runs_on_the_other_node(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    cluster.gnt("gnt-instance", "startup", NAME)
    cluster.gnt(*FROM_ONE, "--shutdown-timeout=0", NAME)
    assert cluster.instances("name", "status", "pnode") == [
        [NAME, "running", "node2.example.com"]]
    assert digests(cluster, NAME) == before
    cluster.verify()


def test_what_a_guest_sees_beyond_its_disk_is_not_left_behind(cluster: VirtualCluster) -> None:
    """A device may have more room than was asked for, as an extent of a volume group."""
    add(cluster, NAME)
    with paths(cluster, NAME)[0].open("ab") as file:
        file.write(bytes(range(256)) * 4096)
    before = digests(cluster, NAME)
    ran = cluster.try_(*FROM_ONE, NAME)
    assert ran.status == 1
    assert "gnt-cluster repair-disk-sizes records that" in ran.stderr, ran
    assert home_of(cluster, NAME) == "node1"
    assert digests(cluster, NAME) == before
    cluster.gnt("gnt-cluster", "repair-disk-sizes", NAME)
    assert cluster.instances("disk.sizes") == [["5,4"]]
    cluster.gnt(*FROM_ONE, NAME)
    assert home_of(cluster, NAME) == "node2"
    assert digests(cluster, NAME) == before


def test_one_without_disks_moves_too(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node1", "-B",
                "memory=64M", "--no-nics", "--no-ip-check", "--no-name-check", "--no-install",
                NAME)
    cluster.gnt(*FROM_ONE, "--shutdown-timeout=0", NAME)
    assert cluster.instances("status", "pnode") == [["running", "node2.example.com"]]


@pytest.mark.parametrize(("template", "nodes"), [("sharedfile", "node1"), ("twin", "node1:node2")])
def test_what_needs_no_copying_is_refused(
    cluster: VirtualCluster, template: str, nodes: str
) -> None:
    add(cluster, NAME, template=template, nodes=nodes)
    ran = cluster.try_("gnt-instance", "move", "-f", "-n", "node3", NAME)
    assert ran.status == 1
    assert (f"Instance disk 0 has disk type {template} and is not suitable for copying: use "
            "gnt-instance migrate or failover") in ran.stderr


def test_refusals_name_what_is_wrong(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    same = cluster.try_("gnt-instance", "move", "-f", "-n", "node1", NAME)
    assert f"Instance {NAME} is already on the node node1.example.com" in same.stderr
    packed = cluster.try_(*FROM_ONE, "--compress=lzop", NAME)
    assert "Compression tool not allowed, tools allowed are [none, gzip]" in packed.stderr
    unknown = cluster.try_("gnt-instance", "move", "-f", "-n", "node9", NAME)
    assert "node9" in unknown.stderr
    cluster.gnt("gnt-node", "modify", "--drained=yes", "node2")
    drained = cluster.try_(*FROM_ONE, NAME)
    assert "Can't use drained node 'node2.example.com'" in drained.stderr
    cluster.gnt("gnt-node", "modify", "--drained=no", "node2")
    assert digests(cluster, NAME) == before


def test_a_policy_holds_unless_it_is_ignored(cluster: VirtualCluster) -> None:
    add(cluster, NAME)
    cluster.gnt("gnt-group", "add", "--ipolicy-disk-templates=diskless", "bare")
    cluster.gnt("gnt-group", "assign-nodes", "bare", "node3")
    move = ("gnt-instance", "move", "-f", "-n", "node3")
    refused = cluster.try_(*move, NAME)
    assert "does not meet target node group's (bare) instance policy" in refused.stderr
    cluster.gnt(*move, "--ignore-ipolicy", NAME)
    assert home_of(cluster, NAME) == "node3"
    cluster.gnt("gnt-instance", "remove", "-f", NAME)
    cluster.gnt("gnt-group", "assign-nodes", "default", "node3")
    cluster.gnt("gnt-group", "remove", "bare")


def test_too_little_memory_is_refused_and_the_guest_runs_on(cluster: VirtualCluster) -> None:
    add(cluster, NAME)
    cluster.gnt("gnt-instance", "startup", NAME)
    (cluster.paths("node2").root / "etc/ganeti/fake-node.json").write_text(
        json.dumps({"fake_memory": 8}))
    ran = cluster.try_(*FROM_ONE, NAME)
    assert "Not enough memory on node node2.example.com for moving instance" in ran.stderr
    (cluster.paths("node2").root / "etc/ganeti/fake-node.json").unlink()
    assert cluster.instances("status", "pnode") == [["running", "node1.example.com"]]


def test_a_dry_run_changes_nothing(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    cluster.gnt(*FROM_ONE, "--dry-run", NAME)
    assert home_of(cluster, NAME) == "node1"
    assert digests(cluster, NAME) == before
    assert len(paths(cluster, NAME)) == 2
