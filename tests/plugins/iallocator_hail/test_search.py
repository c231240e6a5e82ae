"""The quick procedures find what the plain ones find."""

from __future__ import annotations

import numpy as np
import pytest
from clusters import Shape, build, new_instance, request

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.model.build import build as build_model
from ganeti_plugins.iallocator_hail.model.cluster import Cluster, all_nodes
from ganeti_plugins.iallocator_hail.model.score import Scorer
from ganeti_plugins.iallocator_hail.records import Spec
from ganeti_plugins.iallocator_hail.search import balance
from ganeti_plugins.iallocator_hail.search.allocate import AllocationRules, search
from ganeti_plugins.iallocator_hail.search.balance import Balancer, Rules, apply_move
from ganeti_plugins.iallocator_hail.search.capacity import Capacity
from ganeti_plugins.iallocator_hail.search.sizes import new_instance as sized
from ganeti_plugins.iallocator_hail.search.space import Filled, Filler

MIXED = Shape(nodes=7, instances=40, templates=("drbd", "drbd", "ext", "plain"), skew=1.6)


def model(shape: Shape, seed: int) -> Cluster:
    return build_model(build(shape, seed))


@pytest.mark.parametrize("seed", range(4))
def test_score_after_each_move_is_the_score_of_a_fresh_model(seed: int) -> None:
    cluster = model(MIXED, seed)
    nodes = all_nodes(cluster)
    for move in Balancer(cluster, nodes, Rules()).run(8):
        assert Scorer(cluster, nodes).base() == move.score


def test_remembered_gains_lead_to_as_good_a_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for limit in (10**12, 0):
        monkeypatch.setattr(balance, "_LARGE", limit)
        cluster = model(Shape(nodes=24, instances=200), 1)
        balancer = Balancer(cluster, all_nodes(cluster), Rules())
        list(balancer.run(25))
        found.append(balancer.score)
    assert found[1] <= found[0] * 1.02


@pytest.mark.parametrize("seed", range(3))
def test_a_move_and_its_way_back_restore_the_state(seed: int) -> None:
    cluster = model(MIXED, seed)
    before = cluster.copy()
    move = next(Balancer(cluster, all_nodes(cluster), Rules()).run(1))
    cluster.take_off(move.instance)
    cluster.put(move.instance, *move.source, location_score=0.0)
    for name in type(cluster.state).__slots__:
        if name != "failing":
            assert np.array_equal(getattr(cluster.state, name), getattr(before.state, name))
    assert np.array_equal(cluster.peers, before.peers)


def test_copies_do_not_share_what_changes() -> None:
    cluster = model(MIXED, 1)
    other = cluster.copy()
    move = next(Balancer(other, all_nodes(other), Rules()).run(1))
    assert cluster.primary[move.instance] == move.source[0]
    apply_move(cluster, move.instance, move.kind, move.target)
    assert np.array_equal(cluster.peers, other.peers)


@pytest.mark.parametrize("template", ["drbd", "plain", "ext"])
def test_filling_by_classes_is_filling_one_by_one(template: str) -> None:
    shape = Shape(nodes=5, instances=10, memory=24576, fill=0.5)
    instance = sized(Spec(2048, 1, 20480, 1, 1, 1), template, template, 1)
    rules = AllocationRules(capacity=False)
    cluster = model(shape, 3)
    targets = all_nodes(cluster)
    filled = Filler(targets, rules).fill(Filled(cluster, [], []), instance, 6)
    plain = model(shape, 3)
    required = 2 if template == "drbd" else 1
    for index in filled.placed:
        twin = plain.add_instance(instance, filled.cluster.demand_of(index))
        best = search(plain, twin, required, targets, targets, rules).best
        assert best is not None
        assert best.primary == filled.cluster.primary[index]
        assert best.secondary == filled.cluster.secondary[index]
        plain.put(twin, best.primary, best.secondary, 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_quick_and_full_evacuation_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(nodes=5, instances=30, templates=("drbd", "ext", "plain"), memory=20480, fill=1)
    cluster = model(shape, seed)
    nodes = all_nodes(cluster)
    quick = set(Capacity(cluster, nodes, nodes).stuck())
    full = Capacity(cluster, nodes, nodes)
    assert quick == {node for node in nodes.tolist() if not full._play_fully(node)}


def test_request_types_keep_the_protocol() -> None:
    description = build(MIXED, 5)
    moved = [item.name for item in description.instances if item.primary == 0]
    for members in (
        {"type": "allocate", **new_instance("new", "drbd", 1024, 10240)},
        {"type": "multi-allocate", "instances": [new_instance("new", "ext", 1024, 10240)]},
        {"type": "node-evacuate", "evac_mode": "all", "instances": moved},
        {"type": "change-group", "instances": moved[:1], "target_groups": []},
    ):
        got = answer(request(description, members))
        assert set(got) == {"success", "info", "result"}
        assert got["success"], got["info"]
