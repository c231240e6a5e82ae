"""Disk templates and policy names that are not Ganeti's own disturb nothing else."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clusters import Shape, build, new_instance, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.errors import LoadError
from ganeti_plugins.iallocator_hail.explain import explain
from ganeti_plugins.iallocator_hail.formats.instance_json import InstanceMemory
from ganeti_plugins.iallocator_hail.formats.query_rows import Tables, describe
from ganeti_plugins.iallocator_hail.formats.text import parse_text
from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.tools import hail

SHAPE = Shape(4, 8, templates=("sharedfile", "file"))
OTHERS = {
    "twin": {"shared": False, "mirrored": True},
    "pool": {"shared": True, "mirrored": False},
    "heap": {"shared": False, "mirrored": False},
    "sharedfile": {"shared": True, "mirrored": False},
}


def document(members: dict[str, Any], *, described: bool = True) -> dict[str, Any]:
    """A cluster with an instance on each of the templates, one of which nobody describes."""
    made = copy.deepcopy(request(build(SHAPE, 1), members))
    names = list(made["instances"])
    for name, template in zip(names, ("twin", "pool", "heap", "lost"), strict=False):
        made["instances"][name]["disk_template"] = template
    made["instances"][names[0]]["nodes"] = ["node-0000", "node-0001"]
    for group in made["nodegroups"].values():
        group["ipolicy"]["disk-templates"] += ["twin", "pool", "shardfile"]
    if described:
        made["disk_templates"] = OTHERS
    return made


def new(template: str) -> dict[str, Any]:
    nodes = 2 if template in ("drbd", "twin") else 1
    return {"type": "allocate", **new_instance("new", template, 1024, 1024),
            "required_nodes": nodes}


@pytest.mark.parametrize("template", ["file", "drbd", "pool", "twin"])
def test_instances_are_placed_beside_them_and_on_them(template: str) -> None:
    got = answer(document(new(template)))
    assert got["success"], got["info"]
    assert len(got["result"]) == (2 if template in ("drbd", "twin") else 1)
    assert explain(document(new(template)))["instances"]


def test_a_group_whose_policy_names_nothing_that_exists_takes_nothing_new() -> None:
    """Its instances stay, and other groups are used as before."""
    made = document(new("file"))
    (uuid, group), = made["nodegroups"].items()
    made["nodegroups"]["other"] = copy.deepcopy(group) | {"name": "other"}
    for node in ("node-0002", "node-0003"):
        made["nodes"][node]["group"] = "other"
    group["ipolicy"]["disk-templates"] = ["shardfile"]
    made["instances"] = {
        name: item for name, item in made["instances"].items()
        if set(item["nodes"]) <= {"node-0000", "node-0001"}}
    assert made["nodes"]["node-0000"]["group"] == uuid
    got = answer(made)
    assert got["success"], got["info"]
    assert got["result"][0] in ("node-0002", "node-0003")
    assert "Group group-01 (preferred): No valid allocation" in got["info"]
    assert "FailDisk: 2" in got["info"]


def test_a_template_that_the_policy_does_not_allow_is_refused_as_any_other() -> None:
    got = answer(document(new("heap")))
    assert "FailDisk: 4" in got["info"]


def test_each_moves_as_its_needs_allow() -> None:
    made = document({"type": "node-evacuate", "instances": [], "evac_mode": "primary-only"})
    names = list(made["instances"])[:4]
    made["request"]["instances"] = names
    moved, failed, jobs = answer(made)["result"]
    assert [entry[0] for entry in moved] == names[:2]
    assert moved[0][2] == ["node-0001", "node-0000"]
    assert failed == [
        [names[2], "Instances of type heap cannot be relocated"],
        [names[3], "Instances of type lost cannot be relocated"],
    ]
    assert [job[0]["OP_ID"] for job in jobs] == ["OP_INSTANCE_MIGRATE"] * 2


def test_what_was_read_before_is_read_again_when_a_template_is_described_otherwise() -> None:
    memory = InstanceMemory()
    made = document({"type": "node-evacuate", "instances": [], "evac_mode": "primary-only"})
    name = list(made["instances"])[2]
    made["request"]["instances"] = [name]
    assert answer(made, memory=memory)["result"][1]
    made["disk_templates"] = {"heap": {"shared": True}}
    assert not answer(made, memory=memory)["result"][1]


def test_files_are_as_strict_as_with_ganeti(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "strict.json").write_text(json.dumps(document(new("file"), described=False)))
    assert hail.main(["strict.json"]) == 1
    assert "Invalid value" in capsys.readouterr().err
    text = dump_text(build(SHAPE, 1)).replace("|sharedfile|", "|pool|")
    with pytest.raises(LoadError, match="pool"):
        parse_text(text)


def rows() -> Tables:
    """What queries say of a cluster with three instances in states that leave fields empty."""
    spec = {"memory-size": 1, "cpu-count": 1, "disk-size": 1, "disk-count": 1, "nic-count": 1,
            "spindle-use": 1}
    policy = {"minmax": [{"min": spec, "max": spec}], "std": spec, "disk-templates": ["odd"],
              "vcpu-ratio": 4.0, "spindle-ratio": 32.0}
    node = {"group.uuid": "g", "offline": False, "drained": False, "vm_capable": True,
            "ndparams": {"exclusive_storage": False, "spindle_count": 1}, "tags": []}
    known = {"mtotal": 4096, "mnode": 512, "mfree": 3072, "ctotal": 4, "cnos": 1}
    instance = {"pnode": "n1", "snodes": [], "tags": [], "disk_template": "odd",
                "beparams": {"maxmem": 512, "minmem": 256, "vcpus": 1}, "disk_usage": 0}
    return Tables(
        groups=[{"name": "default", "uuid": "g", "alloc_policy": "preferred", "ipolicy": policy}],
        nodes=[
            {"name": "n1", **node, **known},
            {"name": "n2", **node, **known, "dtotal": None, "dfree": None},
            {"name": "n3", **node, "mtotal": None},
            {"name": "n4", **node, "offline": True},
            {"name": "n5", **node, **known, "drained": True},
            {"name": "n6", **node, "vm_capable": False},
        ],
        instances=[
            {"name": "up", "status": "running", "oper_ram": 300, **instance},
            {"name": "new", "status": "running", "oper_ram": None, **instance},
            {"name": "down", "status": "ADMIN_down", **instance},
            {"name": "old", "status": "ERROR_down", **instance, "beparams": {
                "memory": 128, "vcpus": 1}},
        ],
        cluster={"ipolicy": policy, "enabled_hypervisors": ["fake"], "tags": []},
    )


def test_fields_that_nobody_can_fill_take_nothing_else_away() -> None:
    found = describe(rows())
    nodes = {node.name: node for node in found.nodes}
    assert {name for name, node in nodes.items() if node.offline} == {"n3", "n4", "n5", "n6"}
    assert {name for name, node in nodes.items() if node.silent} == {"n3"}
    assert (nodes["n2"].total_memory, nodes["n2"].total_disk) == (4096.0, 0.0)
    memory = {item.name: item.memory for item in found.instances}
    assert memory == {"up": 300, "new": 512, "down": 512, "old": 128}
    assert {item.kind for item in found.instances} == {"file"}


@pytest.mark.parametrize(("needs", "kind"), [
    ({"mirrored": True, "nodes": 2, "local_space": True}, "drbd"), ({"shared": True}, "sharedfile"),
    ({"shared": True, "no_disks": True}, "diskless"), ({"local_space": True}, "plain"),
    ({}, "file")])
def test_a_running_cluster_says_what_its_templates_need(needs: dict[str, Any], kind: str) -> None:
    told = rows()
    found = describe(replace(
        told, cluster={**told.cluster, "disk_template_needs": {"odd": needs}}))
    assert {item.kind for item in found.instances} == {kind}
    assert (found.kind("odd"), found.kind("drbd")) == (kind, "drbd")
    assert (found.policy.doubtful, describe(told).policy.doubtful) == (False, True)


def test_what_is_written_of_them_can_be_read() -> None:
    again = parse_text(dump_text(describe(rows())))
    assert {item.template for item in again.instances} == {"file"}
    assert again.policy.templates == ("file",)
