"""Clients that wait for a job: a record each, woken by the change, never polling."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time

import pytest
from one_master import NO_OP, delay

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
    change = master.client.wait_for_job_change(job, ["status"], previous, None, wait=30.0)
    assert change[0] == ["running"]
    assert time.monotonic() - began < 25


def test_without_a_change_the_wait_ends_in_time(master):
    job = master.submit(delay())
    master.wait(job, "running")
    assert master.client.wait_for_job_change(
        job, ["status"], ["running"], None, wait=0.1) == [["running"], []]
