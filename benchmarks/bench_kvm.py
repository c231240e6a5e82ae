"""Measure guests of QEMU end to end: creation and start, and how long a live migration stops one.

Prints one table: what, best, median, worst, target. Guests are emulated, so that the figures mean
the same on every machine. Run it alone: ``python benchmarks/bench_kvm.py [--rounds N]``.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(sysconfig.get_path("scripts"))
NAME = "bench.example.com"
BARE = ("--no-nics", "--no-name-check", "--no-ip-check")
LONG = 60.0
# Says "x" about once a millisecond:
#   again: mov dx,0x3f8; mov al,'x'; out dx,al; xor cx,cx
#   pause: loop pause; jmp again
SAYS_X = bytes.fromhex("baf803 b078 ee 31c9 e2fe ebf4")


@dataclass(frozen=True)
class Nodes:
    """A virtual cluster with the tiny guest's template on a storage that all nodes share."""

    root: Path

    def tool(self, *words: str) -> None:
        subprocess.run([PROGRAMS / "gnt-vcluster", words[0], "--root", self.root, *words[1:]],
                       check=True, stdout=subprocess.DEVNULL)

    def gnt(self, *words: str) -> str:
        environment = {**os.environ, "GANETI_ROOT": str(self.root / "node1")}
        return subprocess.run([PROGRAMS / words[0], *words[1:]], check=True, env=environment,
                              stdout=subprocess.PIPE, text=True).stdout


def consoles_of(root: Path) -> list[Path]:
    """The serial consoles of the guest, on whatever nodes it has one."""
    return list(root.glob(f"node*/**/{NAME}/serial"))


def listen(path: Path) -> socket.socket:
    """Connect to a console, whose path may be too long for an address."""
    connection = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return connection


def create(nodes: Nodes, *, then_remove: bool = True) -> float:
    """Seconds from the command's start until it says that the guest runs."""
    began = time.monotonic()
    nodes.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
              "memory=16M", "-n", "node1", *BARE, NAME)
    took = time.monotonic() - began
    if then_remove:
        nodes.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", NAME)
    return took


def standstill(nodes: Nodes, target: str) -> float:
    """Seconds between the last that the guest says on one node and the first on the other."""
    (source,) = consoles_of(nodes.root)
    watch, last, first = selectors.DefaultSelector(), 0.0, 0.0
    watch.register(listen(source), selectors.EVENT_READ, "source")
    environment = {**os.environ, "GANETI_ROOT": str(nodes.root / "node1")}
    with subprocess.Popen([PROGRAMS / "gnt-instance", "migrate", "-f", "-n", target, NAME],
                          env=environment, stdout=subprocess.DEVNULL):
        deadline, found = time.monotonic() + LONG, False
        while not first and time.monotonic() < deadline:
            if not found and (new := [path for path in consoles_of(nodes.root)
                                      if path != source]):
                try:
                    watch.register(listen(new[0]), selectors.EVENT_READ, "target")
                    found = True
                except OSError:
                    pass  # it does not listen yet
            for key, _ in watch.select(0.002):
                said = key.fileobj.recv(65536)  # type: ignore[union-attr]  # they are sockets
                if not said:
                    watch.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
                elif key.data == "source":
                    last = time.monotonic()
                else:
                    first = time.monotonic()
    for key in list(watch.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    if not (first and last):
        raise SystemExit("the guest was not heard on both sides")
    return first - last


def row(what: str, seconds: list[float], target: str) -> None:
    print(f"{what:44} {min(seconds):7.3f} {statistics.median(seconds):7.3f} {max(seconds):7.3f}"
          f"   {target}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    nodes = Nodes(folder / "c")
    nodes.tool("up", "--nodes", "3", "--hypervisor", "kvm", "--disk-templates", "sharedfile",
               "-H", "kvm:kvm_flag=disabled,kernel_path=")
    try:
        print(f"{'seconds':44} {'best':>7} {'median':>7} {'worst':>7}   target")
        create(nodes)  # what starts once is warm by then
        row("create and start the tiny guest", [create(nodes) for _ in range(options.rounds)],
            "1.2 (0.7)")
        create(nodes, then_remove=False)
        nodes.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
        (disk,) = [path for path in (nodes.root / "shared").rglob("*") if path.is_file()]
        with disk.open("r+b") as file:
            file.write(SAYS_X.ljust(510, b"\0") + b"\x55\xaa")
        began = time.monotonic()
        nodes.gnt("gnt-instance", "startup", NAME)
        row("start it again", [time.monotonic() - began], "")
        time.sleep(2.0)
        row("standstill of a live migration",
            [standstill(nodes, f"node{2 - number % 2}") for number in range(2 * options.rounds)],
            "0.050")
    finally:
        nodes.tool("down")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
