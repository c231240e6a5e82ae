"""Whatever dies at whatever step of an operation: afterwards the cluster is as its config says.

Points are not listed anywhere: each job is struck at its first one, at its second ..., until it
gets through.
"""

from __future__ import annotations

import pytest
from fault_cluster import Clusters, FaultCluster
from scenarios import SCENARIOS
from twice import Watch

MOST_POINTS = 80


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    with Clusters(lambda: tmp_path_factory.mktemp("faults") / "c") as found:
        yield found


@pytest.fixture
def cluster(clusters):
    with clusters.clean() as found:
        yield found


@pytest.fixture(params=SCENARIOS)
def scenario(request):
    return SCENARIOS[request.param]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["before", "journal"])
def test_master_killed_at_each_write(cluster, scenario, point):
    """Accepted jobs end, and as what they ended is what the nodes show."""
    for number in range(1, MOST_POINTS):
        node = scenario.prepare(cluster)
        with Watch(cluster) as watch:
            # The submission itself is a write, too: it is over when the crash is ordered.
            job = cluster.submit({"OP_ID": "OP_TEST_DELAY", "duration": 0.05}, scenario.op(node))
            cluster.order_crash(point, number)
            status, result = cluster.outlive(job)
            through = cluster.take_back_crash()
            settle(cluster, status, f"{scenario.name}: {point} {number}: {status} {result}")
        assert not watch.seen, f"{point} {number}: {watch.seen}"
        if through:
            assert status == "success", result
            return
    raise AssertionError("it never gets through")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["fail-before", "fail-after", "kill-before", "kill-after"])
def test_node_fails_at_each_call(cluster, scenario, mode):
    """The job fails clean or names its debt; the debt is paid when the node is back."""
    for number in range(1, MOST_POINTS):
        node = scenario.prepare(cluster)
        with Watch(cluster) as watch:
            cluster.order_strike(mode, number)
            status, result = cluster.outlive(cluster.submit(scenario.op(node)))
            struck, call = cluster.take_back_strike()
            where = f"{scenario.name}: {mode} at call {number}, {call}: {status} {result}"
            settle(cluster, status, where)
        assert not watch.seen, f"{where}: {watch.seen}"
        if not struck:
            assert status == "success", result
            return
    raise AssertionError("it never gets through")


def settle(cluster: FaultCluster, status: str, where: str) -> None:
    try:
        cluster.settle(failed=status == "error")
    except AssertionError as exc:
        raise AssertionError(f"after {where}:\n{exc}") from exc


