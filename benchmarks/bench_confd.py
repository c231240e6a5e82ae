"""How many questions a confd answers in a second, and how long one takes.

``python benchmarks/bench_confd.py [--instances N]``: the service alone, and the loop of the daemon
over a loopback socket, with one client that waits for each answer, and with many questions on
their way. The configuration is made up; nothing runs beside it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/confd"))

from confd_cluster import INTERVALS, KEY, snapshot  # the tests' configuration

from ganeti_core.confd.answers import Answers
from ganeti_core.confd.service import Service
from ganeti_core.confd_client import messages
from ganeti_core.confd_client.messages import Choice, Request, write_request
from ganeti_core.daemons.confd import Confd

ON_THEIR_WAY = 32


def questions(count: int) -> list[bytes]:
    asked = [(messages.MASTER, Choice(fields=(0, 1, 2))), (messages.NODE_ROLE, "node2.example.com"),
             (messages.NODES, None), (messages.NODE_OF_ADDRESS, Choice(None, "198.51.100.2"))]
    return [write_request(KEY, Request(*asked[i % len(asked)], f"r{i}"), time.time())
            for i in range(count)]


def service(instances: int) -> Service:
    base = snapshot()
    one = base.instance("inst5.example.com")
    more = {f"u{i}": replace(one, uuid=f"u{i}", name=f"many{i}.example.com")
            for i in range(instances)}
    made = Service(KEY)
    made.use(Answers(replace(base, objects={
        **base.objects, "instance": {**base.instances, **more}}), INTERVALS))
    return made


def alone(count: int, instances: int) -> None:
    answering, datagrams = service(instances), questions(count)
    now = time.time()
    began = time.process_time()
    for datagram in datagrams:
        answering.reply(datagram, now)
    spent = time.process_time() - began
    print(f"service alone: {count / spent:,.0f} questions a second of one processor")


def with_sockets(count: int, instances: int) -> None:
    confd = Confd(SimpleNamespace(), ("127.0.0.1", 0), service(instances), None, {})  # type: ignore[arg-type]
    link = confd.open()
    child = os.fork()
    if child == 0:
        confd.serve(link, SimpleNamespace(supervisor=SimpleNamespace(interval=None)))  # type: ignore[arg-type]
        os._exit(0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(link.getsockname())
            client.settimeout(5)
            datagrams = questions(count)
            taken = []
            for datagram in datagrams:
                began = time.perf_counter()
                client.send(datagram)
                client.recv(65507)
                taken.append(time.perf_counter() - began)
            print(f"one after the other: median {statistics.median(taken) * 1000:.3f} ms, "
                  f"99% below {statistics.quantiles(taken, n=100)[98] * 1000:.3f} ms")
            began = time.perf_counter()
            for sent, datagram in enumerate(datagrams):
                client.send(datagram)
                if sent >= ON_THEIR_WAY:
                    client.recv(65507)
            for _ in range(min(ON_THEIR_WAY, count)):
                client.recv(65507)
            print(f"{ON_THEIR_WAY} on their way: {count / (time.perf_counter() - began):,.0f} "
                  "answers a second")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--instances", type=int, default=1000)
    options = parser.parse_args()
    alone(options.count, options.instances)
    with_sockets(options.count, options.instances)


if __name__ == "__main__":
    main()
