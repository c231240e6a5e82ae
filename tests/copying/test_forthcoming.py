"""``--forthcoming`` and ``--commit``: an instance that is reserved first, and made later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filled import home_of
from virtual_cluster import VirtualCluster

NAME = "later.example.com"
ADD = ("gnt-instance", "add", "-o", "noop", "-B", "memory=64M", "--no-ip-check", "--no-name-check",
       "--disk", "0:size=4m")


def reserve(cluster: VirtualCluster, *options: str, name: str = NAME) -> None:
    cluster.gnt(*ADD, "--forthcoming", *options, name)


def files(cluster: VirtualCluster) -> list[Path]:
    return [*cluster.root.glob("node*/srv/ganeti/file-storage/*/*"),
            *(cluster.root / "shared").glob("*/*.disk*"),
            *cluster.root.glob("node*/var/lib/ganeti/plugins/disk_templates/twin/*.twin")]


def data(cluster: VirtualCluster, name: str = NAME) -> dict[str, object]:
    (found,) = json.loads(cluster.gnt("gnt-instance", "info", "--format=json", name).stdout)
    return dict(found)


@pytest.mark.parametrize(("template", "nodes"), [
    ("file", "node1"), ("sharedfile", "node2"), ("twin", "node1:node3"), ("diskless", "node1")])
def test_it_is_reserved_and_then_made(
    cluster: VirtualCluster, template: str, nodes: str
) -> None:
    words = ADD[:-2] if template == "diskless" else ADD
    cluster.gnt(*words, "--forthcoming", "-t", template, "-n", nodes, "--net", "0:", NAME)
    assert files(cluster) == []
    assert cluster.instances("forthcoming", "status", "pnode") == [
        ["Y", "ADMIN_down", f"{nodes.split(':')[0]}.example.com"]]
    before = data(cluster)
    cluster.verify()
    cluster.gnt(*words, "--commit", "-t", template, "-n", nodes, "--net", "0:", NAME)
    after = data(cluster)
    assert cluster.instances("forthcoming", "status", "pnode") == [
        ["N", "running", f"{nodes.split(':')[0]}.example.com"]]
    assert after["uuid"] == before["uuid"]
    assert after["nics"][0][1:4] == before["nics"][0][1:4]
    assert after["network_port"] == before["network_port"]
    assert bool(files(cluster)) == (template != "diskless")
    cluster.verify()


def test_it_is_made_where_it_has_been_moved_to(cluster: VirtualCluster) -> None:
    reserve(cluster, "-t", "sharedfile", "-n", "node1", "--no-nics")
    cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node2", NAME)
    assert home_of(cluster, NAME) == "node2"
    cluster.gnt("gnt-instance", "failover", "-f", "-n", "node3", NAME)
    refused = cluster.try_(*ADD, "--commit", "-t", "sharedfile", "-n", "node1", "--no-nics", NAME)
    assert "is reserved on node3.example.com, not on node1" in refused.stderr
    cluster.gnt(*ADD, "--commit", "-t", "sharedfile", "-I", "hail", "--no-nics", NAME)
    assert cluster.instances("pnode", "status") == [["node3.example.com", "running"]]


def test_copies_change_their_nodes_before_there_are_any(cluster: VirtualCluster) -> None:
    reserve(cluster, "-t", "twin", "-n", "node1:node2", "--no-nics")
    cluster.gnt("gnt-instance", "replace-disks", "-n", "node3", NAME)
    cluster.gnt("gnt-instance", "failover", "-f", NAME)
    assert cluster.instances("pnode", "snodes") == [["node3.example.com", "node1.example.com"]]
    cluster.gnt("gnt-instance", "replace-disks", "-s", NAME)
    assert files(cluster) == []
    cluster.gnt(*ADD, "--commit", "-t", "twin", "--no-nics", NAME)
    cluster.verify()


def test_it_is_renamed_and_removed_without_asking_nodes(cluster: VirtualCluster) -> None:
    reserve(cluster, "-t", "file", "-n", "node1", "--no-nics")
    cluster.gnt("gnt-instance", "rename", "-f", "--no-ip-check", "--no-name-check", NAME,
                "other.example.com")
    assert "/other.example.com/" in str(data(cluster, "other.example.com")["disks"])
    cluster.gnt("gnt-instance", "remove", "-f", "other.example.com")
    assert cluster.instances() == []


@pytest.mark.parametrize("words", [
    ("startup",), ("shutdown",), ("reboot",), ("activate-disks",),
    ("modify", "-B", "vcpus=2"), ("reinstall", "-f"), ("grow-disk", "0", "1M"),
    ("move", "-f", "-n", "node2")])
def test_nothing_is_done_with_what_is_not_there(
    cluster: VirtualCluster, words: tuple[str, ...]
) -> None:
    reserve(cluster, "-t", "file", "-n", "node1", "--no-nics")
    at = next((at for at, word in enumerate(words) if word in ("0",)), len(words))
    ran = cluster.try_("gnt-instance", *words[:at], NAME, *words[at:])
    assert ran.status == 1
    assert f"forthcoming instances not supported for this operation: {NAME}" in ran.stderr


def test_refusals(cluster: VirtualCluster) -> None:
    both = cluster.try_(*ADD, "--forthcoming", "--commit", "-t", "file", "-n", "node1", NAME)
    assert both.status == 1
    unknown = cluster.try_(*ADD, "--commit", "-t", "file", "-n", "node1", NAME)
    assert f"Instance '{NAME}' not known" in unknown.stderr
    cluster.gnt(*ADD, "--no-start", "-t", "file", "-n", "node1", "--no-nics", NAME)
    real = cluster.try_(*ADD, "--commit", "-t", "file", "-n", "node1", NAME)
    assert "not forthcoming but --commit was passed." in real.stderr
    again = cluster.try_(*ADD, "--forthcoming", "-t", "file", "-n", "node1", NAME)
    assert f"Instance '{NAME}' is already in the cluster" in again.stderr


def test_an_address_of_a_pool_is_kept(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-network", "add", "--network=192.0.2.0/30", "tiny")
    cluster.gnt("gnt-network", "connect", "-N", "mode=bridged,link=br0", "tiny", "default")
    net = ("--net", "0:network=tiny,ip=pool")
    cluster.gnt(*ADD[:-2], "--forthcoming", "-t", "diskless", "-n", "node1", *net, NAME)
    cluster.gnt(*ADD[:-2], "--no-start", "-t", "diskless", "-n", "node1", *net, "full.example.com")
    # No address is left; the one that is reserved is its own.
    cluster.gnt(*ADD[:-2], "--commit", "--no-start", "-t", "diskless", *net, NAME)
    assert cluster.instances("name", "nic.ips") == [
        ["full.example.com", "192.0.2.2"], [NAME, "192.0.2.1"]]
    for name in (NAME, "full.example.com"):
        cluster.gnt("gnt-instance", "remove", "-f", name)
    cluster.gnt("gnt-network", "disconnect", "tiny", "default")
    cluster.gnt("gnt-network", "remove", "tiny")


def test_an_address_that_was_not_reserved_is_drawn_at_last(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-network", "add", "--network=192.0.2.0/29", "small")
    cluster.gnt("gnt-network", "connect", "-N", "mode=bridged,link=br0", "small", "default")
    try:
        for asked in ("network=small", "network=small,ip=pool"):
            step = "--commit" if "pool" in asked else "--forthcoming"
            cluster.gnt(*ADD[:-2], step, "-t", "diskless", *(
                ("--no-start",) if step == "--commit" else ("-n", "node1")),
                "--net", f"0:{asked}", NAME)
        assert cluster.instances("name", "nic.ips") == [[NAME, "192.0.2.1"]]
        cluster.gnt("gnt-instance", "remove", "-f", NAME)
    finally:
        cluster.gnt("gnt-network", "disconnect", "small", "default")
        cluster.gnt("gnt-network", "remove", "small")


def test_allocators_count_it(cluster: VirtualCluster) -> None:
    for node in ("node1", "node2", "node3"):
        (cluster.paths(node).root / "etc/ganeti/fake-node.json").write_text(
            json.dumps({"fake_memory": 1024}))
    big = ("-t", "sharedfile", "-I", "hail", "--no-nics", "-B", "memory=512M")
    for number in range(3):
        reserve(cluster, *big, name=f"big{number}.example.com")
    assert sorted(row[0] for row in cluster.instances("pnode")) == [
        "node1.example.com", "node2.example.com", "node3.example.com"]
    full = cluster.try_(*ADD, *big, "one-more.example.com")
    assert "Can't compute nodes using iallocator 'hail'" in full.stderr
    for node in ("node1", "node2", "node3"):
        (cluster.paths(node).root / "etc/ganeti/fake-node.json").unlink()


def test_a_create_that_fails_leaves_the_reservation(cluster: VirtualCluster) -> None:
    reserve(cluster, "-t", "file", "-n", "node1", "--no-nics")
    before = data(cluster)
    folder = cluster.root / "node1/srv/ganeti/file-storage" / NAME
    folder.symlink_to("/nowhere")  # no disk can be made there
    ran = cluster.try_(*ADD, "--commit", "-t", "file", "--no-nics", NAME)
    assert ran.status == 1
    folder.unlink()
    assert cluster.instances("name", "forthcoming") == [[NAME, "Y"]]
    assert data(cluster)["uuid"] == before["uuid"]
    cluster.gnt(*ADD, "--commit", "-t", "file", "--no-nics", NAME)
    cluster.verify()
