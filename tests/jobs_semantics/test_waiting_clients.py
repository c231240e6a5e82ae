"""Clients that wait for a job: a record each, woken by the change, never polling."""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from one_master import NO_OP, delay

from ganeti_core.cli.waiting import follow
from ganeti_core.daemons.vcluster.building import _await
from ganeti_core.daemons.watcher.repairs import Repair, _ended
from ganeti_core.errors import GanetiError
from ganeti_core.jobs.job import RUNNING, Job, OpState
from ganeti_core.jobs.waiters import Waiters
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_plugins.iallocator_hail.tools.submission import wait_for

CLIENTS = 1000
END = b"\x03"


def request(method: str, *args) -> bytes:
    return json.dumps({"method": method, "args": list(args)}).encode() + END


def connect(master) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(master.paths.master_socket))
    return sock


def answers(clients: list[socket.socket], seconds: float) -> tuple[list[dict], list[float]]:
    """What all clients are told, and when."""
    told, times = [], []
    with selectors.DefaultSelector() as selector:
        for sock in clients:
            selector.register(sock, selectors.EVENT_READ, bytearray())
        until = time.monotonic() + seconds
        while len(told) < len(clients) and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.extend(key.fileobj.recv(65536))
                if key.data.endswith(END):
                    told.append(json.loads(key.data[:-1]))
                    times.append(time.monotonic())
                    selector.unregister(key.fileobj)
    return told, times


def test_times_that_a_client_was_told_are_no_change() -> None:
    async def run() -> tuple[bool, list[Any]]:
        job = Job(5, [OpState(None, {}, 0, RUNNING, start=(7, 8))], (1, 2))
        waiters = Waiters()
        known = json.loads(json.dumps([job.received, [job.ops[0].start], {"at": job.received}]))
        waiting = asyncio.create_task(waiters.wait(
            job, lambda: [job.received, [job.ops[0].start], {"at": job.received}], known, 0, 60))
        for _ in range(10):
            await asyncio.sleep(0)
        early = waiting.done()
        job.ops[0].start = (9, 9)
        waiters.wake(job)
        return early, (await waiting)[0]

    assert asyncio.run(run()) == (False, [(1, 2), [(9, 9)], {"at": (1, 2)}])


def at_rest() -> bool:
    """Whether this process leaves the processor alone for half a second."""
    began, used = time.monotonic(), time.process_time()
    time.sleep(0.5)
    return time.process_time() - used < 0.25 * (time.monotonic() - began)


def test_a_thousand_clients_wait_without_polling_and_all_wake(master):
    job = master.submit(delay())
    master.wait(job, "running")
    clients = [connect(master) for _ in range(CLIENTS)]
    try:
        for sock in clients:
            sock.sendall(request("WaitForJobChange", job, ["status"], ["running"], 0, 60))
        master.until(lambda: sum(map(len, master.daemon.engine.waiters._waiting.values()))
                     == CLIENTS, "all clients wait")
        master.settle()
        # What the requests have begun may take a while; who polls never rests.
        assert any(at_rest() for _ in range(20)), "somebody polls"
        threading.Thread(target=master.client.cancel_job, args=(job,)).start()
        told, _ = answers(clients, 20)
    finally:
        for sock in clients:
            sock.close()
    assert len(told) == CLIENTS
    assert all(answer["success"] for answer in told)
    master.until(lambda: not master.daemon.engine.waiters._waiting, "nobody is remembered")


def test_a_client_that_goes_away_is_forgotten(master):
    job = master.submit(delay())
    master.wait(job, "running")
    sock = connect(master)
    sock.sendall(request("WaitForJobChange", job, ["status"], ["running"], 0, 60))
    master.until(lambda: master.daemon.engine.waiters._waiting, "it waits")
    sock.close()
    master.cancel_all()
    master.until(lambda: not master.daemon.engine.waiters._waiting, "it is forgotten")
    assert master.wait(master.submit(NO_OP)) == "success"


def tell_something(engine, job):
    engine.queue.jobs[job].ops[0].log.append((99, (0, 0), "message", "x"))
    engine.waiters.wake(engine.queue.jobs[job])


def test_a_change_wakes_within_a_few_milliseconds(master):
    """The median of many, from the change to the client's having its answer."""
    spent = []
    for _ in range(20):
        job = master.submit(delay())
        master.wait(job, "running")
        sock = connect(master)
        sock.sendall(request("WaitForJobChange", job, ["status"], ["running"], 0, 60))
        master.until(lambda: master.daemon.engine.waiters._waiting, "it waits")
        began = time.monotonic()
        master.loop.call_soon_threadsafe(tell_something, master.daemon.engine, job)
        assert sock.recv(65536)
        spent.append(time.monotonic() - began)
        sock.close()
        master.cancel_all()
    # Nobody looks only now and then: how quick it is, benchmarks measure.
    assert sorted(spent)[10] < 1


@pytest.mark.parametrize("previous", [None, ["queued"]])
def test_who_knows_an_old_state_is_answered_at_once(master, previous):
    job = master.submit(delay())
    master.wait(job, "running")
    began = time.monotonic()
    seen = JobSeen(["status"], previous)
    master.client.wait_for_job_change(job, seen, wait=30.0)
    assert seen.values == ["running"]
    assert time.monotonic() - began < 25


def test_without_a_change_the_wait_ends_in_time(master):
    job = master.submit(delay())
    master.wait(job, "running")
    seen = JobSeen(["status"], ["running"])
    assert master.client.wait_for_job_change(job, seen, wait=0.1) == []
    assert seen.values == ["running"]


FOLLOWERS = {
    "gnt-job watch": lambda client, job: follow(client, job, feedback=False),
    "watcher": lambda client, job: _ended(
        client, Repair("a", "a repair", {}), job, time.monotonic() + 600),
    "gnt-vcluster": _await,
    "hbal": wait_for,
}


@pytest.mark.parametrize("follower", FOLLOWERS.values(), ids=FOLLOWERS.keys())
def test_who_follows_a_job_with_a_log_does_not_ask_without_a_pause(master, follower):
    class Counting(LuxiClient):
        asked = 0

        def call(self, *words, **more):
            self.asked += 1
            return super().call(*words, **more)

    job = master.submit(delay())
    master.wait(job, "running")
    master.loop.call_soon_threadsafe(tell_something, master.daemon.engine, job)
    with Counting(master.paths.master_socket) as client:
        following = threading.Thread(target=_until_canceled, args=(follower, client, job))
        following.start()
        master.until(lambda: client.asked, "it asks")
        assert any(at_rest() for _ in range(20)), "it asks without a pause"
        master.client.cancel_job(job)
        following.join(60)
    assert not following.is_alive()
    assert client.asked < 20


def _until_canceled(follower, client, job):
    with suppress(GanetiError):
        follower(client, job)


def test_what_is_seen_is_told_to_the_master():
    seen = JobSeen(["status"])
    assert seen.take([["running"], [[3, [0, 0], "message", "a"], [7, [0, 0], "message", "b"]]]) == [
        [3, [0, 0], "message", "a"], [7, [0, 0], "message", "b"]]
    assert (seen.values, seen.serial) == (["running"], 7)
    assert seen.take("nochange") == []
    assert seen.take([["success"], None]) == []
    assert (seen.values, seen.serial) == (["success"], 7)
