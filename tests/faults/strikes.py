"""Strike a job at its first step, at its second ..., until it gets through.

Points are not listed anywhere, so none is forgotten when an operation changes.
"""

from __future__ import annotations

from fault_cluster import FaultCluster
from scenarios import Scenario
from twice import Watch

MOST_POINTS = 100


class Endless(AssertionError):
    """A job that is struck for ever."""


def kill_master_everywhere(cluster: FaultCluster, scenario: Scenario, point: str) -> None:
    """Kill the master at each passage of one of the journal's crash points."""
    for number in range(1, MOST_POINTS):
        node = scenario.prepare(cluster)
        with Watch(cluster) as watch:
            # The delay keeps the job from beginning before the crash is ordered.
            job = cluster.submit({"OP_ID": "OP_TEST_DELAY", "duration": 0.05}, scenario.op(node))
            cluster.order_crash(point, number)
            status, result = cluster.outlive(job)
            through = cluster.take_back_crash()
            settle(cluster, status, f"{scenario.name}: {point} {number}: {status} {result}")
        assert not watch.seen, f"{point} {number}: {watch.seen}"
        if through:
            assert status == "success", result
            return
    raise Endless


def strike_everywhere(
    cluster: FaultCluster, scenario: Scenario, mode: str, *, questions: bool = False
) -> None:
    """Let each call to a node go wrong; with `questions` also those that change nothing."""
    for number in range(1, MOST_POINTS):
        node = scenario.prepare(cluster)
        with Watch(cluster) as watch:
            cluster.order_strike(mode, number, questions=questions)
            status, result = cluster.outlive(cluster.submit(scenario.op(node)))
            struck, call = cluster.take_back_strike()
            where = f"{scenario.name}: {mode} at call {number}, {call}: {status} {result}"
            settle(cluster, status, where)
        assert not watch.seen, f"{where}: {watch.seen}"
        if not struck:
            assert status == "success", result
            return
    raise Endless


def settle(cluster: FaultCluster, status: str, where: str) -> None:
    """Wait until the cluster is as its configuration says; `where` goes into the complaint."""
    try:
        cluster.settle(failed=status == "error")
    except AssertionError as exc:
        raise AssertionError(f"after {where}:\n{exc}") from exc
