"""How many requests the remote API serves, what one costs, and how much memory it takes.

``python benchmarks/bench_rapi.py [--instances N] [--clients N] [--seconds S]``: a virtual cluster
of one node with that many instances, and clients that ask over kept TLS connections as fast as they
are answered. The clients run on the same machine: the processor time of the daemons says more than
the rate where others work on it, too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.pid_file import running_pid

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.paths import Paths

PORT = 5080
TICKS = os.sysconf("SC_CLK_TCK")
AUTHORIZED = "Authorization: Basic cnc6cndzZWNyZXQ="


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def command(*words: str) -> None:
    program = Path(sysconfig.get_path("scripts")) / words[0]
    subprocess.run([str(program), *words[1:]], check=True, stdout=subprocess.DEVNULL)


def fill(paths: Paths, count: int) -> None:
    """Make stopped instances without disks."""
    with LuxiClient(paths.master_socket) as luxi:
        jobs = [[{
            "OP_ID": "OP_INSTANCE_CREATE", "instance_name": f"inst{i}.example.com",
            "mode": "create", "disk_template": "diskless", "disks": [], "nics": [{}],
            "os_type": "noop", "pnode": "node1.example.com", "name_check": False,
            "ip_check": False, "start": False, "no_install": True, "reason": []}]
            for i in range(count)]
        for _, job in luxi.submit_many_jobs(jobs):
            last = job
        while luxi.query_jobs([last], ["status"])[0][0] not in ("success", "error"):
            time.sleep(0.2)
        while len(luxi.query_instances([], ["name"])) < count:
            time.sleep(0.2)


class Client:
    """A connection that sends one request again and again."""

    def __init__(self, address: str, path: str) -> None:
        plain = socket.create_connection((address, PORT), timeout=60)
        self.sock = context().wrap_socket(plain)
        self.request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{AUTHORIZED}\r\n\r\n".encode()

    def ask(self) -> int:
        """Send it; return the size of the body."""
        self.sock.sendall(self.request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1 << 16)
        head, _, body = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        left = size - len(body)
        while left:
            left -= len(self.sock.recv(1 << 18))
        return size


def spent(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """MiB that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def measure(address: str, path: str, clients: int, seconds: float, pids: list[int]) -> None:
    """Print rate, and processor time per request of the daemons."""
    ready = [Client(address, path) for _ in range(clients)]
    size = ready[0].ask()
    counts = [0] * clients
    until = time.monotonic() + seconds
    before = [spent(pid) for pid in pids]

    def work(number: int) -> None:
        while time.monotonic() < until:
            ready[number].ask()
            counts[number] += 1

    began = time.monotonic()
    _together([lambda number=number: work(number) for number in range(clients)])
    taken, done = time.monotonic() - began, sum(counts)
    cost = ", ".join(f"{(spent(pid) - was) / done * 1000:.2f}" for pid, was in zip(
        pids, before, strict=True))
    print(f"{path:24} {size:8} bytes, {clients} clients: {done / taken:7.0f} requests a second; "
          f"processor ms a request (rapi, master): {cost}", flush=True)


def _together(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def slow_clients(address: str, count: int, pid: int) -> None:
    """Print the memory while so many clients take nothing of a long response."""
    links = []
    for _ in range(count):
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(60)
        plain.connect((address, PORT))
        link = context().wrap_socket(plain)
        link.sendall(
            f"GET /2/instances?bulk=1 HTTP/1.1\r\nHost: x\r\n{AUTHORIZED}\r\n\r\n".encode())
        links.append(link)
    other = Client(address, "/version")
    most = longest = 0.0
    until = time.monotonic() + 5
    while time.monotonic() < until:
        began = time.monotonic()
        other.ask()
        longest = max(longest, time.monotonic() - began)
        most = max(most, memory(pid))
        time.sleep(0.01)
    print(f"{count} clients that take nothing: {most:.0f} MiB at most; another one waits "
          f"{longest * 1000:.0f} ms at most", flush=True)
    for link in links:
        link.close()


def events(address: str, paths: Paths, count: int) -> None:
    """Print how long after a job was accepted the stream of events has it."""
    plain = socket.create_connection((address, PORT), timeout=60)
    late = []
    with context().wrap_socket(plain) as link, LuxiClient(paths.master_socket) as luxi:
        link.sendall(f"GET /2/events HTTP/1.1\r\nHost: x\r\n{AUTHORIZED}\r\n"
                     "Accept: text/event-stream\r\n\r\n".encode())
        came = link.recv(1 << 16)
        time.sleep(0.5)  # until the master is asked for what comes next
        for _ in range(count):
            job = luxi.submit_job([{"OP_ID": "OP_TEST_DELAY", "duration": 1e-6, "on_master": True,
                                    "on_nodes": [], "reason": []}])
            accepted = time.monotonic()
            while f'"id": {job},'.encode() not in came:
                came += link.recv(1 << 16)
            late.append((time.monotonic() - accepted) * 1000)
    print(f"events of {count} jobs came {statistics.median(late):.1f} ms after the job was"
          f" accepted (median), {max(late):.1f} ms (most)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-rapi-")) / "c"
    command("gnt-vcluster", "up", "--root", str(root), "--nodes", "1", "--hypervisor", "fake",
            "--disk-templates", "diskless", "--with", "rapi")
    try:
        run(root, options)
    finally:
        command("gnt-vcluster", "down", "--root", str(root))
        shutil.rmtree(root.parent)


def run(root: Path, options: argparse.Namespace) -> None:
    layout = Layout.load(root)
    paths = layout.master.paths
    paths.rapi_users.parent.mkdir(exist_ok=True)
    paths.rapi_users.write_text("rw rwsecret write\n")
    pids = [running_pid(paths.daemon_pid(name)) or 0 for name in ("ganeti-rapi", "ganeti-masterd")]
    print(f"idle: {memory(pids[0]):.0f} MiB", flush=True)
    fill(paths, options.instances)
    time.sleep(1.2)  # until the users are known
    for path in ("/version", "/2/info", "/2/nodes?bulk=1", "/2/instances?bulk=1"):
        measure(layout.address, path, options.clients, options.seconds, pids)
    events(layout.address, paths, 100)
    slow_clients(layout.address, 200, pids[0])


if __name__ == "__main__":
    sys.exit(main())
