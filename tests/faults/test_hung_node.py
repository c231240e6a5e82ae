"""A node daemon that is alive and silent: nobody waits for it who does not have to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from virtual_cluster import VirtualCluster, virtual_cluster, wait_until

from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.pid_file import running_pid

CLIENTS = 40
PROMPT = 4.0
"""Seconds; a connection to the silent node is given up after five."""
DELAY = {"OP_ID": "OP_TEST_DELAY", "duration": 60.0, "on_master": True, "on_nodes": []}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    with virtual_cluster(tmp_path_factory.mktemp("hung") / "c", "--nodes", "3") as made:
        # A candidate that hangs would be waited for once, by the commit that finds it out.
        made.gnt("gnt-node", "modify", "--master-candidate=no", "--force", "node3")
        yield made


@contextmanager
def silent(cluster: VirtualCluster, node: str) -> Iterator[None]:
    pid = running_pid(cluster.paths(node).daemon_pid("ganeti-noded"))
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Asking(threading.Thread):
    """A client that asks for what only the nodes know, again and again."""

    def __init__(self, cluster: VirtualCluster, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._path = cluster.paths().master_socket
        self._over = stop

    def run(self) -> None:
        with LuxiClient(self._path, timeout=120.0) as client:
            while not self._over.is_set():
                client.query("node", ["name", "mfree"], None)


@contextmanager
def asked_by_many(cluster: VirtualCluster) -> Iterator[None]:
    stop = threading.Event()
    threads = [Asking(cluster, stop) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def test_changes_do_not_wait_behind_questions_to_a_silent_node(cluster) -> None:
    with asked_by_many(cluster), silent(cluster, "node3"), cluster.luxi() as client:
        time.sleep(1.0)  # until all have asked; if some have not, the test is easier
        # The best of several: other tests share the machine.
        assert min(_changes(client) for _ in range(3)) < PROMPT


def _changes(client: LuxiClient) -> float:
    """Change this and that; return the seconds that it took."""
    job = client.submit_job([DELAY])
    began = time.monotonic()
    assert client.set_drain_flag(True)
    assert client.set_drain_flag(False)
    assert client.change_job_priority(job, -5)[0]
    assert client.query_jobs([job], ["id"]) == [[job]]
    assert client.query("job", ["status"], ["=", "id", job])["data"]
    client.set_watcher_pause(None)
    assert client.cancel_job(job, kill=True)[0]
    return time.monotonic() - began


def test_jobs_wait_for_a_silent_node_once(cluster) -> None:
    def tag(number: int) -> list[str]:
        job = client.submit_job([{"OP_ID": "OP_TAGS_SET", "kind": "cluster", "name": None,
                                  "tags": [f"t{number}"]}])
        wait_until(lambda: client.query_jobs([job], ["status"]) == [["success"]],
                   f"tag {number}", 60.0)
        [[log]] = client.query_jobs([job], ["oplog"])
        return [entry[3] for entry in log[0]]

    with cluster.luxi() as client:
        with silent(cluster, "node3"):
            for number in (1, 2):
                tag(number)  # these wait until it is known to be silent
            took = []
            for number in (3, 4, 5):
                began = time.monotonic()
                told = tag(number)
                assert any("could not send" in line and "node3" in line for line in told)
                took.append(time.monotonic() - began)
            assert min(took) < PROMPT
        # It gets what it missed when it answers again.
        wait_until(lambda: "t5" in next(cluster.paths("node3").data.rglob(
            "ssconf_cluster_tags")).read_text().split(), "the files of node3", 60.0)
        wait_until(lambda: not any("could not send" in line for line in tag(6)),
                   "node3 is known to answer", 60.0, pause=0.5)


def test_the_master_ends_promptly_whatever_it_is_asked(cluster) -> None:
    pid = running_pid(cluster.paths().daemon_pid("ganeti-masterd"))
    assert pid is not None
    with ExitStack() as opened, silent(cluster, "node3"):
        clients = [opened.enter_context(LuxiClient(cluster.paths().master_socket))
                   for _ in range(8)]
        threads = [threading.Thread(target=_ask_much, args=(client, number), daemon=True)
                   for number, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)  # they are under way; else the test is easier
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: running_pid(cluster.paths().daemon_pid("ganeti-masterd")) is None,
                   "the master ends", 15.0)
    for thread in threads:
        thread.join(30)
    cluster.bring_back()


def _ask_much(client: LuxiClient, number: int) -> None:
    with suppress(GanetiError):  # the master goes away
        if number % 2:
            client.query_jobs(list(range(1, 150_000)), ["id", "status", "ops"])
        else:
            client.query("node", ["name", "mfree"], None)
