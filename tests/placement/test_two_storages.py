"""A node with two storages: what is used or set aside in one says nothing of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import VirtualCluster, wait_until

FINAL = ("success", "error", "canceled")


@pytest.fixture(autouse=True)
def emptied(shelves: VirtualCluster) -> Iterator[None]:
    for node in ("node1", "node2"):
        _go(shelves, node).parent.mkdir(parents=True, exist_ok=True)
        _go(shelves, node).touch()
    yield
    for (name,) in shelves.instances("name"):
        shelves.gnt("gnt-instance", "remove", "-f", name)


def _go(cluster: VirtualCluster, node: str) -> Path:
    return cluster.paths(node).data / "plugins/disk_templates/shelves/go"


@contextmanager
def disks_being_made(cluster: VirtualCluster, node: str) -> Iterator[None]:
    """Disks are not made on the node meanwhile, so what is chosen for them is set aside only."""
    _go(cluster, node).unlink()
    try:
        yield
    finally:
        _go(cluster, node).touch()


def creation(name: str, size: int, shelf: str = "", **options: Any) -> dict[str, Any]:
    disk = {"size": size, **({"shelf": shelf} if shelf else {})}
    return {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": f"{name}.example.com",
            "mode": "create", "disk_template": "shelves", "disks": [disk], "nics": [],
            "no_install": True, "pnode": "node1", "start": False, "name_check": False,
            "ip_check": False, "ignore_ipolicy": True, "beparams": {"memory": 64}} | options


def submit(cluster: VirtualCluster, op: dict[str, Any]) -> int:
    with cluster.luxi() as client:
        return int(client.submit_job([{"reason": [], **op}]))


def state(cluster: VirtualCluster, job: int) -> tuple[str, list[Any], str]:
    with cluster.luxi() as client:
        ((status, results, logs),) = client.query_jobs([job], ["status", "opresult", "oplog"])
    return status, results, str(logs)


def ended(cluster: VirtualCluster, job: int) -> tuple[str, str]:
    wait_until(lambda: state(cluster, job)[0] in FINAL, f"job {job} ends", 120.0, 0.05)
    status, results, _ = state(cluster, job)
    return status, str(results[0])


def test_what_a_job_sets_aside_counts_in_its_storage_only(shelves: VirtualCluster) -> None:
    with disks_being_made(shelves, "node1"):
        first = submit(shelves, creation("first", 500, "large"))
        wait_until(lambda: "creating instance disks" in state(shelves, first)[2],
                   "its disks are being made", 60.0, 0.05)
        elsewhere = submit(shelves, creation("elsewhere", 80, "small"))
        too_much = ended(shelves, submit(shelves, creation("too-much", 501, "large")))
        wait_until(lambda: "creating instance disks" in state(shelves, elsewhere)[2],
                   "the other storage has space", 60.0, 0.05)
    assert too_much[0] == "error"
    assert ("on target node node1.example.com (storage large of disk template shelves): required "
            "501 MiB, available 500 MiB") in too_much[1]
    assert (ended(shelves, first)[0], ended(shelves, elsewhere)[0]) == ("success", "success")


def test_a_disk_grows_and_is_added_by_the_space_of_its_own_storage(shelves: VirtualCluster) -> None:
    for name, shelf, size in (("big", "large", 900), ("little", "small", 10)):
        assert ended(shelves, submit(shelves, creation(name, size, shelf)))[0] == "success"
    grown = shelves.try_("gnt-instance", "grow-disk", "little", "0", "96")
    assert "required 96 MiB, available 90 MiB" in grown.stderr
    added = shelves.try_("gnt-instance", "modify", "--disk", "add:size=92,shelf=small", "big")
    assert "required 92 MiB, available 90 MiB" in added.stderr
    shelves.gnt("gnt-instance", "grow-disk", "little", "0", "50")
    shelves.gnt("gnt-instance", "modify", "--disk", "add:size=100,shelf=large", "little")


def test_listings_show_the_storage_where_disks_of_the_nodes_group_lie(
    shelves: VirtualCluster
) -> None:
    def shown() -> list[list[str]]:
        return shelves.table("gnt-node", "list", "--units", "m", "-o", "dtotal,dfree", "node1")

    assert ended(shelves, submit(shelves, creation("listed", 30)))[0] == "success"
    assert shown() == [["100", "70"]]
    try:
        shelves.gnt("gnt-group", "modify", "-D", "shelves:shelf=large", "default")
        assert shown() == [["1000", "1000"]]
    finally:
        shelves.gnt("gnt-group", "modify", "-D", "shelves:shelf=small", "default")


def document(cluster: VirtualCluster, **request: Any) -> dict[str, Any]:
    op = {"OP_ID": "OP_TEST_ALLOCATOR", "direction": "in", "mode": "allocate", "name": "new",
          "memory": 64, "vcpus": 1, "spindle_use": 1, "os": "noop", "nics": [],
          "disks": [{"size": 1}]} | request
    status, result = ended(cluster, submit(cluster, op))
    assert status == "success", result
    return dict(json.loads(result))


def test_allocators_see_the_storage_of_the_requested_template(shelves: VirtualCluster) -> None:
    node = document(shelves, disk_template="shelves")["nodes"]["node1.example.com"]
    assert (node["total_disk"], node["free_disk"]) == (100, 100)
    assert document(shelves, disk_template="file")["nodes"]["node1.example.com"][
        "total_disk"] != 100


def test_disks_that_lie_on_no_node_leave_the_nodes_their_space(shelves: VirtualCluster) -> None:
    """With none, no mirrored instance could go anywhere: a place for the new one was not found."""
    node = document(shelves, disk_template="ext")["nodes"]["node1.example.com"]
    assert (node["total_disk"], node["free_disk"]) == (100, 100)


def test_a_disk_is_placed_by_the_space_of_the_storage_that_it_asks_for(
    shelves: VirtualCluster
) -> None:
    op = creation("placed", 500, "large") | {"pnode": None, "iallocator": "hail"}
    status, result = ended(shelves, submit(shelves, op))
    assert status == "success", result
    status, result = ended(shelves, submit(
        shelves, creation("unplaced", 500, "small") | {"pnode": None, "iallocator": "hail"}))
    assert status == "error"
    assert "Can't compute nodes using iallocator 'hail'" in result
