"""The network between instances and their nodes: made, drawn from, and in new groups, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

NET, CARD = "comm", "ganeti:communication:"


@pytest.fixture
def network(cluster: VirtualCluster) -> Iterator[str]:
    told = cluster.gnt("gnt-cluster", "modify", f"--instance-communication-network={NET}").stdout
    assert "only new instances will be affected" in told
    yield NET
    cluster.gnt("gnt-cluster", "modify", "--instance-communication-network=")
    cluster.gnt("gnt-network", "disconnect", NET, "default")
    cluster.gnt("gnt-network", "remove", NET)


def test_the_network_is_made_as_ganeti_makes_it(cluster: VirtualCluster, network: str) -> None:
    assert fields(cluster, "network", network, "network", "network6", "gateway", "mac_prefix",
                  "group_list") == [
        "169.254.0.0/16", "fe80::/10", None, "52:54:00",
        [["default", "routed", "communication_rt", ""]]]
    assert f"  instance communication network: {network}" in cluster.gnt(
        "gnt-cluster", "info").lines
    again = cluster.gnt("gnt-cluster", "modify", f"--instance-communication-network={network}")
    assert "Waiting for job" not in again.stdout, "there is nothing to do"
    cluster.gnt("gnt-group", "add", "second")
    assert len(fields(cluster, "network", network, "group_list")[0]) == 2
    cluster.gnt("gnt-network", "disconnect", network, "second")
    cluster.gnt("gnt-group", "remove", "second")


def test_an_instance_gets_a_card_and_loses_it(cluster: VirtualCluster, network: str) -> None:
    def cards(name: str) -> list[object]:
        return fields(cluster, "instance", name, "nic.names", "nic.ips", "nic.modes", "nic.links")

    with instance(cluster, "talks.example.com", nics=[], instance_communication=True) as name:
        mine = [[CARD + name], ["169.254.0.1"], ["routed"], ["communication_rt"]]
        assert cards(name) == mine
        (mac,), = fields(cluster, "instance", name, "nic.macs")
        assert mac.startswith("52:54:00:")
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=name, instance_communication=True)
        assert cards(name) == mine, "twice is once"
        do(cluster, "OP_INSTANCE_RENAME", instance_name=name, new_name="says.example.com",
           name_check=False, ip_check=False)
        assert cards("says.example.com") == [[f"{CARD}says.example.com"], *mine[1:]]
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name="says.example.com",
           nics=[["add", -1, {}]])
        cluster.gnt("gnt-instance", "modify", "-c", "no", "says.example.com")
        assert len(cards("says.example.com")[0]) == 1
        assert cards("says.example.com")[0] == [None], "the other one stays"
        cluster.gnt("gnt-instance", "modify", "--communication=yes", "says.example.com")
        assert cards("says.example.com")[0] == [None, f"{CARD}says.example.com"]
        do(cluster, "OP_INSTANCE_RENAME", instance_name="says.example.com", new_name=name,
           name_check=False, ip_check=False)


def test_without_a_network_there_is_none(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_INSTANCE_CREATE", "There is no network for the communication",
            "wrong_input", instance_name="mute.example.com", mode="create", disks=[], nics=[],
            disk_template="diskless", no_install=True, pnode="node1", name_check=False,
            ip_check=False, instance_communication=True)


def test_a_network_that_is_there_is_taken_with_a_warning(cluster: VirtualCluster) -> None:
    do(cluster, "OP_NETWORK_ADD", network_name="own", network="198.51.100.0/24",
       gateway="198.51.100.1")
    told = cluster.gnt("gnt-cluster", "modify", "--instance-communication-network=own").stdout
    for what in ("has an IPv4 gateway '198.51.100.1'", "has a non-standard IPv4 network address",
                 "has a non-standard MAC prefix 'None'"):
        assert what in told
    assert fields(cluster, "network", "own", "group_list") == [
        [["default", "routed", "communication_rt", ""]]]
    cluster.gnt("gnt-cluster", "modify", "--instance-communication-network=")
    cluster.gnt("gnt-network", "disconnect", "own", "default")
    cluster.gnt("gnt-network", "remove", "own")
