"""Commands about many instances: created from a file, moved to another group, tried on an
allocator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import VirtualCluster

PLAIN = {"disk_template": "diskless", "disks": [], "nics": [], "mode": "create", "os_type": "noop",
         "no_install": True, "start": False, "name_check": False, "ip_check": False}


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    """Write a file of instances, by names."""
    def write(*names: str, **more: Any) -> str:
        file = tmp_path / "instances.json"
        file.write_text(json.dumps([{**PLAIN, "instance_name": name, **more} for name in names]))
        return str(file)

    return write


@pytest.fixture
def none_left(cluster: VirtualCluster) -> Iterator[None]:
    yield
    for (name,) in cluster.instances("name"):
        cluster.gnt("gnt-instance", "remove", "-f", name)


@pytest.mark.usefixtures("none_left")
def test_instances_are_created_from_a_file(cluster: VirtualCluster, spec: Any) -> None:
    file = spec("b1.example.com", "b2.example.com")
    dry = cluster.gnt("gnt-instance", "batch-create", "--dry-run", "-I", "hail", file)
    assert cluster.instances("name") == [], dry
    ran = cluster.gnt("gnt-instance", "batch-create", "-I", "hail", file)
    assert ran.lines[0].endswith("0 instances failed to allocate and 2 were allocated"
                                 " successfully"), ran
    assert ran.lines[1].startswith("Submitted jobs "), ran
    assert ran.lines[-1] == "All instances created successfully."
    assert cluster.instances("name", "admin_state") == [
        ["b1.example.com", "down"], ["b2.example.com", "down"]]
    submitted = cluster.gnt("gnt-instance", "batch-create", "--submit", "-I", "hail",
                            spec("b3.example.com"))
    job = submitted.stderr.removeprefix("JobID: ").strip()
    cluster.gnt("gnt-job", "watch", job)


@pytest.mark.parametrize(("text", "why"), [
    (None, "Can't parse the instance definition file: [Errno 2] No such file or directory: "),
    ("{", "Can't parse the instance definition file: Expecting property name"),
    ("{}", "The instance definition file {file} is not a list of objects"),
    ('[{"instance_name": "x", "memroy": 1}]', "Unknown fields in definition 0: memroy"),
])
def test_wrong_files(
    cluster: VirtualCluster, tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "wrong.json"
    if text is not None:
        file.write_text(text)
    ran = cluster.try_("gnt-instance", "batch-create", str(file))
    assert ran.status == 1
    assert why.replace("{file}", str(file)) in ran.stderr


@pytest.mark.usefixtures("none_left")
def test_the_instances_of_a_group_go_to_another(cluster: VirtualCluster, spec: Any) -> None:
    wrong = cluster.try_("gnt-group", "evacuate", "nosuch")
    assert (wrong.status, wrong.stderr) == (
        1, "Failure: prerequisites not met for this operation:\nerror type: unknown_entity,"
           " error details:\nNode group 'nosuch' not found\n")
    cluster.gnt("gnt-group", "add", "other")
    try:
        empty = cluster.try_("gnt-group", "evacuate", "--to", "other", "default")
        assert empty.status == 1
        assert "No node of the target group(s) other can take instances" in empty.stderr
        cluster.gnt("gnt-group", "assign-nodes", "--force", "other", "node3", "node4")
        cluster.gnt("gnt-instance", "batch-create", spec("g1.example.com", pnode="node1"))
        ran = cluster.gnt("gnt-group", "evacuate", "-I", "hail", "--to", "other", "default")
        assert ran.lines[-1] == "All instances evacuated successfully."
        ((_, node),) = cluster.instances("name", "pnode")
        assert node in ("node3.example.com", "node4.example.com")
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", "g1")
        cluster.gnt("gnt-group", "assign-nodes", "--force", "default", "node3", "node4")
        cluster.gnt("gnt-group", "remove", "other")


def test_policies_as_command_lines(cluster: VirtualCluster) -> None:
    everything = ("min:cpu-count=1,disk-count=0,disk-size=0,memory-size=4,nic-count=0,"
                  "spindle-use=0/max:cpu-count=16,disk-count=16,disk-size=1048576,"
                  "memory-size=65536,nic-count=8,spindle-use=16")
    name = json.loads(cluster.gnt("gnt-cluster", "info", "--format=json").stdout)["name"]
    assert cluster.gnt("gnt-cluster", "show-ispecs-cmd").stdout == (
        "gnt-cluster init --ipolicy-std-specs cpu-count=1,disk-count=1,disk-size=128,"
        "memory-size=128,nic-count=1,spindle-use=1 --ipolicy-bounds-specs "
        f"{everything} {name}\n")
    assert cluster.gnt("gnt-group", "show-ispecs-cmd").stdout == "gnt-group add default\n"
    assert cluster.gnt("gnt-group", "show-ispecs-cmd", "--include-defaults",
                       "default").stdout == (
        f"gnt-group add --ipolicy-bounds-specs {everything} default\n")


def test_an_allocator_is_tried(cluster: VirtualCluster) -> None:
    words = ("gnt-debug", "iallocator", "-m", "allocate", "-t", "diskless", "-o", "noop",
             "--memory", "256M", "--nics", "/192.0.2.7/br0")
    asked = json.loads(cluster.gnt(*words, "new.example.com").stdout)["request"]
    assert (asked["type"], asked["memory"], asked["vcpus"]) == ("allocate", 256, 1)
    assert asked["nics"][0]["ip"] == "192.0.2.7"
    said = json.loads(cluster.gnt(
        "gnt-debug", "allocator", *words[2:], "--dir=out", "-I", "hail",
        "new.example.com").stdout)
    assert said["success"] is True
    many = json.loads(cluster.gnt(
        "gnt-debug", "iallocator", "-m", "multi-allocate", "-t", "diskless", "-o", "noop",
        "--count", "3", "new").stdout)["request"]
    assert len(many["instances"]) == 3
    missing = cluster.try_("gnt-debug", "iallocator", "-m", "relocate", "nosuch")
    assert "Instance 'nosuch' not known" in missing.stderr, missing
    wrong = cluster.try_("gnt-debug", "iallocator", "--disks", "1x", "new")
    assert (wrong.status, wrong.stderr) == (
        1, "Invalid disks parameter '1x': Unknown unit: x\n")
