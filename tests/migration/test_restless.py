"""A guest that writes to its memory faster than it is sent: its migration ends all the same."""

from __future__ import annotations

import os
import signal

import pytest
from moving import LONG, NAME, Mover
from virtual_cluster import wait_until

from ganeti_core.pid_file import running_pid
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = [pytest.mark.needs_qemu, pytest.mark.timeout(900)]
# It writes one byte to each page of 512 KiB, again and again, and nothing to its disk: see
# tests/plugins/hv_kvm/test_kvm_convergence.py.
SWEEPS = bytes.fromhex(
    "fa bb00f0 b80010 8ed8 31f6 fe04 0f013c 81c60010 75f5 050010 3d0090 72e9 43 75e3"
    "baf803 b064 ee eb d8")

ATTEMPTS = 4
"""On a busy machine a pass may come, once in some hundred, during which the emulated guest writes
nothing: then the migration ends, and rightly so."""


@pytest.fixture(scope="module")
def restless(make_cluster):
    cluster = make_cluster(
        "--nodes", "3", "--hypervisor", "kvm", "--disk-templates", "sharedfile",
        "-H", "kvm:kvm_flag=disabled,kernel_path=,migration_bandwidth=2,migration_downtime=1")
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
                "memory=4M", "-n", "node2", "--no-start", "--no-nics", "--no-name-check",
                "--no-ip-check", NAME)
    (disk,) = [path for path in (cluster.root / "shared").rglob("*") if path.is_file()]
    with disk.open("r+b") as file:
        file.write(SWEEPS.ljust(510, b"\0") + b"\x55\xaa")
    cluster.gnt("gnt-instance", "start", NAME)
    mover = Mover(cluster)
    # Before that it may still be in its firmware, which leaves its memory in peace.
    mover.hear(b"d")
    return mover


def state(mover):
    return (mover.cluster.instances("pnode", "status"),
            {node: len(pids) for node, pids in mover.qemus().items()})


def test_a_migration_that_would_never_end_is_given_up_with_the_reason(restless):
    for _ in range(ATTEMPTS):
        home = restless.home
        job = restless.migrate()
        if restless.await_end(job) == "error":
            break
    else:
        pytest.fail(restless.log(job))
    log = restless.log(job)
    assert "the guest still writes to it" in log
    assert "* memory transfer progress: " in log
    assert "MiB/s" in log
    wait_until(lambda: state(restless) == ([[f"{home}.example.com", "running"]], {home: 1}),
               "one guest at home", LONG)


def test_it_moves_when_its_memory_may_follow_on_demand(restless):
    other = restless.other
    restless.cluster.gnt("gnt-instance", "modify", "-H", "migration_caps=postcopy-ram", NAME)
    job = restless.migrate()
    assert restless.await_end(job) == "success", restless.log(job)
    assert f"* handing the guest over to {other}" in restless.log(job)
    wait_until(lambda: state(restless) == ([[f"{other}.example.com", "running"]], {other: 1}),
               "one guest there", LONG)
    restless.cluster.gnt("gnt-instance", "modify", "-H", "migration_caps=default", NAME)


def socket_of(restless, node):
    """The guest's QEMU on a node; the other socket is the node daemon's."""
    (found,) = (restless.cluster.root / node).glob(f"**/{NAME}/query")
    return Qmp.connect(found, LONG)


def on(restless, node, question):
    with socket_of(restless, node) as qmp:
        return qmp.execute(question)["status"]


@pytest.mark.torture
def test_a_connection_that_is_cut_halfway_is_mended(restless):
    """Its memory is on two nodes when the connection breaks.

    On a busy machine the guest may run there, and have all of it, before the test can cut.
    """
    home, other = restless.home, restless.other
    restless.cluster.gnt("gnt-instance", "modify", "-H", "migration_caps=postcopy-ram", NAME)
    daemon = running_pid(restless.cluster.root / other / "var/run/ganeti/ganeti-noded.pid")
    job = restless.migrate()
    restless.await_line(job, "* handing the guest over")
    # It is ordered to run there once it was handed over, and asks for what it needs at once then.
    os.kill(daemon, signal.SIGSTOP)
    try:
        for node in (home, other):
            wait_until(lambda node=node: on(restless, node, "query-migrate") == "postcopy-active",
                       "it is handed over", LONG)
        assert on(restless, other, "query-status") != "running"
        with socket_of(restless, home) as qmp:
            qmp.execute("yank", {"instances": [{"type": "migration"}]})
        # The target may notice it when it is asked for the rest only.
        wait_until(lambda: on(restless, home, "query-migrate") == "postcopy-paused",
                   "the cut is noticed", LONG)
    finally:
        os.kill(daemon, signal.SIGCONT)
    assert restless.await_end(job) == "success", restless.log(job)
    assert "joining them again" in restless.log(job)
    assert f"* all memory of {NAME} is on {other}" in restless.log(job)
    wait_until(lambda: state(restless) == ([[f"{other}.example.com", "running"]], {other: 1}),
               "one guest there", LONG)
    assert restless.cluster.gnt("gnt-node", "list-debts").lines[1:] == []
    restless.hear(b"d")
    restless.cluster.gnt("gnt-instance", "modify", "-H", "migration_caps=default", NAME)
    restless.cluster.verify()


def test_it_moves_when_it_may_be_stopped(restless):
    other = restless.other
    job = restless.migrate("--non-live")
    assert restless.await_end(job) == "success", restless.log(job)
    assert state(restless) == ([[f"{other}.example.com", "running"]], {other: 1})
