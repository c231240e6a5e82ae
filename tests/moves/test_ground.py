"""While an instance moves, its two nodes stay what they are: who would change them waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crowd import add, ended, homes, submitted
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

CHANGES = {
    "drain": {"OP_ID": "OP_NODE_SET_PARAMS", "node_name": "node2", "drained": True, "force": True},
    "offline": {"OP_ID": "OP_NODE_SET_PARAMS", "node_name": "node2", "offline": True,
                "force": True},
    "assign": {"OP_ID": "OP_GROUP_ASSIGN_NODES", "group_name": "other", "nodes": ["node2"]},
    "remove": {"OP_ID": "OP_NODE_REMOVE", "node_name": "node2"},
}


@pytest.fixture
def cluster(cluster: VirtualCluster):
    cluster.gnt("gnt-group", "add", "other")
    yield cluster
    for node in ("node1", "node2"):
        write_faults(faults(cluster, node), {})
    cluster.gnt("gnt-node", "modify", "--drained=no", "node2")
    cluster.gnt("gnt-node", "modify", "--offline=no", "node2")
    cluster.gnt("gnt-group", "assign-nodes", "default", "node2")
    cluster.gnt("gnt-group", "remove", "other")


def faults(cluster: VirtualCluster, node: str):
    return cluster.paths(node).root / "etc/ganeti/fake-faults.json"


def waits(cluster: VirtualCluster, job: int, why: str) -> None:
    """Wait until a job says this of what it does or waits for."""
    def says() -> bool:
        return why in cluster.gnt("gnt-job", "why", str(job)).stdout

    wait_until(says, f"job {job} says {why!r}", 30.0, 0.1)


@contextmanager
def blocked_modify(cluster: VirtualCluster, folder: Path) -> Iterator[None]:
    """Keep a script before changes of nodes from ending while the body runs."""
    script = cluster.paths().root / "etc/ganeti/hooks/node-modify-pre.d/wait"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {folder}/go ]; do sleep 0.05; done\n")
    script.chmod(0o755)
    try:
        yield
    finally:
        (folder / "go").touch()
        script.unlink()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("move", [
    ("OP_INSTANCE_FAILOVER", "stop"), ("OP_INSTANCE_MIGRATE", "migrate_out")],
    ids=["failover", "migrate"])
def test_a_target_that_was_named_is_kept(cluster, change, move):
    op_id, hook = move
    name = add(cluster, "moves", "node1", 128)
    write_faults(faults(cluster, "node1"), {hook: {"mode": "block"}})
    [moving] = submitted(cluster, {"OP_ID": op_id, "instance_name": name, "target_node": "node2"})
    waits(cluster, moving, f"Job {moving} runs")
    [changing] = submitted(cluster, CHANGES[change])
    waits(cluster, changing, f"held or asked for earlier by job {moving}")
    write_faults(faults(cluster, "node1"), {})
    moved, changed = ended(cluster, moving, changing)
    assert moved.status == "success", moved
    assert homes(cluster) == {"moves": "node2"}
    if change == "remove":
        assert changed.error == ("Instance moves.example.com is still running on the node, "
                                 "please remove first")
    else:
        assert changed.status == "success", changed


def test_a_target_that_the_allocator_chose_is_kept(cluster):
    name = add(cluster, "moves", "node1", 128)
    write_faults(faults(cluster, "node1"), {"stop": {"mode": "block"}})
    [moving] = submitted(cluster, {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name})
    log = "Selected nodes for instance moves.example.com via iallocator hail: "

    def chosen() -> str:
        return cluster.gnt("gnt-job", "info", str(moving)).stdout.partition(log)[2][:5]

    node = wait_until(chosen, "the allocator has chosen", 30.0, 0.1)
    [changing] = submitted(cluster, {**CHANGES["drain"], "node_name": node})
    waits(cluster, changing, f"held or asked for earlier by job {moving}")
    write_faults(faults(cluster, "node1"), {})
    moved, changed = ended(cluster, moving, changing)
    assert (moved.status, changed.status) == ("success", "success")
    assert homes(cluster) == {"moves": node}
    cluster.gnt("gnt-node", "modify", "--drained=no", node)


def test_another_is_chosen_for_a_node_that_is_drained_meanwhile(cluster, tmp_path):
    name = add(cluster, "moves", "node1", 128)
    failover = {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name}
    [rehearsed] = ended(cluster, *submitted(cluster, {**failover, "dry_run": True}))
    chosen = next(line.rpartition(": ")[2][:5] for line in rehearsed.log if "Selected" in line)
    with blocked_modify(cluster, tmp_path):
        [draining] = submitted(cluster, {**CHANGES["drain"], "node_name": chosen})
        waits(cluster, draining, f"Job {draining} runs")
        [moving] = submitted(cluster, failover)
        waits(cluster, moving,
              f"({chosen}.example.com), held or asked for earlier by job {draining}")
    moved, drained = ended(cluster, moving, draining)
    assert (moved.status, drained.status) == ("success", "success"), (moved, drained)
    assert homes(cluster)["moves"] in {"node2", "node3", "node4"} - {chosen}
    cluster.gnt("gnt-node", "modify", "--drained=no", chosen)


CREATION = {
    "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "new.example.com", "mode": "create",
    "disks": [], "nics": [], "disk_template": "diskless", "os_type": "noop", "no_install": True,
    "beparams": {"memory": 128}, "name_check": False, "ip_check": False}


def test_the_node_of_a_new_instance_is_kept(cluster):
    for node in ("node1", "node2", "node3", "node4"):
        write_faults(faults(cluster, node), {"start": {"mode": "block"}})
    [creating] = submitted(cluster, CREATION)
    log = "Selected nodes for instance new.example.com via iallocator hail: "

    def chosen() -> str:
        return cluster.gnt("gnt-job", "info", str(creating)).stdout.partition(log)[2][:5]

    node = wait_until(chosen, "the allocator has chosen", 30.0, 0.1)
    [changing] = submitted(cluster, {
        "OP_ID": "OP_NODE_SET_PARAMS", "node_name": node, "vm_capable": True, "force": True})
    waits(cluster, changing, f"held or asked for earlier by job {creating}")
    for name in ("node1", "node2", "node3", "node4"):
        write_faults(faults(cluster, name), {})
    made, changed = ended(cluster, creating, changing)
    assert (made.status, changed.status) == ("success", "success")
    assert homes(cluster) == {"new": node}


def test_a_node_that_was_named_for_a_new_instance_is_kept(cluster):
    write_faults(faults(cluster, "node2"), {"start": {"mode": "block"}})
    [creating] = submitted(cluster, {**CREATION, "pnode": "node2"})
    waits(cluster, creating, f"Job {creating} runs")
    [removing] = submitted(cluster, CHANGES["remove"])
    waits(cluster, removing, f"held or asked for earlier by job {creating}")
    write_faults(faults(cluster, "node2"), {})
    made, removed = ended(cluster, creating, removing)
    assert made.status == "success", made
    assert removed.error == ("Instance new.example.com is still running on the node, please "
                             "remove first")


def test_a_move_that_waits_for_the_node_it_chose_can_be_canceled(cluster, tmp_path):
    name = add(cluster, "moves", "node1", 128)
    failover = {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name}
    [rehearsed] = ended(cluster, *submitted(cluster, {**failover, "dry_run": True}))
    chosen = next(line.rpartition(": ")[2][:5] for line in rehearsed.log if "Selected" in line)
    with blocked_modify(cluster, tmp_path):
        [changing] = submitted(cluster, {
            "OP_ID": "OP_NODE_SET_PARAMS", "node_name": chosen, "vm_capable": True, "force": True})
        waits(cluster, changing, f"Job {changing} runs")
        moves = submitted(cluster, failover)
        waits(cluster, moves[0], f"held or asked for earlier by job {changing}")
        cluster.try_("gnt-job", "cancel", str(moves[0]))
        [canceled] = ended(cluster, *moves)
        assert canceled.status == "canceled"
        moves = submitted(cluster, failover)
        waits(cluster, moves[0], f"held or asked for earlier by job {changing}")
        cluster.try_("gnt-job", "cancel", "--kill", "--yes-do-it", str(moves[0]))
        [killed] = ended(cluster, *moves)
        assert killed.status == "canceled"
    assert ended(cluster, changing)[0].status == "success"
    assert homes(cluster) == {"moves": "node1"}
    locks = cluster.gnt("gnt-debug", "locks", "--no-headers", "-o", "name,owner,pending").stdout
    assert str(moves[0]) not in locks.replace("\n", " ").split()
