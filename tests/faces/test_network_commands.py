"""``gnt-network`` on a cluster of real daemons, with the outputs that Ganeti has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from virtual_cluster import Ran, VirtualCluster

HEAD = "Failure: prerequisites not met for this operation:\nerror type: {}, error details:\n{}\n"
INFO = """\
Network name: net1
UUID: {uuid}
Serial number: 1
  Subnet: 198.51.100.0/24
  Gateway: 198.51.100.1
  IPv6 Subnet: 2001:db8::/64
  IPv6 Gateway: 2001:db8::1
  Mac Prefix: aa:bb:cc
  Size: 256
  Free: 250 (97.66%)
  Usage map:
        0 XXX.......X.........X........................................... 63
       64 ................................................................ 127
      128 ................................................................ 191
      192 ...............................................................X 255
         (X) used    (.) free
  externally reserved IPs:
    198.51.100.0, 198.51.100.1, 198.51.100.10, 198.51.100.20,
    198.51.100.255
  connected to node groups:
    default (mode:bridged link:br7 vlan:)
  used by 1 instances:
    card.example.com: 1:198.51.100.2
"""


@pytest.fixture
def net(cluster: VirtualCluster) -> Iterator[str]:
    """A network with addresses set aside, connected to no group."""
    cluster.gnt("gnt-network", "add", "--network=198.51.100.0/24", "--gateway=198.51.100.1",
                "--add-reserved-ips=198.51.100.10,198.51.100.20", "-m", "aa:bb:cc",
                "--network6=2001:db8::/64", "--gateway6=2001:db8::1", "--tags=rec:w,vlan:none",
                "net1")
    yield "net1"
    cluster.gnt("gnt-network", "disconnect", "net1")
    cluster.gnt("gnt-network", "remove", "net1")


@pytest.fixture
def card(cluster: VirtualCluster, net: str) -> Iterator[str]:
    """An instance whose second card has an address of the network, which is connected."""
    cluster.gnt("gnt-network", "connect", "-N", "mode=bridged,link=br7", net, "default")
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-n", "node1", "--no-start",
                "--no-install", "--no-name-check", "--no-ip-check", "--net", "0:ip=none",
                "--net", "1:network=net1,ip=pool", "card.example.com")
    yield "card.example.com"
    cluster.gnt("gnt-instance", "remove", "-f", "card.example.com")


def refusal(ran: Ran) -> str:
    """What a failed command says, without the time of a warning's line."""
    assert ran.status == 1, ran
    return re.sub(r"^\w{3} \w{3} +\d+ [\d:]{8} \d{4} ", "", ran.stdout) + ran.stderr


def test_lists_and_info_of_a_network(cluster: VirtualCluster, card: str) -> None:
    assert cluster.gnt("gnt-network", "list").lines == [
        "Network Subnet          Gateway      MacPrefix GroupList                Tags",
        "net1    198.51.100.0/24 198.51.100.1 aa:bb:cc  default (bridged, br7, ) "
        "rec:w,vlan:none"]
    assert cluster.table("gnt-network", "list", "-o", "inst_list,free_count,network6") == [
        [card, "250", "2001:db8::/64"]]
    (uuid,), = cluster.table("gnt-network", "list", "-o", "uuid")
    for names in ((), ("net1",)):
        assert cluster.gnt("gnt-network", "info", *names).stdout == INFO.format(uuid=uuid)
    unknown = cluster.try_("gnt-network", "info", "net1", "nosuch")
    assert (unknown.status, unknown.stdout) == (1, "")
    assert "Network name nosuch not found" in unknown.stderr
    assert '"free_count": 250' in cluster.gnt("gnt-network", "info", "--format=json").stdout
    fields = cluster.table("gnt-network", "list-fields")
    assert ["group_list", "Custom", "GroupList",
            "List of nodegroups (group name, NIC mode, NIC link)"] in fields


def test_cards_inherit_how_the_network_reaches_the_nodes(
    cluster: VirtualCluster, card: str
) -> None:
    assert cluster.instances("name", "nic.mode/1", "nic.link/1", "nic.ip/1") == [
        [card, "bridged", "br7", "198.51.100.2"]]
    refused = cluster.try_("gnt-network", "disconnect", "net1", "default")
    assert refusal(refused) == (
        " - WARNING: Following instances use network 'net1': card.example.com\n"
        + HEAD.format("wrong_state", "Conflict found, aborting"))


def test_connected_and_disconnected(cluster: VirtualCluster, net: str) -> None:
    cluster.gnt("gnt-group", "add", "second")
    try:
        cluster.gnt("gnt-network", "connect", "-N", "link=br9,vlan=.12", net)
        assert sorted(cluster.gnt("gnt-network", "list", "-o", "group_list",
                                  "--no-headers").stdout.strip().split("), ")) == [
            "default (bridged, br9, .12", "second (bridged, br9, .12)"]
        again = cluster.gnt("gnt-network", "connect", "-N", "mode=bridged,link=br0", net,
                            "default")
        assert again.stdout.endswith(
            " - WARNING: Network 'net1' is already mapped to group 'default'\n")
        assert refusal(cluster.try_("gnt-network", "remove", net)) == (
            " - WARNING: Network 'net1' is connected to the following node groups: default,"
            " second\n" + HEAD.format("wrong_state", "Network still connected"))
        cluster.gnt("gnt-network", "disconnect", net, "default", "second")
        assert "  not connected to any node group\n  not used by any instances\n" in (
            cluster.gnt("gnt-network", "info", net).stdout)
        assert refusal(cluster.try_("gnt-network", "disconnect", net, "nosuch")) == HEAD.format(
            "unknown_entity", "Node group 'nosuch' not found")
        assert refusal(cluster.try_("gnt-network", "connect", "-N", "lnk=br0", net)) == (
            "Parameter Error: Unknown parameter 'lnk'\n")
    finally:
        cluster.gnt("gnt-group", "remove", "second")


def test_addresses_in_use_are_a_conflict_unless_they_are_not_looked_for(
    cluster: VirtualCluster, net: str
) -> None:
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-n", "node1", "--no-start",
                "--no-install", "--no-name-check", "--no-ip-check", "--net",
                "0:ip=198.51.100.7", "plain.example.com")
    try:
        assert refusal(cluster.try_("gnt-network", "connect", net, "default")).startswith(
            " - WARNING: Following occurrences use IPs from network net1 that is about to be"
            " connected to node group default: plain.example.com (198.51.100.7)\n")
        cluster.gnt("gnt-network", "connect", "--no-conflicts-check", net, "default")
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", "plain.example.com")


def test_the_addresses_of_nodes_are_set_aside_unless_they_are_not_looked_for(
    cluster: VirtualCluster
) -> None:
    address = cluster.table("gnt-node", "list", "-o", "pip", "node2")[0][0]
    around = ".".join([*address.split(".")[:3], "0/24"])
    for options, there in (((), True), (("--no-conflicts-check",), False)):
        cluster.gnt("gnt-network", "add", f"--network={around}", *options, "nodes")
        reserved = cluster.gnt("gnt-network", "list", "-o", "external_reservations", "nodes")
        assert (address in reserved.stdout.replace(",", " ").split()) is there
        cluster.gnt("gnt-network", "remove", "nodes")


@pytest.mark.parametrize(("words", "code", "why"), [
    (["net9"], "wrong_input", "The --network option must be given"),
    (["--network=198.51.100.0/24", "net1"], "already_exists",
     "Desired network name 'net1' already exists as a network (UUID: {uuid})"),
    (["--network=192.0.2.0/24", "--gateway=198.51.100.1", "net9"], "wrong_input",
     "Gateway 198.51.100.1 is not in the network 192.0.2.0/24"),
    (["--network=192.0.2.0/24", "--gateway6=2001:db8::1", "net9"], "wrong_input",
     "IPv6 gateway 2001:db8::1 is not in the network None"),
])
def test_what_cannot_be_added(
    cluster: VirtualCluster, net: str, words: list[str], code: str, why: str
) -> None:
    (uuid,), = cluster.table("gnt-network", "list", "-o", "uuid", net)
    assert refusal(cluster.try_("gnt-network", "add", *words)) == HEAD.format(
        code, why.format(uuid=uuid))


def test_a_network_is_modified(cluster: VirtualCluster, net: str) -> None:
    nothing = cluster.try_("gnt-network", "modify", net)
    assert (nothing.status, nothing.stderr) == (
        1, "Please give at least one of the parameters.\n")
    warned = cluster.gnt("gnt-network", "modify", "--add-reserved-ips=198.51.100.10", net)
    assert warned.stdout.endswith(" - WARNING: Cannot reserve IP address 198.51.100.10: IP"
                                  " 198.51.100.10 is already externally reserved\n")
    cluster.gnt("gnt-network", "modify", "--gateway=198.51.100.2", "--mac-prefix=aa:bb:dd",
                "--network6=2001:db8:1::/64", "--gateway6=2001:db8:1::9",
                "--add-reserved-ips=198.51.100.3", "--remove-reserved-ips=198.51.100.10", net)
    assert cluster.table("gnt-network", "list", "-o",
                         "gateway,mac_prefix,network6,gateway6,external_reservations") == [[
        "198.51.100.2", "aa:bb:dd", "2001:db8:1::/64", "2001:db8:1::9",
        "198.51.100.0, 198.51.100.2, 198.51.100.3, 198.51.100.20, 198.51.100.255"]]
    cluster.gnt("gnt-network", "modify", "--gateway=none", "--network6=none",
                "--gateway6=none", net)
    assert "  Gateway: None\n  IPv6 Subnet: None\n  IPv6 Gateway: None\n" in cluster.gnt(
        "gnt-network", "info", net).stdout


def test_tags_of_a_network(cluster: VirtualCluster, net: str) -> None:
    assert cluster.gnt("gnt-network", "list-tags", net).lines == ["rec:w", "vlan:none"]
    cluster.gnt("gnt-network", "add-tags", "--from", "-", net, stdin="blue\ngreen\n")
    cluster.gnt("gnt-network", "remove-tags", net, "rec:w", "green")
    assert cluster.gnt("gnt-network", "list-tags", net).lines == ["blue", "vlan:none"]
    assert cluster.gnt("gnt-cluster", "search-tags", "^bl").lines == ["/network/net1 blue"]
    missing = cluster.try_("gnt-network", "list-tags", "nosuch")
    assert refusal(missing) == HEAD.format("unknown_entity", "Network name nosuch not found")
