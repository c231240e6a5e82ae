"""All points again, those between them, and faults that meet: ``make torture``."""

from __future__ import annotations

import os
import random

import pytest
from fault_cluster import FaultCluster, fault_cluster
from scenarios import SCENARIOS
from strikes import kill_master_everywhere, settle, strike_everywhere
from twice import Watch

pytestmark = [pytest.mark.torture, pytest.mark.timeout(1800)]
MODES = ["fail-before", "fail-after", "kill-before", "kill-after"]
ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "60"))


def test_master_killed_when_it_has_told(cluster, scenario):
    kill_master_everywhere(cluster, scenario, "published")


@pytest.mark.parametrize("mode", MODES)
def test_questions_go_wrong_too(cluster, scenario, mode):
    strike_everywhere(cluster, scenario, mode, questions=True)


def test_calls_that_never_answer(tmp_path, scenario):
    with fault_cluster(tmp_path / "c", 3, 1.5) as cluster:
        strike_everywhere(cluster, scenario, "slow")


@pytest.mark.parametrize("seed", range(4))
def test_several_faults_at_once(cluster, seed):
    """Master and nodes die in the same job, and again while it is recovered."""
    dice = random.Random(os.environ.get("TORTURE_SEED", seed))
    for turn in range(ROUNDS):
        scenario = SCENARIOS[dice.choice(sorted(SCENARIOS))]
        where = f"seed {seed}, turn {turn}: {scenario.name}"
        node = scenario.prepare(cluster)
        with Watch(cluster) as watch:
            job = cluster.submit({"OP_ID": "OP_TEST_DELAY", "duration": 0.05}, scenario.op(node))
            where += struck_twice(cluster, dice)
            status, result = cluster.outlive(job)
            cluster.take_back_crash()
            cluster.take_back_strike()
            settle(cluster, f"{where}: {status} {result}", status,
                   scenario.again(cluster, node, job, status))
        assert not watch.seen, f"{where}: {watch.seen}"


def struck_twice(cluster: FaultCluster, dice: random.Random) -> str:
    point, number = dice.choice(["before", "journal", "published"]), dice.randint(1, 12)
    mode, call = dice.choice(MODES), dice.randint(1, 9)
    cluster.order_strike(mode, call, questions=dice.random() < 0.3)
    cluster.order_crash(point, number)
    return f", {point} {number}, {mode} {call}"
