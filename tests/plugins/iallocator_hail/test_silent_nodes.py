"""A node that does not answer is left out and named, and stops nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from clusters import Shape, build, new_instance, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.model.build import build as build_model
from ganeti_plugins.iallocator_hail.model.cluster import all_nodes
from ganeti_plugins.iallocator_hail.model.score import Scorer
from ganeti_plugins.iallocator_hail.records import Description, Instance
from ganeti_plugins.iallocator_hail.search.balance import Balancer, Rules
from ganeti_plugins.iallocator_hail.tools.harep import is_off

SILENT = {"total_memory": 0.0, "node_memory": 0, "free_memory": 0, "total_disk": 0.0,
          "free_disk": 0, "total_cpus": 0.0, "node_cpus": 0, "offline": True, "silent": True}


def with_a_silent_node() -> Description:
    """The last of four nodes; one mirrored instance has its secondary there, one its primary."""
    made = build(Shape(4, 0), 1)
    there = (
        Instance("over", 1024, 1024, 1, "drbd", primary=0, secondary=3),
        Instance("lost", 1024, 1024, 1, "drbd", primary=3, secondary=1),
        Instance("shared", 1024, 0, 1, "sharedfile", primary=3),
    )
    return replace(
        made, nodes=(*made.nodes[:3], replace(made.nodes[3], **SILENT)), instances=there)


def document(members: dict[str, Any]) -> dict[str, Any]:
    """As the master writes it: without what the silent node has."""
    found = request(with_a_silent_node(), members)
    node = found["nodes"]["node-0003"]
    found["nodes"]["node-0003"] = {
        key: node[key] for key in ("group", "drained", "tags", "ndparams")
    } | {"offline": True, "silent": True}
    return found


@pytest.mark.parametrize("template", ["sharedfile", "plain", "drbd"])
def test_instances_are_placed_on_the_other_nodes(template: str) -> None:
    got = answer(document({"type": "allocate", **new_instance("new", template, 1024, 1024)}))
    assert got["success"], got["info"]
    assert "node-0003" not in got["result"]
    assert got["info"].endswith("; node node-0003 does not answer; left out")


def test_it_can_be_evacuated_when_somebody_asks_for_that() -> None:
    got = answer(document({"type": "node-evacuate", "evac_mode": "primary-only",
                           "instances": ["lost", "shared"]}))
    assert [entry[0] for entry in got["result"][0]] == ["lost", "shared"]


def test_balancing_neither_counts_it_as_offline_nor_moves_anything_away() -> None:
    cluster = build_model(with_a_silent_node())
    with np.errstate(all="ignore"):
        values = Scorer(cluster, all_nodes(cluster)).components()[:, 0]
        moved = [move.instance for move in Balancer(cluster, all_nodes(cluster), Rules()).run()]
    assert values[4] == values[5] == 0.0
    assert not moved


def test_nothing_is_repaired_because_of_it() -> None:
    silent, offline = with_a_silent_node().nodes[3], replace(
        with_a_silent_node().nodes[0], offline=True)
    assert not is_off(silent)
    assert is_off(offline)
