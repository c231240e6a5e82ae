"""Strike a job at its first step, at its second ..., until it gets through.

Points are not listed anywhere, so none is forgotten when an operation changes.
"""

from __future__ import annotations

from fault_cluster import FaultCluster
from scenarios import Op, Scenario
from twice import Watch

MOST_POINTS = 100


class Endless(AssertionError):
    """A job that is struck for ever."""


def kill_master_everywhere(cluster: FaultCluster, scenario: Scenario, point: str) -> None:
    """Kill the master at each passage of one of the journal's crash points."""
    for number in range(1, MOST_POINTS):
        if not kill_master(cluster, scenario, point, number):
            return
    raise Endless


def kill_master(cluster: FaultCluster, scenario: Scenario, point: str, number: int) -> bool:
    """Kill the master at the passage of this number; returns whether there was one."""
    node = scenario.prepare(cluster)
    with Watch(cluster) as watch:
        # The delay keeps the job from beginning before the crash is ordered.
        job = cluster.submit({"OP_ID": "OP_TEST_DELAY", "duration": 0.05}, scenario.op(node))
        cluster.order_crash(point, number)
        status, result = cluster.outlive(job)
        through = cluster.take_back_crash()
        where = f"{scenario.name}: {point} {number}: {status} {result}"
        settle(cluster, where, status, scenario.again(cluster, node, job, status))
    assert not watch.seen, f"{point} {number}: {watch.seen}"
    assert not through or status == "success", result
    return not through


def strike_everywhere(
    cluster: FaultCluster, scenario: Scenario, mode: str, *, questions: bool = False
) -> None:
    """Let each call to a node go wrong; with `questions` also those that change nothing."""
    for number in range(1, MOST_POINTS):
        if not strike(cluster, scenario, mode, number, questions=questions):
            return
    raise Endless


def strike(
    cluster: FaultCluster, scenario: Scenario, mode: str, number: int, *, questions: bool = False
) -> bool:
    """Let the call of this number go wrong; returns whether there was one."""
    node = scenario.prepare(cluster)
    with Watch(cluster) as watch:
        cluster.order_strike(mode, number, questions=questions)
        job = cluster.submit(scenario.op(node))
        status, result = cluster.outlive(job)
        struck, call = cluster.take_back_strike()
        where = f"{scenario.name}: {mode} at call {number}, {call}: {status} {result}"
        settle(cluster, where, status, scenario.again(cluster, node, job, status))
    assert not watch.seen, f"{where}: {watch.seen}"
    assert struck or status == "success", result
    return struck


def settle(cluster: FaultCluster, where: str, status: str, again: Op | None) -> None:
    """Wait until the cluster is as its configuration says; `where` goes into the complaint.

    :param again: what an administrator does before it can be
    """
    try:
        if again is not None:
            cluster.calm()
            cluster.run(again)
        cluster.settle(failed=status == "error")
    except AssertionError as exc:
        raise AssertionError(f"after {where}:\n{exc}") from exc
