"""Operations that become other jobs: evacuation, migration of a node, creation of several."""

from __future__ import annotations

import json
from typing import Any

from jobs import do, fields, instance, refused, wait_for
from virtual_cluster import VirtualCluster

from ganeti_core.opcodes.base import OpCode
from ganeti_core.opcodes.instance import InstanceMigrate, InstanceReplaceDisks
from ganeti_core.operations.expand import as_failovers, one_after_the_other, with_early_release

SHARED = {"disk_template": "sharedfile", "start": True, "pnode": "node2"}


def ended(cluster: VirtualCluster, result: dict[str, Any]) -> list[str]:
    """How the jobs ended that an operation has become."""
    assert all(accepted for accepted, _ in result["jobs"])
    return [wait_for(cluster, job_id).status for _, job_id in result["jobs"]]


def test_instances_leave_a_node(cluster: VirtualCluster) -> None:
    with instance(cluster, "leaves1.example.com", **SHARED) as first, \
            instance(cluster, "leaves2.example.com", **SHARED) as second:
        result = do(cluster, "OP_NODE_EVACUATE", node_name="node2", mode="primary-only",
                    iallocator="hail")
        assert ended(cluster, result) == ["success", "success"]
        for name in (first, second):
            pnode, status = fields(cluster, "instance", name, "pnode", "status")
            assert (pnode != "node2.example.com", status) == (True, "running")


def test_what_cannot_leave_is_told(cluster: VirtualCluster) -> None:
    with instance(cluster, "stays.example.com", pnode="node2") as name:
        refused(cluster, "OP_NODE_EVACUATE", f"Unable to evacuate instances {name} (", None,
                error="OpExecError", node_name="node2", mode="all", iallocator="hail")
        with instance(cluster, "leaves.example.com", **SHARED):
            partly = do(cluster, "OP_NODE_EVACUATE", node_name="node2", mode="all",
                        iallocator="hail", ignore_soft_errors=True)
            moved, [accepted, why] = partly["jobs"]
            assert (accepted, why) == (False, f"Instance {name} cannot be moved: Instances of "
                                              "type file cannot be relocated")
            assert ended(cluster, {"jobs": [moved]}) == ["success"]


def test_evacuations_that_make_no_sense(cluster: VirtualCluster) -> None:
    assert do(cluster, "OP_NODE_EVACUATE", node_name="node3", mode="all") == {"jobs": []}
    refused(cluster, "OP_NODE_EVACUATE", "not both", "wrong_input", node_name="node3", mode="all",
            iallocator="hail", remote_node="node2")
    refused(cluster, "OP_NODE_EVACUATE", "cannot be the same", "wrong_input", node_name="node3",
            mode="secondary-only", remote_node="node3")
    refused(cluster, "OP_NODE_EVACUATE", "only secondary instances", "wrong_input",
            node_name="node3", mode="all", remote_node="node2")
    with instance(cluster, "x.example.com", pnode="node3"):
        do(cluster, "OP_CLUSTER_SET_PARAMS", default_iallocator="")
        refused(cluster, "OP_NODE_EVACUATE", "no default iallocator", "wrong_input",
                node_name="node3", mode="all")


def test_a_node_is_left_by_migration(cluster: VirtualCluster) -> None:
    assert do(cluster, "OP_NODE_MIGRATE", node_name="node3") == {"jobs": []}
    with instance(cluster, "migrates.example.com", **SHARED) as name:
        result = do(cluster, "OP_NODE_MIGRATE", node_name="node2", target_node="node3",
                    priority=-10)
        assert ended(cluster, result) == ["success"]
        assert fields(cluster, "instance", name, "pnode") == ["node3.example.com"]
    refused(cluster, "OP_NODE_MIGRATE", "is the one that is to be left", "wrong_input",
            node_name="node2", target_node="node2")


def test_instances_that_cannot_change_their_group_are_told(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_GROUP_EVACUATE", "There are no possible target groups", "wrong_input",
            group_name="default", iallocator="hail")
    do(cluster, "OP_GROUP_ADD", group_name="g2")
    do(cluster, "OP_GROUP_ASSIGN_NODES", group_name="g2", nodes=["node3"])
    try:
        with instance(cluster, "changes.example.com", **SHARED) as name:
            refused(cluster, "OP_INSTANCE_CHANGE_GROUP", "Can't use group(s) default as targets, "
                    f"they are used by the instance '{name}'", "wrong_input",
                    instance_name=name, target_groups=["default"], iallocator="hail")
            refused(cluster, "OP_GROUP_EVACUATE", "Can't evacuate to the group(s) default",
                    "wrong_input", group_name="default", target_groups=["default"],
                    iallocator="hail")
            # One node alone has nobody to take over from it: the allocator sends nothing there.
            refused(cluster, "OP_INSTANCE_CHANGE_GROUP", f"Unable to evacuate instances {name} "
                    "(Group g2", None, error="OpExecError", instance_name=name,
                    iallocator="hail", target_groups=["g2"])
            refused(cluster, "OP_GROUP_EVACUATE", f"Unable to evacuate instances {name} (Group g2",
                    None, error="OpExecError", group_name="default", iallocator="hail")
        assert do(cluster, "OP_GROUP_EVACUATE", group_name="g2", iallocator="hail") == {"jobs": []}
    finally:
        do(cluster, "OP_GROUP_ASSIGN_NODES", group_name="default", nodes=["node3"])
        do(cluster, "OP_GROUP_REMOVE", group_name="g2")


def test_forms_of_the_jobs_of_an_evacuation() -> None:
    jobs: list[list[OpCode]] = [
        [InstanceMigrate(instance_name=name, target_node="n"),
         InstanceReplaceDisks(instance_name=name, mode="replace_new_secondary")]
        for name in ("a", "b")]
    assert [op.op_id for op in as_failovers(jobs)[0]] == [
        "OP_INSTANCE_FAILOVER", "OP_INSTANCE_REPLACE_DISKS"]
    assert [op.depends for op, _ in one_after_the_other(jobs)] == [None, [[-1, ["success"]]]]
    (_, replacement), _ = with_early_release(jobs, True)
    assert replacement.to_dict()["early_release"] is True


def creation(name: str, **changes: Any) -> dict[str, Any]:
    return {"instance_name": name, "disk_template": "diskless", "disks": [], "nics": [],
            "mode": "create", "no_install": True, "start": False, "name_check": False,
            "ip_check": False, "beparams": {"memory": 64}} | changes


def test_several_instances_are_created(cluster: VirtualCluster) -> None:
    names = ["many1.example.com", "many2.example.com"]
    result = do(cluster, "OP_INSTANCE_MULTI_ALLOC", iallocator="hail",
                instances=[creation(name) for name in names])
    assert (result["allocatable"], result["failed"]) == (names, [])
    assert ended(cluster, result) == ["success", "success"]
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "is already in the cluster", "already_exists",
            iallocator="hail", instances=[creation(names[0])])
    for name in names:
        do(cluster, "OP_INSTANCE_REMOVE", instance_name=name)


def test_several_that_cannot_be_created(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "duplicate instance names", "wrong_input",
            iallocator="hail", instances=[creation("d.example.com")] * 2)
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "Can't compute nodes using iallocator 'hail'",
            "insufficient_resources", iallocator="hail",
            instances=[creation("big.example.com", beparams={"memory": 1 << 30})])
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "Invalid instance description", "wrong_input",
            iallocator="hail", instances=[{"nonsense": 1}])
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", "Mixing instances", "wrong_input",
            iallocator="hail", instances=[creation("a.example.com"),
                                          creation("b.example.com", pnode="node1")])


def test_an_allocator_is_tried(cluster: VirtualCluster) -> None:
    asked = {"mode": "allocate", "name": "new.example.com", "memory": 64, "vcpus": 1, "os": "noop",
             "disk_template": "file", "disks": [{"size": 16}], "nics": [{}]}
    document = json.loads(do(cluster, "OP_TEST_ALLOCATOR", direction="in", **asked))
    assert document["request"]["type"] == "allocate"
    assert sorted(document["nodes"]) == [f"node{n}.example.com" for n in (1, 2, 3)]
    answer = json.loads(do(cluster, "OP_TEST_ALLOCATOR", direction="out", iallocator="hail",
                           **asked))
    assert answer["success"], answer
    many = asked | {"mode": "multi-allocate", "count": 2}
    assert json.loads(do(cluster, "OP_TEST_ALLOCATOR", direction="out", iallocator="hail",
                         **many))["success"]
    refused(cluster, "OP_TEST_ALLOCATOR", "Missing allocator name", "wrong_input",
            direction="out", **asked)
    refused(cluster, "OP_TEST_ALLOCATOR", "Invalid test allocator mode 'allocate-secondary'",
            "wrong_input", direction="in", mode="allocate-secondary", name="x")
    refused(cluster, "OP_TEST_ALLOCATOR", "Missing attribute 'memory' on opcode input",
            "wrong_input", direction="in", mode="allocate", name="x")
    with instance(cluster, "fixed.example.com") as name:
        refused(cluster, "OP_TEST_ALLOCATOR", "Can't relocate non-mirrored instances",
                "wrong_input", direction="in", mode="relocate", name=name)


def test_what_no_driver_can_says_so(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_NODE_QUERYVOLS", "No disk template whose volumes can be listed",
            "wrong_input", output_fields=["node"])
