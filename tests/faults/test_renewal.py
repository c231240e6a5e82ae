"""A renewal of certificates is interrupted: all goes on, verify says so, a second try ends well."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from fault_cluster import SETTLED, FaultCluster

from ganeti_core.daemons.vcluster.processes import NODED

pytestmark = pytest.mark.timeout(900)
PAUSE = {"OP_ID": "OP_TEST_DELAY", "duration": 0.05}
RENEW = {"OP_ID": "OP_CLUSTER_RENEW_CRYPTO", "node_certificates": True,
         "cluster_certificate": True}
MOST_POINTS = 30
INTERRUPTED = re.compile(r"renewal was interrupted|/ca\.(pem|key) found with 2 different checksums")
"""How verify names a renewal that has to be run again: some nodes trust the old authority too."""


def works(cluster: FaultCluster, where: str) -> None:
    """All nodes answer the master, an interruption is named, and renewing works."""
    try:
        until = time.monotonic() + SETTLED
        while problems := cluster.down() or cluster.problems():
            assert time.monotonic() < until, problems
        # A node that was away learns of the newest certificates a moment after it is back.
        while others := [finding for finding in cluster.verify()
                         if not INTERRUPTED.search(finding)
                         and not finding.startswith("verify job")]:
            assert time.monotonic() < until, others
            cluster.down()
        cluster.run({"OP_ID": "OP_TEST_DELAY", "duration": 0.001, "on_master": False,
                     "on_nodes": [node.name for node in cluster.layout.nodes]})
        cluster.run(RENEW)
        cluster.settle()
    except AssertionError as exc:
        raise AssertionError(f"after {where}:\n{exc}") from exc


@pytest.mark.torture
@pytest.mark.parametrize("point", ["before", "journal"])
def test_the_master_is_killed_at_each_of_its_writes(cluster: FaultCluster, point: str) -> None:
    for number in range(1, MOST_POINTS):
        job = cluster.submit(PAUSE, RENEW)
        cluster.order_crash(point, number)
        status, result = cluster.outlive(job)
        through = cluster.take_back_crash()
        works(cluster, f"{point} {number}: {status} {result}")
        if through:
            assert status == "success", (result, cluster.log_of(job))
            return
    raise AssertionError("it is struck for ever")


@pytest.mark.parametrize("seconds", [
    0.0, 0.1, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (
        0.03, 0.06, 0.15, 0.2))])
def test_a_node_daemon_is_killed_meanwhile(cluster: FaultCluster, seconds: float) -> None:
    pid = int(cluster.layout.nodes[1].paths.daemon_pid(NODED).read_text())
    job = cluster.submit(PAUSE, RENEW)
    time.sleep(0.05 + seconds)  # anywhere within it: no step of it is told
    os.kill(pid, signal.SIGKILL)
    status, result = cluster.await_job(job)
    works(cluster, f"the node was killed after {seconds} s: {status} {result}")
