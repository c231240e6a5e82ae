"""Real clusters whose master dies: nothing that was accepted is lost, and nobody else may act."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from failing import (
    client,
    delay,
    ended,
    epoch_of,
    failover,
    kill,
    log_of,
    master_runs,
    stale_at,
    statuses,
    submit,
    uuid_of,
    wait_for_equal_copies,
)
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.config.journal import CRASH_VARIABLE
from ganeti_core.errors import GanetiError, StaleEpoch
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity

NODES = ("node1", "node2", "node3")
MakeCluster = Callable[..., VirtualCluster]


@pytest.fixture
def three(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    """Three nodes, all up, the first one the master."""
    three_nodes.tool("start")
    if not master_runs(three_nodes, "node1"):
        wait_for_equal_copies(three_nodes, *NODES)
        wait_until(lambda: failover(three_nodes, "node1").status == 0, "node1 is the master")
    wait_until(lambda: not stale_at(three_nodes, "node1"), "all copies are current", 60.0)
    wait_for_equal_copies(three_nodes, *NODES)
    yield three_nodes
    three_nodes.tool("start")


def test_a_master_that_was_killed_loses_no_job(three: VirtualCluster) -> None:
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=1")
    three.gnt("gnt-instance", "add", "-t", "diskless", "-o", "none", "--no-install",
              "--no-name-check", "--no-ip-check", "-n", "node3", "-H", "fake", "inst1.example.com")
    running, *queued = submit(three, "node1", [delay(60)], *[[delay(0.01)]] * 20)
    first, second = submit(three, "node1", [delay(0.01)], [delay(0.01, depends=[[-1, []]])])
    wait_until(lambda: statuses(three, "node1", [running]) == ["running"], "a job runs")
    kill(three, "node1", "masterd")
    ran = failover(three, "node2")
    assert ran.status == 0, ran
    assert ended(three, "node2", [*queued, first, second]) == ["success"] * 22
    # What had begun was undone, and says so; it is not run twice.
    assert ended(three, "node2", [running]) == ["error"]
    assert three.gnt("gnt-cluster", "getmaster").stdout.strip() == "node2.example.com"
    assert three.instances("name", "status") == [["inst1.example.com", "running"]]
    next_job = submit(three, "node2", [delay(0.01)])
    assert next_job[0] == second + 1
    three.gnt("gnt-instance", "remove", "-f", "inst1.example.com")
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=20")
    three.verify()
    wait_for_equal_copies(three, *NODES)


def test_a_command_waits_for_its_job_while_the_master_is_started_again(
    three: VirtualCluster,
) -> None:
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=1")
    [running] = submit(three, "node1", [delay(60)])
    wait_until(lambda: statuses(three, "node1", [running]) == ["running"], "a job runs")
    with ThreadPoolExecutor(1) as pool:
        # Its job waits behind the other, so it runs after the start.
        command = pool.submit(three.try_, "gnt-cluster", "modify", "--max-running-jobs=19")
        wait_until(lambda: statuses(three, "node1", [running + 1]) == ["queued"], "its job waits")
        kill(three, "node1", "masterd")
        three.tool("start", "node1", "masterd")
        ended_as = command.result(60.0)
    assert ended_as.status == 0, ended_as
    assert f"Job {running + 1} was accepted, and no job is lost" in ended_as.stderr
    assert "19" in three.gnt("gnt-cluster", "info").stdout
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=20")


def test_the_old_master_may_not_come_back(three: VirtualCluster) -> None:
    kill(three, "node1")
    assert failover(three, "node2").status == 0
    epoch = epoch_of(three, "node2")
    refused = three.on("node1", "ganeti-masterd")
    assert refused.status == 1
    assert "seen a newer master" in refused.stderr
    # Nor if the administrator insists: it learns of the new one and ends by itself.
    three.on("node1", "ganeti-masterd", "--no-voting", "--yes-do-it")
    wait_until(lambda: not master_runs(three, "node1"), "the old master ends")
    assert "replaced" in log_of(three, "node1")
    # The nodes refuse whatever it asks for.
    old = NodeClients(TlsIdentity.of(three.paths("node1")), lambda: epoch - 1)
    for node in ("node2", "node3"):
        own = NodeIdentity.load(three.paths(node))
        with pytest.raises(StaleEpoch):
            old.call(Peer(own.uuid, own.name, own.address, own.port),
                     service_call("node.ssconf", {"values": {"cluster_name": "x"}}))
    old.close()
    # As a node it comes back, with a whole copy.
    three.tool("start")
    wait_for_equal_copies(three, *NODES)
    assert "this is not the master node, node2.example.com is" in three.on(
        "node1", "ganeti-masterd").stderr


def test_a_running_master_is_stopped_first(three: VirtualCluster) -> None:
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=1")
    running, *queued = submit(three, "node1", [delay(60)], *[[delay(0.01)]] * 5)
    wait_until(lambda: statuses(three, "node1", [running]) == ["running"], "a job runs")
    ran = failover(three, "node3")
    assert ran.status == 0, ran
    assert not master_runs(three, "node1")
    assert ended(three, "node3", queued) == ["success"] * 5
    assert statuses(three, "node3", [running]) != ["success"]
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=20")
    again = failover(three, "node3")
    assert again.status == 1
    assert "already the master" in again.stderr


INTERRUPTED = """
from ganeti_core.bootstrap import failover
from ganeti_core.errors import OpPrereqError
from ganeti_core.paths import Paths

def win(_vote, _held):
    raise KeyboardInterrupt

failover._Vote.win = win
try:
    failover.master_failover(Paths.from_environment(), no_voting=False)
except OpPrereqError as exc:
    print(exc)
"""


def test_an_interrupted_failover_lets_the_old_master_go_on(three: VirtualCluster) -> None:
    ran = three.on("node2", "python", "-c", INTERRUPTED)
    assert "Interrupted. The old master node1.example.com was stopped and runs again" in ran.stdout
    assert master_runs(three, "node1")


INTERRUPTED_LATE = """
import os, signal
from ganeti_core.bootstrap import failover
from ganeti_core.paths import Paths

def interrupted(name):
    act = getattr(failover, name)
    def late(*arguments):
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return act(*arguments)
    setattr(failover, name, late)

for name in ("collect_promises", "_take_over", "_release_ip"):
    interrupted(name)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below some shells
failover.master_failover(Paths.from_environment(), no_voting=False)
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_failover_that_the_old_master_cannot_survive_goes_on(three: VirtualCluster) -> None:
    """The nodes obey a new epoch by then: without the new master there would be none."""
    ran = three.on("node2", "python", "-c", INTERRUPTED_LATE)
    assert "the failover goes on" in ran.stderr, ran
    assert "KeyboardInterrupt" in ran.stderr, "later it can be interrupted again"
    assert [master_runs(three, node) for node in NODES] == [False, True, False]


def test_a_busy_master_is_followed(three: VirtualCluster) -> None:
    """Copies differ by what is under way: that is no reason to refuse."""
    jobs = submit(three, "node1", *[[delay(0.02)]] * 400)
    ran = failover(three, "node2")
    assert ran.status == 0, ran
    found = ended(three, "node2", jobs)
    # What ran when the master was stopped was undone.
    assert set(found) <= {"success", "error"}
    assert found.count("success") > 300


def test_start_finds_the_new_master(three: VirtualCluster) -> None:
    kill(three, "node1")
    assert failover(three, "node2").status == 0
    three.tool("stop")
    three.tool("start")
    assert [master_runs(three, node) for node in NODES] == [False, True, False]
    assert three.gnt("gnt-cluster", "getmaster").stdout.strip() == "node2.example.com"
    wait_until(lambda: (three.paths("node1").ssconf / "ssconf_master_node").read_text()
               == "node2.example.com\n", "the old master's node has heard of the new one")


def test_an_old_copy_cannot_win(three: VirtualCluster) -> None:
    kill(three, "node3")
    began = time.monotonic()
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=19")
    assert time.monotonic() - began < 60
    assert uuid_of(three, "node3") in stale_at(three, "node1")
    assert uuid_of(three, "node3") in stale_at(three, "node2")
    kill(three, "node1")
    three.tool("start", "node3", "noded")
    refused = failover(three, "node3")
    assert refused.status == 1
    assert "the copy here is old" in refused.stderr
    assert failover(three, "node2").status == 0
    assert three.gnt("gnt-cluster", "info").stdout.count("19") >= 1
    wait_for_equal_copies(three, "node2", "node3")
    three.gnt("gnt-cluster", "modify", "--max-running-jobs=20")


def test_verify_names_a_candidate_whose_copy_is_old(three: VirtualCluster) -> None:
    three.verify()
    kill(three, "node2")
    assert ended(three, "node1", submit(three, "node1", [delay(0.01)])) == ["success"]
    found = three.try_("gnt-cluster", "verify", "--error-codes")
    assert found.status == 1
    assert "ECLUSTERFILECHECK:cluster:node2.example.com:its copy of the configuration is old" in (
        found.stdout)
    assert "node3.example.com:its copy" not in found.stdout
    three.bring_back()
    three.verify()


def test_who_is_no_candidate_has_nothing_and_may_not(three: VirtualCluster) -> None:
    three.gnt("gnt-node", "modify", "--master-candidate=no", "--force", "node3")
    paths = three.paths("node3")
    wait_until(lambda: not paths.database.exists() and not paths.ca_key.exists(),
               "copy and key are gone")
    refused = failover(three, "node3")
    assert refused.status == 1
    assert "only master candidates" in refused.stderr
    assert failover(three, "node3", "--no-voting", "--yes-do-it").status == 1
    found = three.try_("gnt-cluster", "verify", "--error-codes")
    assert "Not enough master candidates: actual 2, target 3" in found.stdout
    three.gnt("gnt-node", "modify", "--master-candidate=yes", "node3")
    wait_for_equal_copies(three, *NODES)
    assert paths.ca_key.stat().st_mode & 0o777 == 0o600


def test_without_voting(three: VirtualCluster) -> None:
    kill(three, "node1")
    kill(three, "node3")
    refused = failover(three, "node2")
    assert refused.status == 1
    assert "only 1 of 3 nodes answer" in refused.stderr
    assert failover(three, "node2", "--no-voting", stdin="n\n").status == 1
    ran = failover(three, "node2", "--no-voting", "--yes-do-it")
    assert ran.status == 0, ran
    jobs = submit(three, "node2", *[[delay(0.01)]] * 3)
    assert ended(three, "node2", jobs) == ["success"] * 3
    three.tool("start")
    wait_for_equal_copies(three, *NODES)


def test_a_master_starts_only_when_a_majority_knows_of_no_newer_one(
    three: VirtualCluster,
) -> None:
    three.tool("stop")
    three.tool("start", "node1", "noded")
    refused = three.on("node1", "ganeti-masterd")
    assert refused.status == 1
    assert "only 1 of 3 nodes can be asked" in refused.stderr
    assert three.on("node1", "ganeti-masterd", "--no-voting", stdin="n\n").status == 1
    assert not master_runs(three, "node1")
    assert three.on("node1", "ganeti-masterd", "--no-voting", "--yes-do-it").status == 0
    jobs = submit(three, "node1", [delay(0.01)])
    assert ended(three, "node1", jobs) == ["success"]


def test_a_damaged_master_hands_over_and_gets_a_copy_back(three: VirtualCluster) -> None:
    kill(three, "node1", "masterd")
    database = three.paths("node1").database
    whole = database.read_bytes()
    # Whoever has the file open goes on with it; a master that starts must see what is there.
    database.write_bytes(whole[:4096 * (len(whole) // 8192)])
    refused = three.on("node1", "ganeti-masterd")
    assert refused.status == 1
    assert "damaged" in refused.stderr
    assert "gnt-cluster master-failover on another master candidate" in refused.stderr
    assert failover(three, "node1").status == 1
    assert failover(three, "node2").status == 0
    three.verify()
    wait_for_equal_copies(three, *NODES)
    assert failover(three, "node1").status == 0


def test_a_master_that_lost_its_log_does_not_overwrite_the_copies(three: VirtualCluster) -> None:
    """The file is whole, but old: a restored backup, or a disk that lied."""
    database = three.paths("node1").database
    with closing(sqlite3.connect(database)) as db:
        old = db.serialize()
    jobs = submit(three, "node1", *[[delay(0.01)]] * 3)
    ended(three, "node1", jobs)
    wait_for_equal_copies(three, *NODES)
    kill(three, "node1")
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(old)
    three.tool("start", "node1", "noded")
    refused = three.on("node1", "ganeti-masterd")
    assert refused.status == 1
    assert "has lost what node" in refused.stderr
    assert failover(three, "node2").status == 0
    assert statuses(three, "node2", jobs) == ["success"] * 3


@pytest.mark.parametrize("point", [
    4, *(pytest.param(point, marks=pytest.mark.torture) for point in (2, 6))])
def test_an_interrupted_creation_is_undone_by_the_next_master(
    three: VirtualCluster, point: int,
) -> None:
    three.tool("stop", "node1", "masterd")
    order = three.root / "crash"
    assert three.on("node1", "env", f"{CRASH_VARIABLE}={order}", "ganeti-masterd").status == 0
    order.write_text(f"journal:{point}")
    with client(three, "node1") as luxi:
        try:
            jobs = [luxi.submit_job([{
                "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "half.example.com",
                "mode": "create", "disk_template": "file", "disks": [{"size": 1}], "nics": [{}],
                "pnode": "node3.example.com", "hypervisor": "fake", "os_type": "none",
                "no_install": True, "start": True, "ip_check": False, "name_check": False}])]
        except GanetiError:
            jobs = []  # it died before it answered: nothing was accepted
    wait_until(lambda: not master_runs(three, "node1"), "the master dies")
    # The last group may have reached only one of the two: that one must take over then.
    there = "node2"
    ran = failover(three, there)
    if "run master-failover there" in ran.stderr:
        there = "node3"
        ran = failover(three, there)
    assert ran.status == 0, ran
    if jobs:
        [status] = ended(three, there, jobs)
        exists = ["half.example.com"] in three.instances("name")
        assert exists == (status == "success")
        if exists:
            three.gnt("gnt-instance", "remove", "-f", "half.example.com")
    three.verify()
    wait_for_equal_copies(three, "node2", "node3")


def test_a_cluster_of_two(make_cluster: MakeCluster) -> None:
    two = make_cluster("--nodes", "2", "--hypervisor", "fake")
    wait_for_equal_copies(two, "node1", "node2")
    # Each has been told of the other: a vote of a stranger does not count.
    two.gnt("gnt-cluster", "redist-conf")
    # The other node is away, the master goes on; what it then commits must not be lost unnoticed.
    kill(two, "node2")
    [job] = submit(two, "node1", [delay(0.01)])
    assert ended(two, "node1", [job]) == ["success"]
    kill(two, "node1", "masterd")
    two.tool("start", "node2", "noded")
    refused = failover(two, "node2")
    assert refused.status == 1
    assert "the copy here is old" in refused.stderr
    two.tool("start")
    wait_for_equal_copies(two, "node1", "node2")
    wait_until(lambda: not stale_at(two, "node1"), "the copy is current")
    # With a current copy: by a vote of both, or by hand when the other is dead.
    kill(two, "node1")
    refused = failover(two, "node2")
    assert refused.status == 1
    assert "only 1 of 2 nodes answer" in refused.stderr
    assert failover(two, "node2", "--no-voting", "--yes-do-it").status == 0
    assert statuses(two, "node2", [job]) == ["success"]
    two.tool("start")
    wait_for_equal_copies(two, "node1", "node2")
    assert failover(two, "node1").status == 0
    kill(two, "node1")
    kill(two, "node2")
    # Node 1 promised its own epoch, node 2 an older one: only node 1 starts.
    two.tool("start", "node2", "noded")
    assert two.on("node2", "ganeti-masterd").status == 1
    assert two.on("node1", "ganeti-masterd").status == 0
