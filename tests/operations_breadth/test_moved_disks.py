"""A node that an instance has left holds nothing of it, and may leave the cluster."""

from __future__ import annotations

from collections.abc import Callable

from jobs import do, instance
from virtual_cluster import VirtualCluster


def test_a_node_that_was_left_can_go(make_cluster: Callable[..., VirtualCluster]) -> None:
    cluster = make_cluster("--nodes", "3", "--hypervisor", "fake")
    with instance(cluster, "moves.example.com", disk_template="sharedfile", pnode="node2",
                  start=True) as name:
        do(cluster, "OP_INSTANCE_FAILOVER", instance_name=name, target_node="node3")
        do(cluster, "OP_NODE_REMOVE", node_name="node2")
        do(cluster, "OP_INSTANCE_MIGRATE", instance_name=name, target_node="node1")
        do(cluster, "OP_NODE_REMOVE", node_name="node3")
    cluster.verify()
