"""Settings of the cluster: each field changes, and what makes no sense changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from jobs import do, fields, hosts, instance, refused
from virtual_cluster import VirtualCluster

SET = "OP_CLUSTER_SET_PARAMS"


@pytest.fixture(scope="module")
def cluster(three_nodes: VirtualCluster) -> VirtualCluster:
    """A cluster of its own: settings stay changed."""
    return three_nodes


def info(cluster: VirtualCluster) -> dict[str, Any]:
    with cluster.luxi() as client:
        return client.query_cluster_info()


@pytest.mark.parametrize(("params", "field", "shown"), [
    ({"max_running_jobs": 7}, "max_running_jobs", 7),
    ({"max_tracked_jobs": 9}, "max_tracked_jobs", 9),
    ({"mac_prefix": "AA:00:01"}, "mac_prefix", "aa:00:01"),
    ({"default_iallocator": "hail"}, "default_iallocator", "hail"),
    ({"maintain_node_health": True}, "maintain_node_health", True),
    ({"master_netdev": "eth9"}, "master_netdev", "eth9"),
    ({"master_netmask": 24}, "master_netmask", 24),
    ({"uid_pool": [[2000, 2009], [2010, 2010]]}, "uid_pool", [[2000, 2010]]),
    ({"add_uids": [[3000, 3001]], "remove_uids": [[2003, 2004]]}, "uid_pool",
     [[2000, 2002], [2005, 2010], [3000, 3001]]),
    ({"uid_pool": []}, "uid_pool", []),
    ({"reserved_lvs": ["root.*"]}, "reserved_lvs", ["root.*"]),
    ({"hidden_os": [["add", "noop"]]}, "hidden_os", ["noop"]),
    ({"blacklisted_os": [["add", "noop"]]}, "blacklisted_os", ["noop"]),
    ({"install_image": "/x.img"}, "install_image", "/x.img"),
    ({"zeroing_image": "https://x.example.com/z"}, "zeroing_image", "https://x.example.com/z"),
    ({"compression_tools": ["gzip", "lzop"]}, "compression_tools", ["gzip", "lzop"]),
    ({"osparams": {"later": {"a": 1}}}, "osparams", {"later": {"a": "1"}}),
    ({"gluster_storage_dir": "/srv/gluster"}, "gluster_storage_dir", "/srv/gluster"),
    ({"vg_name": "xenvg"}, "volume_group_name", "xenvg"),
    ({"drbd_helper": "/bin/true"}, "drbd_usermode_helper", "/bin/true"),
])
def test_a_setting_changes(
    cluster: VirtualCluster, params: dict[str, Any], field: str, shown: Any
) -> None:
    assert do(cluster, SET, **params) is None
    assert info(cluster)[field] == shown


def test_pools_of_user_ids_and_lists_of_systems(cluster: VirtualCluster) -> None:
    refused(cluster, SET, "User-id 99 is not in the pool", "wrong_input", remove_uids=[[99, 99]])
    refused(cluster, SET, "Invalid user-id range", "wrong_input", remove_uids=[[5, 1]])
    do(cluster, SET, hidden_os=[["add", "a"], ["remove", "noop"], ["remove", "never"]])
    assert info(cluster)["hidden_os"] == ["a"]


def test_parameters_are_inherited_and_taken_back(cluster: VirtualCluster) -> None:
    with instance(cluster, "heir.example.com", beparams={}) as name:
        do(cluster, SET, beparams={"memory": 96}, nicparams={"default": {"link": "br7"}})
        assert fields(cluster, "instance", name, "be/maxmem", "nic.links") == [96, ["br7"]]
        do(cluster, SET, beparams={"memory": "default"}, nicparams={"link": "default"})
        assert fields(cluster, "instance", name, "be/maxmem", "nic.links") == [128, ["br0"]]
    do(cluster, SET, ndparams={"spindle_count": 4})
    assert info(cluster)["ndparams"]["spindle_count"] == 4
    do(cluster, SET, ndparams={"spindle_count": "default"})
    do(cluster, SET, ipolicy={"vcpu-ratio": 8})
    assert info(cluster)["ipolicy"]["vcpu-ratio"] == 8
    do(cluster, SET, ipolicy={"vcpu-ratio": "default"})


def test_drivers_are_enabled_and_disabled(cluster: VirtualCluster) -> None:
    before = info(cluster)["enabled_disk_templates"]
    with instance(cluster, "user.example.com") as name:
        refused(cluster, SET, f"Cannot disable disk template 'file', because there is at least one "
                f"instance using it: {name}", "wrong_state", enabled_disk_templates=["diskless"])
        refused(cluster, SET, "disk(s) are in", "wrong_state", file_storage_dir="/elsewhere")
    do(cluster, SET, enabled_disk_templates=["diskless"])
    assert info(cluster)["enabled_disk_templates"] == ["diskless"]
    do(cluster, SET, enabled_disk_templates=before)
    refused(cluster, SET, "list of enabled hypervisors is empty", "wrong_input",
            enabled_hypervisors=[])


@pytest.mark.parametrize(("params", "text", "code", "error"), [
    ({"enabled_hypervisors": ["nosuch"]}, "Unknown hypervisor 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"beparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", None, "TypeEnforcementError"),
    ({"beparams": {"minmem": 1 << 20}}, "is larger than maximum memory", "wrong_input",
     "OpPrereqError"),
    ({"hvparams": {"fake": {"nosuch": 1}}}, "Unknown parameter 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"hvparams": {"nosuch": {"a": 1}}}, "Unknown hypervisor 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"os_hvp": {"noop": {"fake": {"nosuch": 1}}}}, "Unknown parameter 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"nicparams": {"mode": "nosuch"}}, "Invalid NIC mode 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"ndparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", None, "TypeEnforcementError"),
    ({"ipolicy": {"std": {"cpu-count": 999}}}, "lies outside every allowed range", "wrong_input",
     "OpPrereqError"),
    ({"default_iallocator": "nosuch"}, "Invalid default iallocator script 'nosuch' specified",
     "wrong_input", "OpPrereqError"),
    ({"mac_prefix": "zz:00:00"}, "Invalid MAC address prefix", "wrong_input", "OpPrereqError"),
    ({"mac_prefix": "01:00:00"}, "Invalid MAC address prefix", "wrong_input", "OpPrereqError"),
    ({"master_netmask": 33}, "CIDR netmask (33) not valid", "wrong_input", "OpPrereqError"),
    ({"hv_state": {"a": {}}}, "Invalid hypervisor(s) in hypervisor state: a", "wrong_input",
     "OpPrereqError"),
    ({"zeroing_image": "x"}, "Zeroing image must be an absolute path", "wrong_input",
     "OpPrereqError"),
    ({"file_storage_dir": "relative"}, "not an absolute", "wrong_input", "OpPrereqError"),
    ({"file_storage_dir": "/a/../b"}, "not an absolute", "wrong_input", "OpPrereqError"),
    ({"uid_pool": [[5, 1 << 20]]}, "Invalid user-id range", "wrong_input", "OpPrereqError"),
    ({"add_uids": [[9, 5]]}, "Invalid user-id range", "wrong_input", "OpPrereqError"),
    ({"candidate_pool_size": 2 ** 70}, "at most 65536 is possible", "wrong_input",
     "OpPrereqError"),
    ({"max_running_jobs": 10 ** 9}, "at most 65536 is possible", "wrong_input", "OpPrereqError"),
    ({"max_tracked_jobs": 10 ** 9}, "at most 1048576 is possible", "wrong_input",
     "OpPrereqError"),
    ({"master_netdev": "lo; id"}, "Invalid link 'lo; id'", "wrong_input", "OpPrereqError"),
    ({"master_netdev": ""}, "Invalid link", "wrong_input", "OpPrereqError"),
    ({"enabled_data_collectors": {"nosuch": True}}, "Unknown data collector 'nosuch'",
     "wrong_input", "OpPrereqError"),
    ({"data_collector_interval": {"diskstats": 5}}, "at least 1000000 microseconds",
     "wrong_input", "OpPrereqError"),
    ({"data_collector_interval": {"diskstats": 10**30}}, "a year at most", "wrong_input",
     "OpPrereqError"),
    ({"data_collector_interval": {"nosuch": 5}}, "Unknown data collector 'nosuch'",
     "wrong_input", "OpPrereqError"),
    ({"beparams": {"memory": 100, "maxmem": 200}}, "Conflicting parameters", "wrong_input",
     "OpPrereqError"),
    ({"osparams": {"noop": {"a=b": "1"}}}, "Invalid name of an OS parameter", "wrong_input",
     "OpPrereqError"),
    ({"osparams": {"noop": {"a": "1\0"}}}, "Invalid value for the OS parameter 'a'",
     "wrong_input", "OpPrereqError"),
    ({"diskparams": {"file": {"file_driver": "loop"}}}, "can only be given for one disk",
     "wrong_input", "OpPrereqError"),
    ({"reserved_lvs": ["("]}, "Invalid pattern of reserved volumes", "wrong_input",
     "OpPrereqError"),
    ({"compression_tools": ["a;b"]}, "is not allowed", "wrong_input", "OpPrereqError"),
    ({"hidden_os": [["toggle", "x"]]}, "Invalid modification", "wrong_input", "OpPrereqError"),
    ({"diskparams": {"file": {"x": 1}}}, "Unknown parameter 'x'", "wrong_input", "OpPrereqError"),
])
def test_what_is_refused_changes_nothing(
    cluster: VirtualCluster, params: dict[str, Any], text: str, code: str | None, error: str
) -> None:
    refused(cluster, SET, text, code, error=error, **params)


def test_the_pool_of_candidates_shrinks_and_fills(cluster: VirtualCluster) -> None:
    def candidates() -> list[str]:
        return [name for name, role in cluster.table("gnt-node", "list", "-o", "name,role")
                if role in "MC"]

    do(cluster, SET, candidate_pool_size=1)
    assert candidates() == ["node1.example.com"]
    do(cluster, SET, candidate_pool_size=10)
    assert len(candidates()) == 3
    cluster.verify()


def test_the_cluster_gets_another_name(cluster: VirtualCluster) -> None:
    old = info(cluster)["name"]
    refused(cluster, "OP_CLUSTER_RENAME", "does not resolve", "resolver_error",
            name="unknown.invalid")
    with hosts(cluster, "127.99.0.9 other.example.com other"):
        assert do(cluster, "OP_CLUSTER_RENAME", name="other") == "other.example.com"
        assert info(cluster)["name"] == "other.example.com"
        refused(cluster, "OP_CLUSTER_RENAME", "Neither the name nor the IP address", "wrong_input",
                name="other.example.com")
    assert do(cluster, "OP_CLUSTER_RENAME", name=old) == old
