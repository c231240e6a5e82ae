"""Change an instance's parameters, network cards and disks; what is refused changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

NAME = "changing.example.com"
SET = "OP_INSTANCE_SET_PARAMS"


def test_back_end_parameters(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, beparams={}) as name:
        assert do(cluster, SET, instance_name=name, beparams={"maxmem": 256}) == [
            ["be/maxmem", 256]]
        assert fields(cluster, "instance", name, "be/maxmem", "be/minmem") == [256, 128]
        assert do(cluster, SET, instance_name=name, beparams={"memory": "default", "vcpus": 2}) == [
            ["be/memory", "default"], ["be/vcpus", 2]]
        assert fields(cluster, "instance", name, "be/maxmem", "be/vcpus") == [128, 2]


def test_memory_of_a_running_guest(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, beparams={"maxmem": 256, "minmem": 128}, start=True) as name:
        assert do(cluster, SET, instance_name=name, runtime_mem=192) == [["runtime_memory", 192]]
        assert fields(cluster, "instance", name, "oper_ram", "be/maxmem") == [192, 256]
        refused(cluster, SET, "must have memory between 128 and 256 MB", "wrong_input",
                instance_name=name, runtime_mem=64)
        assert do(cluster, SET, instance_name=name, runtime_mem=64, force=True)
        assert fields(cluster, "instance", name, "oper_ram") == [64]
        do(cluster, "OP_INSTANCE_REBOOT", instance_name=name, reboot_type="hard")
        assert fields(cluster, "instance", name, "oper_ram") == [256]


@pytest.mark.parametrize(("params", "text", "code", "error"), [
    ({}, "No changes submitted", "wrong_input", "OpPrereqError"),
    ({"beparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", None, "TypeEnforcementError"),
    ({"beparams": {"minmem": 4096}}, "is larger than maximum memory", "wrong_input",
     "OpPrereqError"),
    ({"beparams": {"vcpus": 1000}}, "violates policy", "wrong_input", "OpPrereqError"),
    ({"beparams": {"maxmem": 1 << 30}, "ignore_ipolicy": True},
     "This change will prevent the instance from starting", "insufficient_resources",
     "OpPrereqError"),
    ({"hvparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", "wrong_input", "OpPrereqError"),
    ({"hvparams": {"nosuch": "default"}}, "Unknown parameter 'nosuch'", "wrong_input",
     "OpPrereqError"),
    ({"os_name": "nosuch"}, "OS Parameters validation failed", None, "OpExecError"),
    ({"runtime_mem": 64}, f"Instance {NAME} is not running", "wrong_state", "OpPrereqError"),
    ({"instance_communication": True}, "There is no network for the communication",
     "wrong_input", "OpPrereqError"),
    ({"nics": [["remove", 5, {}]]}, "Got NIC index 5, but there are only 1", None, "OpExecError"),
    ({"nics": [["modify", "nosuch", {"ip": None}]]}, "Cannot find NIC with identifier nosuch",
     "unknown_entity", "OpPrereqError"),
    ({"nics": [["add", -1, {"mac": "zz"}]]}, "Invalid MAC address 'zz'", "wrong_input",
     "OpPrereqError"),
    ({"nics": [["add", -1, {"mode": "routed"}]]}, "None on a routed NIC", "wrong_input",
     "OpPrereqError"),
    ({"nics": [["remove", 0, {"ip": "1.2.3.4"}]]}, "Not accepting parameters", "wrong_input",
     "OpPrereqError"),
    ({"nics": [["add", -1, {}]] * 9}, "too many network interfaces (10)", "wrong_state",
     "OpPrereqError"),
    ({"nics": [["add", -1, {"ip": "pool"}]]}, "parameter network cannot be none", "wrong_input",
     "OpPrereqError"),
    ({"nics": ["nonsense"]}, "Invalid NIC change", "wrong_input", "OpPrereqError"),
    ({"disks": [["add", -1, {}]]}, "Missing disk size", "wrong_input", "OpPrereqError"),
    ({"disks": [["add", -1, {"size": "inf"}]]}, "Invalid size 'inf'", "wrong_input",
     "OpPrereqError"),
    ({"disks": [["add", -1, {"size": 1, "spindles": "x"}]]}, "Invalid number of spindles",
     "wrong_input", "OpPrereqError"),
    ({"disks": [["remove", "--1", {}]]}, "Cannot find disk with identifier --1",
     "unknown_entity", "OpPrereqError"),
    ({"disks": [["modify", 0, {"size": 99}]]}, "use grow-disk", "wrong_input", "OpPrereqError"),
    ({"disks": [["modify", 0, {"mode": "x"}]]}, "Invalid disk access mode 'x'", "wrong_input",
     "OpPrereqError"),
    ({"disks": [["add", -1, {"size": 1 << 40}]], "ignore_ipolicy": True}, "Not enough disk space",
     "insufficient_resources", "OpPrereqError"),
    ({"disks": [["add", -1, {"size": 1}]] * 16}, "too many disks (17)", "wrong_state",
     "OpPrereqError"),
])
def test_what_is_refused_changes_nothing(
    cluster: VirtualCluster, params: dict[str, Any], text: str, code: str | None, error: str
) -> None:
    with instance(cluster, NAME) as name:
        refused(cluster, SET, text, code, error=error, instance_name=name, **params)


def test_an_unknown_instance(cluster: VirtualCluster) -> None:
    refused(cluster, SET, "Instance 'nosuch' not known", "unknown_entity",
            instance_name="nosuch", beparams={"maxmem": 64})


def test_network_cards_come_change_and_go(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        ((what, told),) = do(cluster, SET, instance_name=name,
                             nics=[["add", -1, {"ip": "192.0.2.7", "name": "second"}]])
        (macs,) = fields(cluster, "instance", name, "nic.macs")
        assert what == "nic.1"
        assert told == f"add:mac={macs[1]},ip=192.0.2.7,mode=bridged,link=br0,network=None"
        assert do(cluster, SET, instance_name=name, nics=[
            ["modify", "second", {"ip": "192.0.2.8", "link": "br1"}]]) == [
                ["nic.ip/1", "192.0.2.8"], ["nic.link/1", "br1"]]
        assert fields(cluster, "instance", name, "nic.ips", "nic.links") == [
            [None, "192.0.2.8"], ["br0", "br1"]]
        do(cluster, SET, instance_name=name, nics=[["modify", 1, {"link": "default"}]])
        assert do(cluster, SET, instance_name=name, nics=[["remove", -1, {}]]) == [
            ["NIC/1", "remove"]]
        assert fields(cluster, "instance", name, "nic.count", "nic.macs") == [1, macs[:1]]


def test_a_mac_belongs_to_one_card(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name, instance(cluster, "other.example.com") as other:
        ((mac,),) = fields(cluster, "instance", other, "nic.macs")
        refused(cluster, SET, f"the mac '{mac}' is in use", "resource_not_unique",
                instance_name=name, nics=[["modify", 0, {"mac": mac}]])


def test_disks_come_change_and_go(cluster: VirtualCluster) -> None:
    def images() -> list[Path]:
        return sorted((cluster.root / "node1").rglob(f"{NAME}/*.disk*"))

    with instance(cluster, NAME) as name:
        assert do(cluster, SET, instance_name=name, disks=[
            ["add", -1, {"size": 8, "name": "data"}], ["modify", 0, {"mode": "ro"}]]) == [
                ["disk/1", "add:size=8,mode=rw"], ["disk.mode/0", "ro"]]
        assert fields(cluster, "instance", name, "disk.sizes", "disk.names") == [
            [16, 8], [None, "data"]]
        assert len(images()) == 2
        assert do(cluster, SET, instance_name=name, disks=[["remove", "data", {}]]) == [
            ["disk/1", "remove"]]
        assert len(images()) == 1
        cluster.verify()


def test_a_disk_that_cannot_be_made_leaves_nothing(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        (folder,) = (cluster.root / "node1").rglob(NAME)
        moved = folder.rename(folder.with_name("away"))
        folder.write_text("in the way")
        try:
            refused(cluster, SET, "", None, error="OpExecError", instance_name=name,
                    disks=[["add", -1, {"size": 8}]])
        finally:
            folder.unlink()
            moved.rename(folder)
        assert fields(cluster, "instance", name, "disk.sizes") == [[16]]


def test_disks_of_a_running_guest_are_not_taken_away(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, start=True) as name:
        refused(cluster, SET, "is running, its disks cannot be removed", "wrong_state",
                instance_name=name, disks=[["remove", 0, {}]])


def test_an_instance_goes_offline_and_comes_back(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        assert do(cluster, SET, instance_name=name, offline=True) == [["admin_state", "offline"]]
        assert fields(cluster, "instance", name, "admin_state") == ["offline"]
        assert do(cluster, SET, instance_name=name, offline=False) == [["admin_state", "down"]]
        do(cluster, "OP_INSTANCE_STARTUP", instance_name=name)
        refused(cluster, SET, f"Instance '{name}' is marked to be up, can't change to offline "
                "without being down first", "wrong_state", instance_name=name, offline=True)


def test_the_os_and_its_parameters(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        assert do(cluster, SET, instance_name=name, os_name="noop") == []
        assert fields(cluster, "instance", name, "os") == ["noop"]
        told = do(cluster, SET, instance_name=name, force=True, osparams={"a": "1"},
                  osparams_private={"secret": "xyzzy"})
        assert told == [["os/a", "1"], ["os_private/secret", "<redacted>"]]
        assert "xyzzy" not in str(fields(cluster, "instance", name, "osparams"))


def test_the_command_tells_what_changed(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        ran = cluster.gnt("gnt-instance", "modify", "-B", "memory=96M", name)
        assert ran.lines[:2] == [f"Modified instance {name}", " - be/memory -> 96"]
