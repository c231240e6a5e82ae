"""Each hook of an operation fails: what was begun is undone, and nothing is left."""

from __future__ import annotations

import pytest
from fault_cluster import fault_cluster
from scenarios import SCENARIOS
from strikes import strike, strike_everywhere

pytestmark = pytest.mark.timeout(900)
CALL_SECONDS = 1.5


def test_failing_without_having_acted(cluster, scenario):
    strike_everywhere(cluster, scenario, "fail-before")


def test_failing_though_it_acted(cluster, scenario):
    strike_everywhere(cluster, scenario, "fail-after")


@pytest.mark.parametrize("name", [
    "create", *(pytest.param(name, marks=pytest.mark.torture) for name in ("failover", "migrate"))])
def test_acting_and_never_answering(tmp_path, name):
    """The call's time is over though it did what it was asked for."""
    with fault_cluster(tmp_path / "c", 3, CALL_SECONDS) as cluster:
        strike_everywhere(cluster, SCENARIOS[name], "slow")


@pytest.mark.parametrize(("name", "mode", "number"), [
    ("pair_recreate", "fail-after", 4), ("pair_recreate_elsewhere", "kill-after", 3),
    ("pair_plug", "fail-before", 9), ("pair_plug", "kill-before", 5),
    ("pair_create", "fail-before", 5), ("pair_create", "fail-after", 9),
    ("pair_create", "kill-before", 7), ("pair_create", "kill-after", 11),
    ("migrate", "fail-before", 2), ("migrate", "fail-after", 3), ("migrate", "kill-before", 4),
    ("migrate", "kill-after", 2), ("modify", "fail-after", 2), ("modify", "kill-before", 3),
    ("move", "fail-after", 3), ("move", "kill-before", 5), ("failover", "kill-after", 2),
    ("remove", "fail-after", 2), ("startup", "kill-before", 1),
    ("convert", "fail-before", 6), ("convert", "kill-after", 7),
    ("convert_to_pair", "fail-after", 8), ("convert_to_pair", "kill-before", 11),
    ("export", "fail-before", 3), ("export", "fail-after", 4), ("export", "kill-after", 2)])
def test_one_call_of_a_long_job(cluster, name, mode, number):
    """Of jobs that are struck everywhere by `make torture`."""
    assert strike(cluster, SCENARIOS[name], mode, number)
