"""What Ganeti's operations refuse, and nothing else of ours would notice."""

from __future__ import annotations

from typing import Any

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

NEW: dict[str, Any] = {
    "instance_name": "new.example", "disk_template": "diskless", "disks": [], "nics": [],
    "mode": "create", "os_type": None, "no_install": True, "start": False, "name_check": False,
    "ip_check": False}


@pytest.mark.parametrize(("tools", "text"), [
    (["lzop"], "For compatibility reasons, the gzip utility must be present among the compression"
               " tools"),
    (["gzip", "none"], "none is a reserved value used for no compression, and cannot be used as the"
                       " name of a tool"),
    (["gzip", "../lzop"], "'../lzop' is not allowed"),
])
def test_compression_tools(cluster: VirtualCluster, tools: list[str], text: str) -> None:
    refused(cluster, "OP_CLUSTER_SET_PARAMS", text, "wrong_input", compression_tools=tools)


def test_locks_are_not_to_be_got_by_chance_where_the_node_is_named(
    cluster: VirtualCluster
) -> None:
    refused(cluster, "OP_INSTANCE_CREATE", "Opportunistic locking is only available in combination"
            " with an instance allocator", "wrong_input", **NEW, pnode="node1",
            opportunistic_locking=True)


def test_a_parameter_of_the_os_is_public_or_private(cluster: VirtualCluster) -> None:
    with instance(cluster, "new.example"):
        refused(cluster, "OP_INSTANCE_SET_PARAMS", "OS parameters repeated multiple times: both",
                "wrong_input", instance_name="new.example", osparams={"both": "1", "a": "2"},
                osparams_private={"both": "3"})
    refused(cluster, "OP_INSTANCE_CREATE", "OS parameters repeated multiple times: both",
            "wrong_input", **NEW, pnode="node1", osparams={"both": "1", "a": "2"},
            osparams_private={"both": "3"})


@pytest.mark.parametrize(("nic", "text"), [
    ({"ip": "auto"}, "IP address set to auto but name checks have been skipped"),
    ({"ip": "pool"}, "If ip=pool, parameter network cannot be none"),
    ({"mode": "routed"}, "Cannot set the NIC IP address to None on a routed NIC"),
    ({"network": "none", "ip": "300.1.1.1"}, "Invalid IP address '300.1.1.1'"),
])
def test_cards(cluster: VirtualCluster, nic: dict[str, str], text: str) -> None:
    refused(cluster, "OP_INSTANCE_CREATE", text, "wrong_input", pnode="node1",
            **NEW | {"nics": [nic]})


def test_auto_is_what_the_cluster_has(cluster: VirtualCluster) -> None:
    """Ganeti's OVF converter writes it for all that a file does not say."""
    do(cluster, "OP_CLUSTER_SET_PARAMS", beparams={"vcpus": 3})
    try:
        do(cluster, "OP_INSTANCE_CREATE", pnode="node1", **NEW | {
            "hypervisor": "auto", "beparams": {"vcpus": "auto", "memory": "auto"},
            "nics": [{"mode": "auto", "link": "auto", "network": "auto", "mac": "auto"}]})
    finally:
        do(cluster, "OP_CLUSTER_SET_PARAMS", beparams={"vcpus": 1})
    try:
        assert fields(cluster, "instance", "new.example", "hypervisor", "custom_beparams",
                      "nic.modes", "nic.networks") == [
            "fake", {"vcpus": 3, "maxmem": 128, "minmem": 128}, ["bridged"], [None]]
    finally:
        do(cluster, "OP_INSTANCE_REMOVE", instance_name="new.example", ignore_failures=False)


def test_auto_is_the_address_of_the_name(cluster: VirtualCluster) -> None:
    hosts = cluster.paths().hosts
    before = hosts.read_text()
    hosts.write_text(f"{before}\n10.77.0.9 new.example\n")
    try:
        do(cluster, "OP_INSTANCE_CREATE", pnode="node1",
           **NEW | {"name_check": True, "nics": [{"ip": "auto"}, {"ip": "10.77.0.10"}]})
        assert fields(cluster, "instance", "new.example", "nic.ips") == [
            ["10.77.0.9", "10.77.0.10"]]
        do(cluster, "OP_INSTANCE_REMOVE", instance_name="new.example", ignore_failures=False)
    finally:
        hosts.write_text(before)
