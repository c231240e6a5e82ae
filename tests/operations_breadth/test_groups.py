"""Node groups: made, changed, renamed, filled with nodes, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jobs import do, fields, instance, refused, submit
from virtual_cluster import VirtualCluster


@contextmanager
def group(cluster: VirtualCluster, name: str, **params: Any) -> Iterator[str]:
    assert do(cluster, "OP_GROUP_ADD", group_name=name, **params) is None
    try:
        yield name
    finally:
        do(cluster, "OP_GROUP_REMOVE", group_name=name)


def test_a_group_is_made_renamed_and_removed(cluster: VirtualCluster) -> None:
    do(cluster, "OP_GROUP_ADD", group_name="g2", alloc_policy="last_resort",
       ndparams={"spindle_count": 3})
    assert fields(cluster, "group", "g2", "alloc_policy", "node_cnt") == ["last_resort", 0]
    (uuid,) = fields(cluster, "group", "g2", "uuid")
    refused(cluster, "OP_GROUP_ADD", f"Desired group name 'g2' already exists as a node group "
            f"(UUID: {uuid})", "already_exists", group_name="g2")
    refused(cluster, "OP_GROUP_RENAME", f"Desired new name 'g2' clashes with existing node group "
            f"(UUID: {uuid})", "already_exists", group_name="default", new_name="g2")
    assert do(cluster, "OP_GROUP_RENAME", group_name="g2", new_name="g3") == "g3"
    assert do(cluster, "OP_GROUP_REMOVE", group_name="g3") is None
    refused(cluster, "OP_GROUP_REMOVE", "Node group 'g3' not found", "unknown_entity",
            group_name="g3")


def test_a_group_with_nodes_stays(cluster: VirtualCluster) -> None:
    uuids = sorted(fields(cluster, "node", f"node{n}.example.com", "uuid")[0] for n in (1, 2, 3))
    refused(cluster, "OP_GROUP_REMOVE", f"Group 'default' not empty, has the following nodes: "
            f"{', '.join(uuids)}", "wrong_state", group_name="default")


def test_parameters_of_a_group(cluster: VirtualCluster) -> None:
    with group(cluster, "g2") as name:
        assert do(cluster, "OP_GROUP_SET_PARAMS", group_name=name,
                  alloc_policy="unallocable") == []
        told = do(cluster, "OP_GROUP_SET_PARAMS", group_name=name, ndparams={"ssh_port": 2022})
        assert told == [["ndparams", "{'ssh_port': 2022}"]]
        do(cluster, "OP_GROUP_SET_PARAMS", group_name=name, ipolicy={"vcpu-ratio": 2.0})
        (policy,) = fields(cluster, "group", name, "ipolicy")
        assert policy["vcpu-ratio"] == 2.0
        do(cluster, "OP_GROUP_SET_PARAMS", group_name=name, ipolicy={"vcpu-ratio": "default"},
           ndparams={"ssh_port": "default"})
        (policy, ndparams) = fields(cluster, "group", name, "ipolicy", "ndparams")
        assert (policy["vcpu-ratio"], ndparams["ssh_port"]) == (4.0, 22)


@pytest.mark.parametrize(("params", "text", "code", "error"), [
    ({}, "Please pass at least one modification", "wrong_input", "OpPrereqError"),
    ({"ndparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", None, "TypeEnforcementError"),
    ({"ndparams": {"ssh_port": "x"}}, "is not of the type int", None, "TypeEnforcementError"),
    ({"ipolicy": {"nosuch": 1}}, "Invalid key in instance policy: 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"ipolicy": {"std": {}}}, "Invalid key in instance policy: 'std'", "wrong_input",
     "OpPrereqError"),
    ({"ipolicy": {"vcpu-ratio": 0}}, "Invalid value 0 for vcpu-ratio", "wrong_input",
     "OpPrereqError"),
    ({"ipolicy": {"minmax": []}}, "Empty minmax", "wrong_input", "OpPrereqError"),
    ({"ipolicy": {"minmax": [{"min": {}, "max": {}}]}}, "Missing instance specification",
     "wrong_input", "OpPrereqError"),
    ({"diskparams": {"nosuch": {}}}, "Unknown disk template 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"diskparams": {"file": {"x": 1}}}, "Unknown parameter 'x'", "wrong_input", "OpPrereqError"),
    ({"hv_state": {"a": {}}}, "Invalid hypervisor(s) in hypervisor state: a", "wrong_input",
     "OpPrereqError"),
    ({"disk_state": {"sharedfile": {"x": {}}}}, "Invalid storage type(s) in disk state: sharedfile",
     "wrong_input", "OpPrereqError"),
])
def test_what_a_group_cannot_be(
    cluster: VirtualCluster, params: dict[str, Any], text: str, code: str | None, error: str
) -> None:
    refused(cluster, "OP_GROUP_SET_PARAMS", text, code, error=error, group_name="default",
            **params)


def test_a_policy_that_leaves_instances_outside_is_told(cluster: VirtualCluster) -> None:
    bounds = {"cpu-count": 16, "disk-count": 16, "disk-size": 1 << 20, "memory-size": 48,
              "nic-count": 8, "spindle-use": 16}
    with instance(cluster, "outside.example.com") as name:
        ended = submit(cluster, {
            "OP_ID": "OP_GROUP_SET_PARAMS", "group_name": "default",
            "ipolicy": {"minmax": [{"min": dict.fromkeys(bounds, 0), "max": bounds}]}})
        assert ended.messages[0] == [" - WARNING: After the ipolicy change the following instances"
                                     f" violate them: {name}"]
        do(cluster, "OP_GROUP_SET_PARAMS", group_name="default", ipolicy={"minmax": "default"})


def test_nodes_move_between_groups(cluster: VirtualCluster) -> None:
    with group(cluster, "g2") as name:
        do(cluster, "OP_GROUP_ASSIGN_NODES", group_name=name, nodes=["node3"])
        assert fields(cluster, "node", "node3.example.com", "group") == [name]
        assert do(cluster, "OP_GROUP_ASSIGN_NODES", group_name=name, nodes=["node3"]) is None
        do(cluster, "OP_GROUP_ASSIGN_NODES", group_name="default", nodes=["node3"])
    refused(cluster, "OP_GROUP_ASSIGN_NODES", "Node group 'nosuch' not found", "unknown_entity",
            group_name="nosuch", nodes=["node1"])
    refused(cluster, "OP_GROUP_ASSIGN_NODES", "Node 'nosuch' not known", "unknown_entity",
            group_name="default", nodes=["nosuch"])
