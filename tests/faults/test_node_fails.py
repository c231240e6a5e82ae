"""Each hook of an operation fails: what was begun is undone, and nothing is left."""

from __future__ import annotations

import pytest
from fault_cluster import fault_cluster
from scenarios import SCENARIOS
from strikes import strike_everywhere

pytestmark = pytest.mark.timeout(300)
CALL_SECONDS = 1.5


def test_failing_without_having_acted(cluster, scenario):
    strike_everywhere(cluster, scenario, "fail-before")


def test_failing_though_it_acted(cluster, scenario):
    strike_everywhere(cluster, scenario, "fail-after")


@pytest.mark.parametrize("name", ["create", "failover"])
def test_acting_and_never_answering(tmp_path, name):
    """The call's time is over though it did what it was asked for."""
    with fault_cluster(tmp_path / "c", 3, CALL_SECONDS) as cluster:
        strike_everywhere(cluster, SCENARIOS[name], "slow")
