"""What a card is attached to must be on the node, for hypervisors that use the node's networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from jobs import do, fields, instance, refused, submit
from virtual_cluster import VirtualCluster

pytestmark = [
    pytest.mark.needs_qemu,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="QEMU is not installed")]
NAME = "linked.example.com"
SET = "OP_INSTANCE_SET_PARAMS"
MISSING = ("Error checking network links on destination node 'node1.example.com': "
           "Missing bridges nobridge0")
LOST = {"link": "nobridge0"}


@pytest.fixture(scope="module")
def linked(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    return make_cluster("--nodes", "1", "--hypervisor", "kvm")


def test_a_link_that_is_missing_is_found_before_anything_is_made(linked: VirtualCluster) -> None:
    refused(linked, "OP_INSTANCE_CREATE", MISSING, "environment_error", instance_name=NAME,
            disk_template="file", disks=[{"size": 16}], nics=[LOST], mode="create", os_type=None,
            no_install=True, pnode="node1", start=False, name_check=False, ip_check=False)
    with instance(linked, NAME, nics=[{"mode": "user"}]) as name:
        add = {"instance_name": name, "nics": [["add", -1, LOST]]}
        refused(linked, SET, MISSING, "environment_error", **add)
        do(linked, SET, force=True, **add)
        assert fields(linked, "instance", name, "nic.modes") == [["user", "bridged"]]
        refused(linked, "OP_INSTANCE_STARTUP", MISSING, "environment_error", instance_name=name)
        found = submit(linked, {"OP_ID": "OP_CLUSTER_VERIFY_GROUP", "group_name": "default"})
        assert any("Missing bridges nobridge0" in str(line)
                   for line in found.messages[0]), found.messages


@pytest.mark.parametrize(("nic", "text"), [
    ({"mode": "pigeon"}, "Invalid NIC mode 'pigeon', expected one of bridged, ext, openvswitch, "
                         "routed, user"),
    ({"mode": "user", "vlan": "10"}, "Cards of mode 'user' cannot be in VLANs"),
    ({"mode": "routed", "link": ""}, "Cannot set the NIC IP address to None on a routed NIC"),
])
def test_a_mode_is_the_name_of_a_back_end_and_takes_what_that_can_do(
    linked: VirtualCluster, nic: dict[str, str], text: str
) -> None:
    with instance(linked, NAME, nics=[]) as name:
        refused(linked, SET, text, "wrong_input", instance_name=name, nics=[["add", -1, nic]])


def test_a_network_that_is_filtered_refuses_cards_that_cannot_be(linked: VirtualCluster) -> None:
    linked.gnt("gnt-network", "add", "--network", "192.0.2.0/24", "--tags", "ip-filtered", "strict")
    linked.gnt("gnt-network", "connect", "-N", "mode=user,link=none", "strict", "default")
    with instance(linked, NAME, nics=[]) as name:
        refused(linked, SET, "Cards of mode 'user' cannot be filtered, but the tags of their "
                "network ask for filters by ip", "wrong_input", instance_name=name,
                nics=[["add", -1, {"network": "strict", "ip": "pool"}]])
    linked.gnt("gnt-network", "disconnect", "strict", "default")
    linked.gnt("gnt-network", "connect", "-N", "mode=bridged,link=nobr", "strict", "default")
    with instance(linked, NAME, nics=[]) as name:
        refused(linked, SET, "is filtered by IP address: the card", "wrong_input",
                instance_name=name, nics=[["add", -1, {"network": "strict"}]])
