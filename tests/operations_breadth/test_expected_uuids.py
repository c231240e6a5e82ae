"""A client that says which object it means is not served with another one of the same name."""

from __future__ import annotations

from typing import Any

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

from ganeti_core.operations.base import EXPECTED_UUIDS

NAME = "meant.example"
OTHER = "11111111-2222-3333-4444-555555555555"
OPCODES: dict[str, tuple[str, dict[str, Any]]] = {
    "instance_uuid": ("OP_INSTANCE_REMOVE", {"instance_name": NAME}),
    "node_uuid": ("OP_NODE_SET_PARAMS", {"node_name": "node2", "drained": True,
                                         "auto_promote": True}),
    "pnode_uuid": ("OP_INSTANCE_CREATE", {
        "instance_name": "new.example", "disk_template": "diskless", "disks": [], "nics": [],
        "mode": "create", "os_type": None, "no_install": True, "pnode": "node2", "start": False,
        "name_check": False, "ip_check": False}),
    "snode_uuid": ("OP_INSTANCE_CREATE", {
        "instance_name": "new.example", "disk_template": "diskless", "disks": [], "nics": [],
        "mode": "create", "os_type": None, "no_install": True, "pnode": "node2",
        "snode": "node3", "start": False, "name_check": False, "ip_check": False}),
    "target_node_uuid": ("OP_INSTANCE_MOVE", {"instance_name": NAME, "target_node": "node2"}),
    "remote_node_uuid": ("OP_NODE_EVACUATE", {
        "node_name": "node1", "remote_node": "node2", "mode": "secondary-only"}),
    "src_node_uuid": ("OP_INSTANCE_CREATE", {
        "instance_name": "new.example", "mode": "import", "src_node": "node2", "src_path": "/x",
        "disk_template": "file", "pnode": "node1", "disks": [], "nics": [],
        "name_check": False, "ip_check": False}),
}


@pytest.mark.parametrize("parameter", sorted(EXPECTED_UUIDS))
def test_another_object_of_the_name_is_left_alone(
    cluster: VirtualCluster, parameter: str
) -> None:
    op_id, params = OPCODES[parameter]
    kind, named = EXPECTED_UUIDS[parameter]
    with instance(cluster, NAME):
        (uuid,) = fields(cluster, kind, full(params[named]), "uuid")
        refused(cluster, op_id,
                f"The {kind}s UUID '{uuid}' does not match the expected UUID '{OTHER}' for {kind}"
                f" '{full(params[named])}'. Maybe the {kind} changed since you submitted this job.",
                "resource_not_unique",
                **params, **{parameter: OTHER})


def test_who_means_the_right_one_is_served(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME):
        (uuid,) = fields(cluster, "instance", NAME, "uuid")
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=NAME, instance_uuid=uuid,
           beparams={"vcpus": 2})


def full(name: str) -> str:
    return name if "." in name else f"{name}.example.com"
