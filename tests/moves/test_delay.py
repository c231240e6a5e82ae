"""``OP_TEST_DELAY`` as administrators use it: it holds locks of nodes, and can be ended early."""

from __future__ import annotations

import re
import socket

from crowd import ended, submitted
from virtual_cluster import wait_until

DELAY = {"OP_ID": "OP_TEST_DELAY", "duration": 60.0, "no_locks": False}


def why(cluster, job):
    return cluster.gnt("gnt-job", "why", str(job)).stdout


def waits_for(cluster, job, other):
    wait_until(lambda: f"held or asked for earlier by job {other}" in why(cluster, job),
               f"job {job} waits for job {other}", 30.0, 0.1)


def runs(cluster, job):
    wait_until(lambda: f"Job {job} runs" in why(cluster, job), f"job {job} runs", 30.0, 0.1)


def test_a_delay_holds_the_masters_node(cluster):
    first = cluster.submit("gnt-debug", "delay", "60")
    runs(cluster, first)
    second = cluster.submit("gnt-debug", "delay", "60")
    waits_for(cluster, second, first)
    assert cluster.try_("gnt-job", "cancel", second).status == 0
    [free] = ended(cluster, *submitted(cluster, {**DELAY, "duration": 0.1, "no_locks": True}))
    assert free.status == "success"
    cluster.try_("gnt-job", "cancel", first)
    ended(cluster, int(first), int(second))


def test_a_delay_holds_the_nodes_it_names(cluster):
    delay = cluster.submit("gnt-debug", "delay", "--no-master", "-n", "node2", "60")
    runs(cluster, delay)
    change = cluster.submit("gnt-node", "modify", "--drained=yes", "node2")
    waits_for(cluster, change, delay)
    other, = submitted(cluster, {**DELAY, "duration": 0.1})
    assert ended(cluster, other)[0].status == "success"
    cluster.try_("gnt-job", "cancel", change)
    cluster.try_("gnt-job", "cancel", delay)
    ended(cluster, int(delay), int(change))


def test_a_delay_can_be_interrupted(cluster):
    job, = submitted(cluster, {**DELAY, "interruptible": True, "repeat": 3})

    def path():
        return re.search(r"/\S*ganeti-delay-[^'\s\]]*/sock", cluster.gnt(
            "gnt-job", "info", str(job)).stdout)

    found = wait_until(path, "the log tells the socket", 30.0, 0.1).group()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(found)
        caller.send(b"x")
    [done] = ended(cluster, job)
    assert done.status == "success"
    assert any("Interrupted, time spent waiting" in str(line) for line in done.log)
    assert sum("Test delay iteration" in str(line) for line in done.log) == 1


def test_an_interruptible_delay_ends_by_itself_and_can_be_canceled(cluster):
    job, = submitted(cluster, {**DELAY, "interruptible": True, "duration": 0.3})
    assert ended(cluster, job)[0].status == "success"
    job, = submitted(cluster, {**DELAY, "interruptible": True})
    runs(cluster, job)
    cluster.try_("gnt-job", "cancel", str(job))
    assert ended(cluster, job)[0].status == "canceled"
