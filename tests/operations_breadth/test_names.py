"""Names: each kind has one rule and one final form, wherever a client gives one."""

from __future__ import annotations

from typing import Any

import pytest
from jobs import do, fields, hosts, instance, refused
from virtual_cluster import VirtualCluster

from ganeti_core.errors import OpPrereqError
from ganeti_core.model import names

CREATE, RENAME = "OP_INSTANCE_CREATE", "OP_INSTANCE_RENAME"
NEW: dict[str, Any] = {
    "disk_template": "diskless", "disks": [], "nics": [], "mode": "create", "no_install": True,
    "pnode": "node1", "start": False, "beparams": {"memory": 64}}
PLAIN = {"name_check": False, "ip_check": False}
NO_HOSTS = [
    "", ".", "..", "a..b", ".a", "-a", "a b", "a/b", "../a", "a\0", "a\n", "a:b", "a,b", "a$b",
    "ünix.example.com", "\u200ba", "\u212a1", "a" * 64, "a." * 128 + "a", "1.2.3.4", "LocalHost"]


@pytest.mark.parametrize(("given", "name"), [
    ("web1", "web1"), ("UPPER.Example.com", "upper.example.com"), ("a.b.", "a.b"),
    ("a_b-c.0", "a_b-c.0"), ("a" * 63 + ".b", "a" * 63 + ".b"), ("_x", "_x")])
def test_names_of_hosts_have_one_form(given: str, name: str) -> None:
    assert names.host_name(given) == name


@pytest.mark.parametrize("given", NO_HOSTS)
def test_what_is_no_name_of_a_host(given: str) -> None:
    with pytest.raises(OpPrereqError, match=r"^Invalid hostname") as caught:
        names.host_name(given)
    assert caught.value.args[1] == "wrong_input"
    assert caught.value.args[0].isprintable()
    assert len(caught.value.args[0]) < 250


@pytest.mark.parametrize(("rule", "right", "wrong"), [
    (lambda name: names.plain_name("group", name), ["default", "g-2", "net_1", "a.b:c@d", "Rack1"],
     ["", "$(id)", "a b", "a\0", "a\nb", "../x", "-a", ".a", "x" * 256, "ü"]),
    (lambda name: names.device_name("disk", name), ["data", "a b", "1", "Daten-Träger"],
     ["", "a\n", "a\0b", "\x1b[2J", "x" * 256, "\u202e"]),
    (lambda name: names.link_name(name, is_device=True), ["br0", "xen-br0.100", "a" * 15],
     ["", "a" * 16, "br 0", "br/0", ".", "..", "br0\n", "br\0", "-br"]),
    (lambda name: names.link_name(name, is_device=False), ["", "main", "100", "table_of_rack_17"],
     ["a b", "a\n", "-t", "a/b"]),
    (names.vlans, ["", ".10", ":20", ":20:30", ".10:20:30"],
     ["abc", "0", "4095", ".", ":", "10:20", ".10.20", ":", "1 0", ".99999", "٣"]),
])
def test_names_of_other_things(rule: Any, right: list[str], wrong: list[str]) -> None:
    for name in right:
        assert rule(name) == name
    for name in wrong:
        with pytest.raises(OpPrereqError) as caught:
            rule(name)
        assert caught.value.args[1] == "wrong_input"
    assert names.vlans("10") == ".10"


@pytest.mark.parametrize("given", NO_HOSTS)
def test_no_instance_has_such_a_name(cluster: VirtualCluster, given: str) -> None:
    refused(cluster, CREATE, "Invalid hostname", "wrong_input", instance_name=given, **NEW, **PLAIN)


def test_an_instance_is_made_and_found_in_any_case(cluster: VirtualCluster) -> None:
    with instance(cluster, "UPPER.Example.COM") as given:
        assert fields(cluster, "instance", "upper.example.com", "name") == ["upper.example.com"]
        for same in ("upper.example.com", "Upper.example.com", "upper.example.com."):
            refused(cluster, CREATE, "Instance 'upper.example.com' is already in the cluster",
                    "already_exists", instance_name=same, **NEW, **PLAIN)
        for found in ("UPPER", "upper.EXAMPLE", "UPPER.EXAMPLE.COM"):
            do(cluster, "OP_INSTANCE_STARTUP", instance_name=found)
            assert cluster.try_("gnt-instance", "shutdown", found).status == 0
        refused(cluster, "OP_INSTANCE_STARTUP", "Instance 'upper.exam' not known",
                "unknown_entity", instance_name="upper.exam")
        do(cluster, RENAME, instance_name="Upper", new_name="Lower.Example.com", **PLAIN)
        assert fields(cluster, "instance", "lower.example.com", "name") == ["lower.example.com"]
        do(cluster, RENAME, instance_name="lower", new_name=given, **PLAIN)


@pytest.mark.parametrize(("name", "user"), [
    ("node2.example.com", "a node"), ("NODE2.example.com", "a node"), ("cluster", "the cluster")])
def test_one_space_of_names(cluster: VirtualCluster, name: str, user: str) -> None:
    with cluster.luxi() as client:
        taken = client.query_cluster_info()["name"] if name == "cluster" else name
    for op_id, params in ((CREATE, {"instance_name": taken, **NEW}),
                          ("OP_INSTANCE_MULTI_ALLOC", {"instances": [
                              {"instance_name": taken, **NEW, **PLAIN}]})):
        refused(cluster, op_id, f"is that of {user} already", "resource_not_unique",
                **params, **(PLAIN if op_id == CREATE else {}))
    with instance(cluster, "space.example.com") as mine:
        refused(cluster, RENAME, f"is that of {user} already", "resource_not_unique",
                instance_name=mine, new_name=taken, **PLAIN)
        with hosts(cluster, f"198.51.100.9 {mine}"):
            refused(cluster, "OP_NODE_ADD", "is that of an instance already",
                    "resource_not_unique", node_name=mine)
            refused(cluster, "OP_CLUSTER_RENAME", "is that of an instance already",
                    "resource_not_unique", name=mine)


def test_a_cluster_takes_the_address_of_no_node(cluster: VirtualCluster) -> None:
    (address,) = fields(cluster, "node", "node2.example.com", "pip")
    with hosts(cluster, f"{address} other.example.com"):
        refused(cluster, "OP_CLUSTER_RENAME", "is that of node node2.example.com",
                "resource_not_unique", name="other.example.com")


def test_several_instances_have_several_names(cluster: VirtualCluster) -> None:
    twice = [{"instance_name": name, **NEW, **PLAIN}
             for name in ("twin.example.com", "TWIN.example.com.")]
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "duplicate instance names: twin.example.com",
            "wrong_input", instances=twice)
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "Invalid hostname", "wrong_input",
            instances=[{"instance_name": "a..b", **NEW, **PLAIN}])


def test_a_name_that_resolves_to_another_is_refused(cluster: VirtualCluster) -> None:
    lines = ("198.51.100.7 surprise.example.com alias.example.com alias sur",
             "198.51.100.8 Full.Example.com full")
    with hosts(cluster, *lines), instance(cluster, "mine.example.com") as mine:
        text = ("Resolved hostname 'surprise.example.com' does not look the same as given hostname "
                "'{}'")
        for given in ("alias.example.com", "alias", "sur"):
            refused(cluster, CREATE, text.format(given), "wrong_input",
                    instance_name=given, ip_check=False, **NEW)
            refused(cluster, RENAME, text.format(given), "wrong_input",
                    instance_name=mine, new_name=given, ip_check=False)
            refused(cluster, "OP_CLUSTER_RENAME", text.format(given), "wrong_input", name=given)
        assert do(cluster, RENAME, instance_name=mine, new_name="FULL",
                  ip_check=False) == "full.example.com"
        do(cluster, RENAME, instance_name="full", new_name=mine, **PLAIN)


def test_an_instance_is_renamed_to_its_own_name(cluster: VirtualCluster) -> None:
    with instance(cluster, "same.example.com") as name:
        assert do(cluster, RENAME, instance_name=name, new_name=name, **PLAIN) == name
        assert do(cluster, RENAME, instance_name="same", new_name=name.upper(), **PLAIN) == name


@pytest.mark.parametrize("given", ["$(id)", "a b", "a\0", "a\nb", "../x", "x" * 256])
def test_groups_and_networks_have_plain_names(cluster: VirtualCluster, given: str) -> None:
    refused(cluster, "OP_GROUP_ADD", "Invalid group name", "wrong_input", group_name=given)
    refused(cluster, "OP_GROUP_RENAME", "Invalid group name", "wrong_input",
            group_name="default", new_name=given)
    refused(cluster, "OP_NETWORK_ADD", "Invalid network name", "wrong_input",
            network_name=given, network="192.0.2.0/24")


def test_names_of_devices_and_links(cluster: VirtualCluster) -> None:
    change = "OP_INSTANCE_SET_PARAMS"
    bad = [({"link": "br 0"}, "Invalid link 'br 0'"), ({"link": "a" * 16}, "Invalid link"),
           ({"link": "br0\n"}, "Invalid link"), ({"bridge": "a/b"}, "Invalid link"),
           ({"vlan": "abc"}, "Specified VLAN parameter is invalid : 'abc'"),
           ({"name": "a\nb"}, "Invalid network interface name")]
    with instance(cluster, "devices.example.com") as name:
        for nic, text in bad:
            refused(cluster, CREATE, text, "wrong_input", instance_name="x.example.com",
                    **NEW | PLAIN | {"nics": [nic]})
            for place in (["add", -1, nic], ["modify", 0, nic]):
                refused(cluster, change, text, "wrong_input", instance_name=name, nics=[place])
        for place in (["add", -1, {"size": 16, "name": "a\0"}], ["modify", 0, {"name": "a\0"}]):
            refused(cluster, change, "Invalid disk name", "wrong_input", instance_name=name,
                    disks=[place])
        do(cluster, change, instance_name=name, nics=[
            ["modify", 0, {"mode": "openvswitch", "vlan": "100"}]])
        assert fields(cluster, "instance", name, "nic.vlans") == [[".100"]]
    for asked in ({"vlan": "abc"}, {"link": "br 0"}, {"link": ""}):
        refused(cluster, "OP_CLUSTER_SET_PARAMS", "nvalid", "wrong_input",
                nicparams={"default": asked})


def test_an_address_that_answers_is_taken(cluster: VirtualCluster) -> None:
    with hosts(cluster, "127.0.0.1 used.example.com used"), instance(cluster, "u.org") as mine:
        text = "IP 127.0.0.1 of instance used.example.com already in use"
        refused(cluster, CREATE, text, "resource_not_unique", instance_name="used", **NEW)
        refused(cluster, RENAME, text, "resource_not_unique", instance_name=mine,
                new_name="used.example.com")
