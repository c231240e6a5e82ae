"""Devices of running guests: what is asked of a guest that cannot take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jobs import do, fields, instance, refused, submit
from third_party import install, present
from virtual_cluster import VirtualCluster

NAME, SET = "plugged.example.com", "OP_INSTANCE_SET_PARAMS"
SOURCE = Path(__file__).parents[1] / "faults/plugging.py"


@pytest.fixture(scope="module")
def plugging(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    """One node, whose guests take and lose devices while they run."""
    folder = tmp_path_factory.mktemp("plugging")
    install(folder, "ganeti-plugging", {"hypervisors:plugging": "Plugging"}, SOURCE.read_text())
    with present(folder):
        yield make_cluster("--nodes", "1", "--hypervisor", "plugging")


def state(cluster: VirtualCluster, suffix: str) -> Path:
    return cluster.paths().plugin_state / "hypervisors/plugging" / f"{NAME}.{suffix}"


def plugged(cluster: VirtualCluster) -> set[str]:
    """The devices (uuids) that the guest has."""
    return set(json.loads(state(cluster, "devices").read_text()))


def wanted(cluster: VirtualCluster) -> set[str]:
    """The devices (uuids) that the instance has."""
    disks, nics = fields(cluster, "instance", NAME, "disk.uuids", "nic.uuids")
    return {*disks, *nics}


def end(cluster: VirtualCluster, how: str) -> None:
    """Let the guest end by itself; what is left of it stays."""
    file = state(cluster, "guest")
    file.write_text(file.read_text().replace('"state": "running"', f'"state": "{how}"'))


@pytest.mark.parametrize("how", ["user-down", "crashed"])
def test_a_guest_that_has_ended_takes_no_devices(plugging: VirtualCluster, how: str) -> None:
    with instance(plugging, NAME, start=True, disks=[{"size": 1}, {"size": 1}]) as name:
        end(plugging, how)
        before = plugged(plugging)
        refused(plugging, SET, f"the guest of {name} has ended (it is {how}): start or stop it "
                "first", "wrong_state", instance_name=name, hotplug=True, nics=[["add", -1, {}]])
        ended = submit(plugging, {"OP_ID": SET, "instance_name": name, "hotplug_if_possible": True,
                                  "nics": [["add", -1, {}]], "disks": [["add", -1, {"size": 1}]]})
        assert ended.status == "success", ended
        assert any("has ended" in line and "when the instance starts next" in line
                   for line in ended.messages[0])
        assert plugged(plugging) == before
        refused(plugging, SET, "has ended, but not what is left of it, its disks cannot be "
                "removed: stop it", "wrong_state", instance_name=name, hotplug_if_possible=True,
                disks=[["remove", 0, {}]])
        do(plugging, "OP_INSTANCE_STARTUP", instance_name=name)
        assert plugged(plugging) == wanted(plugging)


def test_the_card_for_communication_is_plugged_too(plugging: VirtualCluster) -> None:
    plugging.gnt("gnt-network", "add", "--network=198.51.100.0/24", "talk")
    plugging.gnt("gnt-network", "connect", "-N", "mode=bridged,link=br0", "talk", "default")
    plugging.gnt("gnt-cluster", "modify", "--instance-communication-network=talk")
    with instance(plugging, NAME, start=True) as name:
        for has, count in ((True, 2), (False, 1)):
            do(plugging, SET, instance_name=name, hotplug=True, instance_communication=has)
            assert plugged(plugging) == wanted(plugging)
            assert fields(plugging, "instance", name, "nic.count") == [count]


def test_changes_of_one_request_are_plugged_together(plugging: VirtualCluster) -> None:
    """Whatever is added, changed and removed, in whatever order, both have the same at the end."""
    with instance(plugging, NAME, start=True, nics=[{"name": "a"}, {"name": "b"}],
                  disks=[{"size": 1}, {"size": 2, "name": "d"}]) as name:
        do(plugging, SET, instance_name=name, hotplug=True, nics=[
            ["add", 0, {"name": "c"}], ["modify", "a", {"link": "br9"}], ["remove", "b", {}],
            ["modify", 0, {"name": "e"}], ["add", -1, {"name": "f"}], ["remove", "e", {}],
        ], disks=[["add", 0, {"size": 3}], ["modify", "d", {"mode": "ro"}], ["remove", 1, {}],
                  ["remove", "d", {}], ["add", 1, {"size": 4}], ["modify", 0, {"name": "z"}]])
        assert plugged(plugging) == wanted(plugging)
        assert fields(plugging, "instance", name, "nic.names", "disk.names", "disk.sizes") == [
            ["a", "f"], ["z", None], [3, 4]]
        plugging.verify()
