"""Networks: made, connected, drawn from, and let go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jobs import do, fields, instance, refused, submit, wait_for
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

NET = "net1"


@contextmanager
def network(cluster: VirtualCluster, *, connected: bool = True, **params: Any) -> Iterator[str]:
    """A small network, connected to the default group."""
    asked = {"network": "198.51.100.0/29", "gateway": "198.51.100.1"} | params
    assert do(cluster, "OP_NETWORK_ADD", network_name=NET, **asked) is None
    try:
        if connected:
            do(cluster, "OP_NETWORK_CONNECT", network_name=NET, group_name="default",
               network_mode="bridged", network_link="br7")
        yield NET
    finally:
        do(cluster, "OP_NETWORK_DISCONNECT", network_name=NET, group_name="default")
        do(cluster, "OP_NETWORK_REMOVE", network_name=NET)


def test_a_network_as_it_is_listed(cluster: VirtualCluster) -> None:
    with network(cluster, add_reserved_ips=["198.51.100.5"], mac_prefix="AA:BB:CC",
                 network6="2001:db8::/64", gateway6="2001:db8::1", tags=["w"]):
        assert fields(cluster, "network", NET, "map", "free_count", "external_reservations",
                      "mac_prefix", "group_list") == [
            "XX...X.X", 4, "198.51.100.0, 198.51.100.1, 198.51.100.5, 198.51.100.7", "aa:bb:cc",
            [["default", "bridged", "br7", ""]]]


def test_instances_draw_addresses(cluster: VirtualCluster) -> None:
    nics = [{"network": NET, "ip": "pool"}]
    with network(cluster, mac_prefix="aa:bb:cc"):
        with instance(cluster, "n1.example.com", nics=nics) as first, \
                instance(cluster, "n2.example.com", nics=nics) as second:
            for name, address in ((first, "198.51.100.2"), (second, "198.51.100.3")):
                ips, macs, links = fields(cluster, "instance", name, "nic.ips", "nic.macs",
                                          "nic.links")
                assert (ips, macs[0][:8], links) == ([address], "aa:bb:cc", ["br7"])
            assert fields(cluster, "network", NET, "map", "inst_cnt") == ["XXXX...X", 2]
            refused(cluster, "OP_INSTANCE_SET_PARAMS", "is in use", "resource_not_unique",
                    instance_name=second, nics=[["modify", 0, {"ip": "198.51.100.2"}]])
            do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=second,
               nics=[["modify", 0, {"ip": "198.51.100.6"}]])
            assert fields(cluster, "network", NET, "map") == ["XXX...XX"]
            refused(cluster, "OP_NETWORK_DISCONNECT", "Conflict found, aborting", "wrong_state",
                    network_name=NET, group_name="default")
        assert fields(cluster, "network", NET, "map") == ["XX.....X"]


def test_a_pool_is_used_up(cluster: VirtualCluster) -> None:
    with network(cluster, network="198.51.100.0/30"), \
            instance(cluster, "n1.example.com", nics=[{"network": NET, "ip": "pool"}]) as name:
        refused(cluster, "OP_INSTANCE_SET_PARAMS", "Unable to find a free IP",
                "insufficient_resources", instance_name=name,
                nics=[["add", -1, {"network": NET, "ip": "pool"}]])


@pytest.mark.parametrize(("nic", "text", "code"), [
    ({"network": NET, "mode": "routed"}, "If a network is given, no mode", "wrong_input"),
    ({"network": NET, "ip": "192.0.2.1"}, "does not belong to network net1", "wrong_input"),
    ({"network": NET, "ip": "198.51.100.1"}, "externally reserved", "resource_not_unique"),
    ({"network": "nosuch"}, "Network 'nosuch' not found", "unknown_entity"),
    ({"ip": "198.51.100.4"}, "Conflicting IP address found", "environment_error"),
])
def test_cards_that_do_not_fit(
    cluster: VirtualCluster, nic: dict[str, Any], text: str, code: str
) -> None:
    with network(cluster), instance(cluster, "n1.example.com", nics=[]) as name:
        refused(cluster, "OP_INSTANCE_SET_PARAMS", text, code, instance_name=name,
                nics=[["add", -1, nic]])


def test_a_network_must_be_connected(cluster: VirtualCluster) -> None:
    with network(cluster, connected=False), instance(cluster, "n1.example.com", nics=[]) as name:
        refused(cluster, "OP_INSTANCE_SET_PARAMS", "No netparams found for network net1",
                "wrong_input", instance_name=name, nics=[["add", -1, {"network": NET}]])


def test_what_a_network_cannot_be(cluster: VirtualCluster) -> None:
    for params, text in (
            ({"network": "nosuch"}, "Invalid IPv4 network"),
            ({"network": "10.0.0.0/8"}, "must have a netmask"),
            ({"network": "10.0.0.0/31"}, "must have a netmask"),
            ({"network": "10.0.0.0/24", "gateway": "10.0.1.1"}, "is not in the network"),
            ({"network": "10.0.0.0/24", "gateway": "10.0.0.255"}, "is an end of the network"),
            ({"network": "10.0.0.0/24", "mac_prefix": "01:00:00"}, "Invalid MAC address prefix"),
            ({"network": "10.0.0.0/24", "gateway6": "::1"}, "is not in the network"),
            ({"network": "10.0.0.0/24", "mac_prefix": "zz"}, "Invalid MAC address prefix"),
            ({"network": "10.0.0.0/24", "add_reserved_ips": ["10.0.0.0"]}, "already")):
        refused(cluster, "OP_NETWORK_ADD", text, "wrong_input", network_name="bad", **params)


def test_a_connected_network_stays(cluster: VirtualCluster) -> None:
    with network(cluster):
        refused(cluster, "OP_NETWORK_REMOVE", "Network still connected", "wrong_state",
                network_name=NET)
        again = submit(cluster, {
            "OP_ID": "OP_NETWORK_CONNECT", "network_name": NET, "group_name": "default",
            "network_mode": "bridged", "network_link": "br0"})
        assert again.messages[0] == [
            " - WARNING: Network 'net1' is already mapped to group 'default'"]


def test_a_network_changes(cluster: VirtualCluster) -> None:
    with network(cluster):
        ended = submit(cluster, {
            "OP_ID": "OP_NETWORK_SET_PARAMS", "network_name": NET, "mac_prefix": "aa:bb:cd",
            "gateway": "198.51.100.6", "add_reserved_ips": ["198.51.100.3", "192.0.2.200"]})
        assert ended.messages[0] == [" - WARNING: Cannot reserve IP address 192.0.2.200: "
                                     "198.51.100.0/29 does not contain 192.0.2.200"]
        assert fields(cluster, "network", NET, "map", "gateway", "mac_prefix") == [
            "X..X..XX", "198.51.100.6", "aa:bb:cd"]
        do(cluster, "OP_NETWORK_SET_PARAMS", network_name=NET,
           remove_reserved_ips=["198.51.100.3", "198.51.100.0"])
        assert fields(cluster, "network", NET, "map") == ["X.....XX"]


def test_a_card_leaves_its_network_by_the_word_none(cluster: VirtualCluster) -> None:
    nics = [{"network": NET, "ip": "pool"}]
    with network(cluster), instance(cluster, "n1.example.com", nics=nics) as name:
        cluster.gnt("gnt-instance", "modify", "--net", "0:modify,ip=none", name)
        assert fields(cluster, "instance", name, "nic.ips", "nic.networks.names") == [[None], [NET]]
        cluster.gnt("gnt-instance", "modify", "--net", "0:modify,network=none", name)
        assert fields(cluster, "instance", name, "nic.networks.names", "nic.links") == [
            [None], ["br7"]]
        assert fields(cluster, "network", NET, "inst_cnt") == [0]


def test_a_card_keeps_its_address_in_another_network_and_gets_a_mac_of_its_prefix(
    cluster: VirtualCluster
) -> None:
    """As in Ganeti: the address was lost without a word, and the MAC was of no network."""
    nics = [{"ip": "198.51.100.4"}]
    with instance(cluster, "n1.example.com", nics=nics) as name, \
            network(cluster, connected=False, mac_prefix="aa:bb:cc"):
        do(cluster, "OP_NETWORK_CONNECT", network_name=NET, group_name="default",
           network_mode="bridged", network_link="br7", conflicts_check=False)
        told = cluster.gnt("gnt-instance", "modify", "--net", f"0:modify,network={NET}", name)
        ips, macs = fields(cluster, "instance", name, "nic.ips", "nic.macs")
        assert (ips, macs[0][:8]) == (["198.51.100.4"], "aa:bb:cc")
        assert f"nic.mac/0 -> {macs[0]}" in told.stdout
        assert fields(cluster, "network", NET, "map") == ["XX..X..X"]
        refused(cluster, "OP_INSTANCE_SET_PARAMS", "Conflicting IP address found",
                "environment_error", instance_name=name, nics=[["modify", 0, {"network": "none"}]])
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=name, conflicts_check=False,
           nics=[["modify", 0, {"network": "none"}]])
        assert fields(cluster, "instance", name, "nic.ips", "nic.networks.names") == [
            ["198.51.100.4"], [None]]


def test_addresses_of_ipv6_are_made_by_guests(cluster: VirtualCluster) -> None:
    """As in Ganeti: a network's IPv6 range has no pool."""
    refused(cluster, "OP_NETWORK_ADD", "guests make theirs of the network's IPv6 range",
            "wrong_input", network_name="six", network="198.51.100.0/29",
            network6="2001:db8::/64", add_reserved_ips=["2001:db8::5"])
    with network(cluster, network6="2001:db8::/64"):
        refused(cluster, "OP_INSTANCE_CREATE", "none are drawn from a pool", "wrong_input",
                instance_name="six.example.com", mode="create", disks=[], pnode="node1",
                disk_template="diskless", no_install=True, name_check=False, ip_check=False,
                nics=[{"network": NET, "ip": "2001:db8::5"}])
        ended = submit(cluster, {"OP_ID": "OP_NETWORK_SET_PARAMS", "network_name": NET,
                                 "add_reserved_ips": ["2001:db8::5"]})
        assert "2001:db8::5 is an IPv6 address" in str(ended.messages)


def test_an_address_that_a_job_gives_to_an_instance_is_not_reserved_too(
    cluster: VirtualCluster
) -> None:
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    with network(cluster) as net, instance(
            cluster, "n1.example.com", start=True,
            nics=[{"network": net, "ip": "198.51.100.3"}]) as name:
        write_faults(faults, {"set_memory": [{"mode": "block", "times": 1}]})
        with cluster.luxi() as client:
            job = client.submit_job([{
                "OP_ID": "OP_INSTANCE_SET_PARAMS", "instance_name": name, "reason": [],
                "nics": [["modify", 0, {"ip": "198.51.100.4"}]],
                "runtime_mem": 48, "force": True}])
        try:
            wait_until(lambda: '"times": 0' in faults.read_text(), "the job is at work")
            ended = submit(cluster, {"OP_ID": "OP_NETWORK_SET_PARAMS", "network_name": net,
                                     "add_reserved_ips": ["198.51.100.4", "198.51.100.5"]})
            refused(cluster, "OP_NETWORK_SET_PARAMS", "is being given to an instance",
                    "resource_not_unique", network_name=net, gateway="198.51.100.4")
        finally:
            write_faults(faults, {})
        assert [line for line in ended.messages[0] if "Cannot reserve" in line] == [
            " - WARNING: Cannot reserve IP address 198.51.100.4: another job gives it to an "
            "instance"]
        assert wait_for(cluster, job).status == "success"
        assert fields(cluster, "network", net, "external_reservations") == [
            "198.51.100.0, 198.51.100.1, 198.51.100.5, 198.51.100.7"]
        assert fields(cluster, "instance", name, "nic.ips") == [["198.51.100.4"]]
