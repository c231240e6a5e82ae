"""How long an administrator waits: a node is evacuated, a large cluster is verified.

``python benchmarks/bench_life.py [--quick]``: virtual clusters with pretended guests. All daemons
of all nodes run on this machine, so beside the time it is told how much processor time they took,
and how busy the machine was with whatever runs there.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sysconfig
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.luxi.client import LuxiClient

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL = Path(sysconfig.get_path("scripts")) / "gnt-vcluster"
TIMES = 3
FLOORS = {"evacuate": (5.0, 2.5), "verify": (6.0, 3.0)}
"""Seconds: what it may take, and what is aimed at."""


TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, order=True)
class Took:
    """Seconds that something took; processor seconds of the cluster and of the command; the load of
    the machine when it began."""

    seconds: float
    cpu: float
    load: float


@contextmanager
def cluster(nodes: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-life") as folder:
        root = Path(folder) / "c"
        tool("up", "--root", str(root), "--nodes", str(nodes), "--hypervisor", "fake")
        try:
            yield root
        finally:
            tool("down", "--root", str(root))


def tool(*words: str) -> None:
    subprocess.run([str(TOOL), *words], check=True, stdout=subprocess.DEVNULL)


def on_master(root: Path, *words: str) -> Took:
    """Run a command on the master; return what it took."""
    load, before, began = os.getloadavg()[0], _cpu(root), time.monotonic()
    subprocess.run([str(TOOL), "exec", "--root", str(root), "master", "--", *words],
                   stdout=subprocess.DEVNULL, check=True)
    return Took(time.monotonic() - began, _cpu(root) - before, load)


def _cpu(root: Path) -> float:
    """Processor seconds so far of the cluster's processes, those included that they have waited
    for, and of the commands that were run here."""
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = mine.ru_utime + mine.ru_stime
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            files = [os.readlink(link) for link in (process / "fd").iterdir()]
            if int(process.name) != os.getpid() and any(
                    name.startswith(f"{root}/") for name in files):
                fields = (process / "stat").read_text().rpartition(") ")[2].split()
                total += sum(map(int, fields[11:15])) / TICKS
    return total


def creation(name: str, node: str, *, start: bool) -> list[dict[str, Any]]:
    return [{"OP_ID": "OP_INSTANCE_CREATE", "instance_name": name, "mode": "create",
             "disk_template": "diskless", "disks": [], "nics": [], "os_type": "noop",
             "pnode": node, "name_check": False, "ip_check": False, "start": start,
             "no_install": True, "beparams": {"memory": 32}, "reason": []}]


def fill(root: Path, jobs: list[list[dict[str, Any]]]) -> None:
    with LuxiClient(Layout.load(root).master.paths.master_socket) as luxi:
        ids = [job for _, job in luxi.submit_many_jobs(jobs)]
        for job in ids:
            while luxi.query_jobs([job], ["status"])[0][0] not in ("success", "error"):
                time.sleep(0.02)


def evacuate(guests: int) -> list[Took]:
    """Move all guests away from a node; the allocator chooses where to."""
    took = []
    for _ in range(TIMES):
        with cluster(4) as root:
            # This machine's few processors are those of every node.
            on_master(root, "gnt-cluster", "modify", "--ipolicy-vcpu-ratio", "1000")
            fill(root, [creation(f"g{n}.example.com", "node1.example.com", start=True)
                        for n in range(guests)])
            took.append(on_master(
                root, "gnt-node", "evacuate", "-f", "-p", "-I", "hail", "node1"))
    return took


def verify(nodes: int, instances: int) -> list[Took]:
    with cluster(nodes) as root:
        fill(root, [creation(f"v{n}.example.com", f"node{n % nodes + 1}.example.com", start=True)
                    for n in range(instances)])
        return [on_master(root, "gnt-cluster", "verify") for _ in range(TIMES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small clusters")
    quick = parser.parse_args().quick
    guests, nodes, instances = (10, 5, 50) if quick else (50, 50, 1000)
    for name, what, took in (
            ("evacuate", f"evacuate a node with {guests} guests", evacuate(guests)),
            ("verify", f"verify {nodes} nodes, {instances} instances", verify(nodes, instances))):
        floor, target = FLOORS[name]
        middle = sorted(took)[len(took) // 2]
        print(f"{what}: {middle.seconds:.2f} s median of {len(took)} ({min(took).seconds:.2f} to "
              f"{max(took).seconds:.2f}); may take {floor:g} [{target:g}]; {middle.cpu:.1f} s of "
              f"processors, load {middle.load:.1f}")


if __name__ == "__main__":
    main()
