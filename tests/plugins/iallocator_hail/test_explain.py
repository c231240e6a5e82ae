"""Explanations agree with the answers, and tell why the other places were not chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clusters import Shape, build, new_instance, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.explain import explain
from ganeti_plugins.iallocator_hail.explained_text import as_text
from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.records import Description, Disk, Group, Instance
from ganeti_plugins.iallocator_hail.tools import hbal

SHAPE = Shape(nodes=6, instances=12, templates=("drbd", "ext", "plain"))


def two_groups() -> Description:
    """The last two nodes are in a second group, without instances."""
    found = build(SHAPE, 3)
    groups = (*found.groups, Group("spare", "uuid-spare", policy=found.groups[0].policy))
    empty = [replace(node, group=1) for node in found.nodes[-2:]]
    stay = [i for i in found.instances if i.primary < 4 and i.secondary < 4]
    return replace(
        found, groups=groups, nodes=(*found.nodes[:-2], *empty), instances=tuple(stay)
    )


CLUSTER = two_groups()


def names(template: str) -> list[str]:
    return [item.name for item in CLUSTER.instances if item.template == template]


def evacuation(mode: str, *instances: str) -> dict[str, Any]:
    members = {"type": "node-evacuate", "evac_mode": mode, "instances": list(instances)}
    return request(CLUSTER, members)


def change_group(*targets: str) -> dict[str, Any]:
    instances = [*names("drbd")[:1], *names("ext")[:1], *names("plain")[:1]]
    members = {"type": "change-group", "instances": instances, "target_groups": list(targets)}
    return request(CLUSTER, members)


ALL = [names(template)[0] for template in ("drbd", "ext", "plain")]


@pytest.mark.parametrize(
    "document",
    [
        evacuation("all", *ALL),
        evacuation("secondary-only", *ALL),
        evacuation("primary-only", *ALL),
        change_group(),
        change_group("spare"),
        change_group(CLUSTER.groups[0].name),
    ],
)
def test_outcomes_are_those_of_the_answer(document: dict[str, Any]) -> None:
    moved, failed, _ = answer(document)["result"]
    told = {item["name"]: item for item in explain(document)["instances"]}
    assert [told[name]["to"] for name, _, _ in moved] == [nodes for _, _, nodes in moved]
    assert [told[name]["reason"] for name, _ in failed] == [reason for _, reason in failed]
    assert len(told) == len(moved) + len(failed)


def test_every_node_of_the_group_is_a_target_or_has_a_reason() -> None:
    (name, *_) = names("ext")
    told = explain(evacuation("all", name))["instances"][0]
    targets = {move["nodes"][0] for move in told["moves"]}
    assert targets | set(told["not_considered"]) == {node.name for node in CLUSTER.nodes[:4]}
    assert told["not_considered"] == {told["from"][0]: "is the primary node"}
    scores = {move["nodes"][0]: move["score"] for move in told["moves"] if "score" in move}
    assert told["to"] == [min(scores, key=lambda node: scores[node])]


def test_groups_are_chosen_or_have_a_reason() -> None:
    told = explain(change_group())["instances"][0]
    assert [group["group"] for group in told["groups"]] == ["spare"]
    assert told["groups_not_considered"] == {
        CLUSTER.groups[0].name: "instances of this request are there"
    }


def test_a_relocation_tells_its_step_or_why_it_is_refused() -> None:
    item = next(item for item in CLUSTER.instances if item.template == "drbd")
    members = {"type": "relocate", "name": item.name, "required_nodes": 1}
    old = CLUSTER.nodes[item.secondary].name
    document = request(CLUSTER, {**members, "relocate_from": [old]})
    told = explain(document)["instances"][0]
    (new,) = answer(document)["result"]
    assert told["steps"] == [f"replace the secondary by {new}"]

    wrong = request(CLUSTER, {**members, "relocate_from": []})
    assert explain(wrong)["instances"][0]["outcome"] == "failed"
    assert "Unsupported request" in as_text(explain(wrong))


def test_text_tells_fate_steps_and_faults() -> None:
    text = as_text(explain(evacuation("all", *ALL)))
    assert f"Instance {ALL[2]} stays on" in text
    assert "  step: " in text
    assert "is the primary node" in text


def test_each_possible_secondary_is_told() -> None:
    (name, *_) = names("plain")
    document = request(CLUSTER, {"type": "allocate-secondary", "name": name})
    moves = explain(document)["instances"][0]["moves"]
    best = min((move for move in moves if "score" in move), key=lambda move: move["score"])
    assert len(moves) == 3
    assert best["nodes"][1] == answer(document)["result"]


def new_on(description: Description, template: str = "file", memory: int = 1024) -> dict[str, Any]:
    members = {"type": "allocate", **new_instance("new", template, memory, 1024)}
    return request(description, members)


def test_a_failure_is_explained_in_its_own_words_and_grouped() -> None:
    """On 50 nodes that all refuse, one line tells so."""
    many = build(Shape(50, 0), 1)
    busy = replace(many, nodes=tuple(replace(node, node_cpus=128) for node in many.nodes))
    document = new_on(busy)
    info = answer(document)["info"]
    text = as_text(explain(document))
    assert "FailCPU on 50 nodes: node-0000, node-0001" in text
    assert info.split(": ", 2)[2] in text
    assert len(text.splitlines()) < 8

    placed = as_text(explain(new_on(many)))
    assert "45 more, up to" in placed
    assert len(placed.splitlines()) < 25
    pairs = as_text(explain(new_on(busy, "drbd")))
    assert "FailCPU on 2450 pairs" in pairs
    assert len(pairs.splitlines()) < 8


def test_the_global_check_is_named_with_the_node_that_is_in_its_way() -> None:
    """One instance on the only node of a group stops all others; explanations tell which."""
    made = build(Shape(3, 0), 1)
    lonely = Group("lonely", "uuid-lonely", policy=made.groups[0].policy)
    nodes = (*made.nodes[:2], replace(made.nodes[2], group=1))
    kept = Instance("kept", 1024, 0, 1, "diskless", primary=2)
    document = new_on(replace(made, groups=(*made.groups, lonely), nodes=nodes, instances=(kept,)))
    assert "FailN1: 2" in answer(document)["info"]
    text = as_text(explain(document))
    assert "FailN1 on 2 nodes: node-0000, node-0001" in text
    assert ("already now node node-0002 cannot be emptied: its group has no other node that is "
            "online") in text
    assert "the global N+1 check" in text
    assert "No valid allocation solutions, failure reasons: FailN1: 2" in text


def test_an_instance_that_its_policy_no_longer_allows_is_named() -> None:
    made = build(Shape(3, 0), 1)
    wide = Instance("wide", 1024, 1024, 20, "plain", primary=0, disks=(Disk(1024),))
    document = new_on(replace(made, instances=(wide,)))
    assert "FailN1" in answer(document)["info"]
    assert "does not allow an instance such as wide (FailCPU)" in as_text(explain(document))


def test_the_place_that_costs_the_redundancy_is_told_with_what_it_costs() -> None:
    made = build(Shape(2, 0, memory=16384), 1)
    document = new_on(made, "sharedfile", 4096)
    document["nodes"]["node-0001"] |= {"free_memory": 2048, "reserved_memory": 14336}
    assert "FailN1: 1" in answer(document)["info"]
    text = as_text(explain(document))
    assert "FailN1 on 1 node: node-0000" in text
    assert ("with the instance on node-0000, node node-0000 cannot be emptied: its instances do "
            "not fit on the other nodes of its group") in text


def test_each_of_several_is_told_of_what_the_ones_before_have_left() -> None:
    made = build(Shape(2, 0, memory=16384), 1)
    document = request(made, {"type": "multi-allocate", "instances": [
        new_instance(f"new-{number}", "sharedfile", 5120, 1024) for number in range(2)]})
    moved, failed = answer(document)["result"]
    told = explain(document)["instances"]
    chosen = [item["groups"][0]["chosen"] for item in told]
    assert [each["nodes"] for each in chosen] == [nodes for _, nodes in moved]
    assert len({*map(str, moved)}) == 2
    assert not failed


def test_many_instances_that_move_take_a_page_and_no_more() -> None:
    made = build(Shape(50, 60, templates=("ext", "plain"), memory=262144), 2)
    here = [replace(item, primary=0) for item in made.instances]
    document = request(replace(made, instances=tuple(here)), {
        "type": "node-evacuate", "evac_mode": "primary-only",
        "instances": [item.name for item in here]})
    text = as_text(explain(document))
    assert "more instances stay: Instances of type plain cannot be relocated" in text
    assert len(text.splitlines()) < 100


def balanced(folder: Path, description: Description, *more: str) -> int:
    (folder / "why.data").write_text(dump_text(description))
    return hbal.main(["-t", "why.data", "--explain", *more])


def test_hbal_tells_why_it_moves_no_more(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = Shape(50, 40, templates=("sharedfile", "plain", "file"), memory=65536)
    assert balanced(folder, build(shape, 1)) == 0
    text = capsys.readouterr().out
    plain = sum(item.template == "plain" for item in build(shape, 1).instances)
    assert f"not moved: {plain} instances cannot move: disk template plain" in text
    assert "not worth it (--min-gain)" in text or "would not lower the score" in text

    tight = build(Shape(2, 0, memory=8192), 1)
    big = Instance("big", 3072, 0, 1, "sharedfile", primary=0)
    low = replace(tight.nodes[1], free_memory=1024, node_memory=7168)
    here = replace(tight.nodes[0], free_memory=1024)
    assert balanced(folder, replace(tight, nodes=(here, low), instances=(big,))) == 0
    assert "not moved: FailMem on 1 move" in capsys.readouterr().out
