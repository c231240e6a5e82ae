"""Nodes that have no memory, processors, disk or spindles at all stop no program."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Shape, build, new_instance, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.model.build import build as build_model
from ganeti_plugins.iallocator_hail.model.cluster import all_nodes
from ganeti_plugins.iallocator_hail.model.score import Scorer
from ganeti_plugins.iallocator_hail.records import DEFAULT_POLICY, Description
from ganeti_plugins.iallocator_hail.search.balance import Balancer, Rules
from ganeti_plugins.iallocator_hail.tools import hbal, hcheck, hinfo, hspace

NOTHING: dict[str, dict[str, Any]] = {
    "spindles": {"spindles": 0},
    "cpus": {"total_cpus": 0.0},
    "memory": {"total_memory": 0.0, "node_memory": 0, "free_memory": 0},
    "disk": {"total_disk": 0.0, "free_disk": 0},
    "speed": {"cpu_speed": 0.0},
}
RATIOS = {"spindle_ratio": 0.0, "vcpu_ratio": 0.0}
TEMPLATES = ("file", "sharedfile", "plain", "drbd")


def a_cluster(without: str, templates: tuple[str, ...] = ("sharedfile", "drbd")) -> Description:
    """Four nodes, of which the last has nothing of something; no instance is on that one."""
    shape = Shape(4, 8, templates=templates, memory=65536)
    made = build(shape, 1)
    kept = [item for item in made.instances if 3 not in (item.primary, item.secondary)]
    poor = replace(made.nodes[3], **NOTHING[without])
    return replace(made, nodes=(*made.nodes[:3], poor), instances=tuple(kept))


def asked(description: Description, members: dict[str, Any]) -> dict[str, Any]:
    return answer(request(description, members))


@pytest.mark.parametrize("without", NOTHING)
@pytest.mark.parametrize("template", TEMPLATES)
def test_an_instance_finds_a_place_that_can_hold_it(without: str, template: str) -> None:
    members = {"type": "allocate", **new_instance("new", template, 1024, 1024)}
    got = asked(a_cluster(without), members)
    assert got["success"], got["info"]
    assert "NaN" not in got["info"]
    able = {"spindles": ("file", "sharedfile"), "disk": ("file", "sharedfile"), "cpus": (),
            "memory": (), "speed": TEMPLATES}
    if template not in able[without]:
        # A secondary takes no processors.
        nodes = got["result"][:1] if without == "cpus" else got["result"]
        assert "node-0003" not in nodes


@pytest.mark.parametrize("without", NOTHING)
def test_all_other_requests_are_answered(without: str) -> None:
    description = a_cluster(without, ("sharedfile",))
    names = [item.name for item in description.instances if item.primary == 0]
    assert names
    moved = asked(description, {
        "type": "node-evacuate", "instances": names, "evac_mode": "primary-only"})
    assert moved["success"]
    assert [entry[0] for entry in moved["result"][0]] == names
    relocated = asked(description, {
        "type": "relocate", "name": names[0], "required_nodes": 1,
        "relocate_from": ["node-0000"], "memory": 1, "disk_space_total": 1})
    assert relocated["success"], relocated["info"]
    several = asked(description, {
        "type": "multi-allocate",
        "instances": [new_instance(f"n{i}", "file", 1024, 1024) for i in range(3)]})
    assert len(several["result"][0]) == 3


@pytest.mark.parametrize("without", NOTHING)
def test_a_mirrored_instance_leaves_both_nodes(without: str) -> None:
    description = a_cluster(without, ("drbd",))
    wide = replace(description, nodes=(*description.nodes, *(
        replace(description.nodes[0], name=f"more-{i}", free_memory=61440, master=False)
        for i in range(2))))
    name = wide.instances[0].name
    for mode in ("primary-only", "secondary-only", "all"):
        got = asked(wide, {"type": "node-evacuate", "instances": [name], "evac_mode": mode})
        assert [entry[0] for entry in got["result"][0]] == [name], got


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_ratio_of_zero_is_a_failure_with_a_name(ratio: str) -> None:
    """Nothing that takes processors or spindles fits; what takes none of them does."""
    made = build(Shape(3, 0), 1)
    policy = replace(DEFAULT_POLICY, **{ratio: 0.0})
    description = replace(made, groups=(replace(made.groups[0], policy=policy),))
    got = {template: asked(description, {
        "type": "allocate", **new_instance("new", template, 1024, 1024)}) for template in TEMPLATES}
    if ratio == "vcpu_ratio":
        assert all("FailCPU: 3" in got[name]["info"] for name in ("file", "plain"))
    else:
        assert got["file"]["success"]
        assert "FailDisk: 3" in got["plain"]["info"]


@pytest.mark.parametrize("without", NOTHING)
def test_the_poor_node_takes_no_part_in_the_figure_that_it_lacks(without: str) -> None:
    """All other nodes are equal, so what is left of the score is not made by that figure."""
    if without == "disk":
        pytest.skip("a node without disk counts as one whose disk is all free, as with Ganeti")
    made = build(Shape(4, 0), 1)
    poor = replace(made.nodes[3], **NOTHING[without])
    cluster = build_model(replace(made, nodes=(*made.nodes[:3], poor)))
    with np.errstate(all="ignore"):
        assert Scorer(cluster, all_nodes(cluster)).base() == 0.0


@pytest.mark.parametrize("without", NOTHING)
def test_balancing_ends_where_no_move_is_better(without: str) -> None:
    """Estimates, which find the moves, agree with the exact scores of the same moves."""
    cluster = build_model(a_cluster(without))
    with np.errstate(all="ignore"):
        nodes = all_nodes(cluster)
        before = Scorer(cluster, nodes).base()
        moves = list(Balancer(cluster, nodes, Rules(min_gain=0.0, min_gain_limit=0.0)).run())
        after = Scorer(cluster, nodes).base()
    assert moves
    assert math.isclose(moves[-1].score, after, abs_tol=1e-9)
    assert after < before
    scores = [before, *(move.score for move in moves)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("without", NOTHING)
@pytest.mark.parametrize("template", TEMPLATES)
def test_programs_count_and_report(
    without: str, template: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "zero.data").write_text(dump_text(a_cluster(without)))
    # Large ones: filling the nodes with small ones takes a minute on a busy machine.
    assert hspace.main(
        ["-t", "zero.data", "--machine-readable", "--disk-template", template,
         "--standard-alloc", "4096,8192,1", "--tiered-alloc", "4096,8192,1"]) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert int(lines["HTS_ALLOC_INSTANCES"]) > 0
    assert "NaN" not in lines["HTS_FIN_SCORE"]
    for program in (hbal, hinfo, hcheck):
        program.main(["-t", "zero.data"])
        told = capsys.readouterr()
        assert "NaN" not in told.out
        assert "Error" not in told.err


def test_without_nodes_there_is_no_place(folder: Path) -> None:
    """Nor does it matter what the tags would say of one."""
    made = a_cluster("disk")
    made = replace(made, nodes=(), instances=(), tags=("htools:nlocation:rack",
                                                       "htools:desiredlocation:rack"))
    got = asked(made, {"type": "allocate", **new_instance("new", "plain", 1024, 1024),
                       "tags": ["rack:1"]})
    assert (got["success"], got["result"]) == (False, [])
