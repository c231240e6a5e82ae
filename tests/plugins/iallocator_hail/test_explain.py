"""Explanations agree with the answers, and tell why the other places were not chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from clusters import Shape, build, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.explain import as_text, explain
from ganeti_plugins.iallocator_hail.records import Description, Group

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
