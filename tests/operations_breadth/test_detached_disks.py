"""Disks go from one instance to another with their data, and belong to none in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs import do, fields, instance, refused
from third_party import install, present
from virtual_cluster import VirtualCluster

GIVER, TAKER, SET = "giver.example.com", "taker.example.com", "OP_INSTANCE_SET_PARAMS"
DATA: list[dict[str, Any]] = [{"size": 16}, {"size": 24, "name": "data", "mode": "ro"}]
TEXT = b"what the guest had written"
PLUGGING = Path(__file__).parents[1] / "faults/plugging.py"


def file_of(cluster: VirtualCluster, uuid: str, node: str = "node2") -> Path:
    (file,) = (cluster.paths(node).root / "srv/ganeti/file-storage").rglob(f"{uuid}.file.*")
    return file


def errors(cluster: VirtualCluster) -> list[str]:
    said = cluster.try_("gnt-cluster", "verify").stdout.splitlines()
    return [line for line in said if "is unknown" in line or "ERROR" in line]


@pytest.fixture
def two(cluster: VirtualCluster) -> Iterator[str]:
    """Two instances on the second node; gives the uuid of the first one's named disk."""
    with (instance(cluster, GIVER, pnode="node2", disks=DATA),
          instance(cluster, TAKER, pnode="node2")):
        ((_, uuid),) = fields(cluster, "instance", GIVER, "disk.uuids")
        yield uuid


def test_a_disk_goes_from_one_instance_to_another(cluster: VirtualCluster, two: str) -> None:
    file = file_of(cluster, two)
    with file.open("r+b") as disk:
        disk.write(TEXT)
    given = cluster.gnt("gnt-instance", "modify", "--disk", "data:detach", GIVER)
    assert " - disk/1 -> detach" in given.stdout
    assert fields(cluster, "instance", GIVER, "disk.sizes") == [[16]]
    assert errors(cluster) == [], "it is nobody's, and known"
    assert (f"the disk 'data' ({two}) (file, 24 MiB) belongs to no instance: gnt-instance modify"
            f" --disk attach:uuid={two} gives it to one") in cluster.gnt(
                "gnt-cluster", "verify").stdout
    do(cluster, "OP_INSTANCE_REMOVE", instance_name=GIVER, ignore_failures=False)
    assert file.read_bytes()[:len(TEXT)] == TEXT

    taken = cluster.gnt("gnt-instance", "modify", "--disk", "0:attach,name=data", TAKER)
    assert " - disk/0 -> attach:size=24,mode=ro" in taken.stdout
    assert fields(cluster, "instance", TAKER, "disk.sizes", "disk.names", "disk.uuids")[:2] == [
        [24, 16], ["data", None]]
    do(cluster, "OP_INSTANCE_STARTUP", instance_name=TAKER)
    assert file.read_bytes()[:len(TEXT)] == TEXT
    do(cluster, "OP_INSTANCE_SHUTDOWN", instance_name=TAKER)
    do(cluster, SET, instance_name=TAKER, disks=[["remove", 0, {}]])
    assert not file.exists()


def test_a_node_with_a_disk_of_nobody_is_not_removed(cluster: VirtualCluster, two: str) -> None:
    do(cluster, SET, instance_name=GIVER, disks=[["detach", "data", {}]])
    for name in (GIVER, TAKER):
        do(cluster, "OP_INSTANCE_REMOVE", instance_name=name, ignore_failures=False)
    refused(cluster, "OP_NODE_REMOVE", f"The disk 'data' ({two}) lies on the node and belongs to no"
            " instance", "wrong_state", node_name="node2")
    with instance(cluster, TAKER, pnode="node2", disk_template="diskless", disks=[]):
        do(cluster, SET, instance_name=TAKER, disks=[["attach", -1, {"uuid": two}]])
        assert fields(cluster, "instance", TAKER, "disk_template", "disk.sizes") == ["file", [24]]
    assert errors(cluster) == []


@pytest.mark.parametrize(("params", "text", "code"), [
    ({}, "Only one argument is permitted in attach op, either name or uuid", "wrong_input"),
    ({"name": "data", "uuid": "x"}, "Only one argument is permitted", "wrong_input"),
    ({"size": 4}, "Only one argument is permitted", "wrong_input"),
    ({"name": "other"}, "No disk was found with this name: other", "unknown_entity"),
    ({"uuid": "other"}, "No disk was found with this UUID: other", "unknown_entity"),
    ({"name": "data"}, f"belongs to the instance {GIVER}: detach it there first", "wrong_state"),
])
def test_what_cannot_be_attached(
    cluster: VirtualCluster, two: str, params: dict[str, Any], text: str, code: str
) -> None:
    refused(cluster, SET, text, code, instance_name=TAKER, disks=[["attach", -1, params]])
    refused(cluster, SET, "Not accepting parameters on disk detach", "wrong_input",
            instance_name=GIVER, disks=[["detach", 0, {"name": "x"}]])


def test_a_disk_is_attached_where_it_lies_and_among_its_like(
    cluster: VirtualCluster, two: str
) -> None:
    do(cluster, SET, instance_name=GIVER, disks=[["detach", 1, {}]])
    elsewhere = "elsewhere.example.com"
    with instance(cluster, elsewhere, pnode="node1"):
        refused(cluster, SET, "Disk nodes are node2.example.com while the instance's nodes are "
                "node1.example.com", "wrong_input", instance_name=elsewhere,
                disks=[["attach", -1, {"uuid": two}]])
    with instance(cluster, elsewhere, pnode="node2", disk_template="sharedfile"):
        refused(cluster, SET, "Instance has 'sharedfile' template while disk has 'file' template",
                "wrong_input", instance_name=elsewhere, disks=[["attach", -1, {"uuid": two}]])
    refused(cluster, SET, "attached twice", "wrong_input", instance_name=TAKER,
            disks=[["attach", -1, {"uuid": two}]] * 2)
    refused(cluster, SET, "cannot be added and removed at once", "wrong_input",
            instance_name=TAKER, disks=[["attach", 0, {"uuid": two}], ["detach", 0, {}]])
    do(cluster, SET, instance_name=GIVER, disks=[
        ["attach", 0, {"uuid": two}], ["modify", 0, {"name": "back", "mode": "rw"}]])
    assert fields(cluster, "instance", GIVER, "disk.names", "disk.uuids")[0] == ["back", None]
    assert fields(cluster, "instance", GIVER, "disk.uuids")[0][0] == two


def test_an_instance_without_disks_gets_the_template_of_those_that_it_is_given(
    cluster: VirtualCluster, two: str
) -> None:
    """Also one that had some of another template, as with Ganeti."""
    do(cluster, SET, instance_name=GIVER, disks=[["detach", 1, {}]])
    with instance(cluster, "shared.example.com", pnode="node2", disk_template="sharedfile") as name:
        do(cluster, SET, instance_name=name, disks=[["remove", 0, {}]])
        refused(cluster, SET, "The disks are of several templates (file, sharedfile)",
                "wrong_input", instance_name=name,
                disks=[["add", -1, {"size": 8}], ["attach", -1, {"uuid": two}]])
        do(cluster, SET, instance_name=name, disks=[["attach", -1, {"uuid": two}]])
        assert fields(cluster, "instance", name, "disk_template", "disk.sizes") == ["file", [24]]


def test_disks_of_running_guests_come_and_go_only_by_hotplug(
    make_cluster: Callable[..., VirtualCluster], tmp_path: Path
) -> None:
    install(tmp_path, "ganeti-plugging", {"hypervisors:plugging": "Plugging"},
            PLUGGING.read_text())
    with present(tmp_path):
        cluster = make_cluster("--nodes", "1", "--hypervisor", "plugging")
    state = cluster.paths().plugin_state / "hypervisors/plugging"

    def plugged(name: str) -> set[str]:
        return set(json.loads((state / f"{name}.devices").read_text()))

    with (instance(cluster, GIVER, disks=DATA, start=True),
          instance(cluster, TAKER, start=True)):
        ((_, uuid),) = fields(cluster, "instance", GIVER, "disk.uuids")
        refused(cluster, SET, "is running, its disks cannot be removed", "wrong_state",
                instance_name=GIVER, disks=[["detach", 1, {}]])
        do(cluster, SET, instance_name=GIVER, hotplug=True, disks=[["detach", 1, {}]])
        assert uuid not in plugged(GIVER)
        do(cluster, SET, instance_name=TAKER, hotplug=True, disks=[["attach", -1, {"uuid": uuid}]])
        assert uuid in plugged(TAKER)
        do(cluster, SET, instance_name=TAKER, hotplug=True, disks=[["detach", 1, {}]])
        do(cluster, SET, instance_name=TAKER, disks=[["attach", -1, {"uuid": uuid}]])
        assert uuid not in plugged(TAKER), "it has it when it is started next"
        do(cluster, "OP_INSTANCE_REBOOT", instance_name=TAKER, reboot_type="hard")
        assert uuid in plugged(TAKER)
