"""The pool of master candidates when nodes change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jobs import do, fields, hosts, instance, refused, submit
from virtual_cluster import VirtualCluster

SET = "OP_NODE_SET_PARAMS"


@pytest.fixture
def small_pool(cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    """Two candidates: the master and the second node; the third is regular."""
    do(cluster, "OP_CLUSTER_SET_PARAMS", candidate_pool_size=2)
    yield cluster
    do(cluster, "OP_CLUSTER_SET_PARAMS", candidate_pool_size=10)


def role(cluster: VirtualCluster, node: str) -> str:
    return str(fields(cluster, "node", f"{node}.example.com", "role")[0])


def test_another_node_is_promoted(small_pool: VirtualCluster) -> None:
    cluster = small_pool
    candidate, regular = ("node2", "node3") if role(cluster, "node2") == "C" else (
        "node3", "node2")
    refused(cluster, SET, "Not enough master candidates", "wrong_state", node_name=candidate,
            offline=True)
    ended = submit(cluster, {"OP_ID": SET, "node_name": candidate, "offline": True,
                             "auto_promote": True})
    assert ended.results[0] == [["master_candidate", "False"], ["offline", "True"]]
    assert any(f"Promoted nodes to master candidate role: {regular}.example.com" in message
               for message in ended.messages[0])
    assert (role(cluster, candidate), role(cluster, regular)) == ("O", "C")
    # The pool is full now: who comes back stays regular.
    do(cluster, SET, node_name=candidate, offline=False)
    assert role(cluster, candidate) == "R"


def test_a_node_that_does_not_answer_stays_offline_unless_it_is_forced(
    cluster: VirtualCluster
) -> None:
    do(cluster, SET, node_name="node3", offline=True, auto_promote=True)
    cluster.tool("stop", "node3", "noded")
    try:
        refused(cluster, SET, "Node node3.example.com is being de-offlined but fails to report its"
                " version: ", "wrong_state", node_name="node3", offline=False)
        ended = submit(cluster, {"OP_ID": SET, "node_name": "node3", "offline": False,
                                 "force": True})
        assert any("is being de-offlined but fails" in message for message in ended.messages[0])
        assert role(cluster, "node3") == "C"
    finally:
        cluster.tool("start", "node3", "noded")


def test_flags_that_are_not_set_are_not_taken_away(cluster: VirtualCluster) -> None:
    ended = submit(cluster, {"OP_ID": SET, "node_name": "node3", "offline": False})
    assert ended.messages[0] == [" - INFO: Ignoring request to unset flag offline, already unset"]
    assert ended.results[0] == []


def test_who_becomes_able_joins_a_pool_with_room(cluster: VirtualCluster) -> None:
    do(cluster, SET, node_name="node3", drained=True, auto_promote=True)
    ended = submit(cluster, {"OP_ID": SET, "node_name": "node3", "drained": False})
    assert " - INFO: Auto-promoting node to master candidate" in ended.messages[0]
    assert role(cluster, "node3") == "C"


@pytest.mark.parametrize("address", ["foo", "300.1.1.1", "::", "224.0.0.1"])
def test_the_second_address_must_be_one(cluster: VirtualCluster, address: str) -> None:
    refused(cluster, SET, address, "wrong_input", node_name="node3", secondary_ip=address)


def test_a_node_is_not_added_with_parameters_that_are_none(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_NODE_ADD", "Unknown parameter 'foo'", None,
            error="TypeEnforcementError", node_name="node3", readd=True,
            ndparams={"foo": "1"})


def test_another_name_of_a_node_makes_no_node_of_it(cluster: VirtualCluster) -> None:
    (address,) = fields(cluster, "node", "node2.example.com", "pip")
    with hosts(cluster, f"{address} alias.example.com"):
        refused(cluster, "OP_NODE_ADD", "is the node node2.example.com already", "already_exists",
                node_name="alias.example.com")


def test_a_node_that_comes_back_stays_in_its_group(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_NODE_ADD", "Cannot pass a node group when a node is being readded",
            "wrong_input", node_name="node2", readd=True, group="default")


def test_the_master_cannot_come_back(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_NODE_ADD", "Cannot readd the master node", "wrong_state",
            node_name="node1", readd=True)


def test_a_node_with_instances_stays_able_to_have_them(cluster: VirtualCluster) -> None:
    with instance(cluster, "stays.example.com", pnode="node2"):
        refused(cluster, SET, "hosts instances (stays.example.com)", "wrong_state",
                node_name="node2", vm_capable=False)
        refused(cluster, "OP_NODE_ADD", "hosts instances (stays.example.com)", "wrong_state",
                node_name="node2", readd=True, vm_capable=False)


def test_the_master_stays_able_to_be_one(cluster: VirtualCluster) -> None:
    refused(cluster, SET, "only via master-failover", "wrong_input", node_name="node1",
            master_capable=False)


def test_what_has_no_effect_is_told(cluster: VirtualCluster) -> None:
    """As where the node cannot be told, or nothing is to be remembered."""
    with instance(cluster, "ignored.example.com", pnode="node3") as name:
        do(cluster, SET, node_name="node3", offline=True, auto_promote=True)
        try:
            started = submit(cluster, {
                "OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name, "beparams": {"vcpus": 2},
                "ignore_offline_nodes": True})
            stopped = submit(cluster, {
                "OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": name, "no_remember": True,
                "admin_state_source": "user", "ignore_offline_nodes": True})
        finally:
            do(cluster, SET, node_name="node3", offline=False)
    assert any("Overridden parameters are ignored" in told for told in started.messages[0])
    assert any("'admin_state_source' has no effect" in told for told in stopped.messages[0])
