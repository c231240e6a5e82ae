"""A cluster with a mirrored disk: what its nodes have of it, and how parts of it are lost."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.config.ganeti_format import OWN_KEY
from ganeti_core.pid_file import is_held, running_pid
from ganeti_core.plugin_api import run_command

NAME = "pair.example.com"
NODES = ("node1", "node2", "node3")
NEW = ("-t", "mirror", "--no-install", "-o", "noop", "-B", "memory=64M", "--no-nics",
       "--no-name-check", "--no-ip-check")


@pytest.fixture(scope="module")
def mirror_cluster(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    made = make_cluster("--nodes", "3", "--hypervisor", "fake")
    made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file,mirror",
             "--ipolicy-disk-templates=diskless,file,mirror")
    return made


@pytest.fixture
def cluster(mirror_cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    yield mirror_cluster
    signal_master(mirror_cluster, signal.SIGCONT)
    for node in NODES:
        back(mirror_cluster, node)
    for (name,) in mirror_cluster.instances("name"):
        mirror_cluster.gnt("gnt-instance", "remove", "-f", name)
    for node in NODES:
        assert kept(mirror_cluster, node) == []
        assert mounts(mirror_cluster, node) == []
        assert files(mirror_cluster, node) == []


@pytest.fixture
def pair(cluster: VirtualCluster) -> VirtualCluster:
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "4M", "-n", "node2:node3", NAME)
    return cluster


def kept(cluster: VirtualCluster, node: str, part: str = "") -> list[int]:
    """The processes of disks on a node; `part`: those of that name only."""
    wanted = f'["{cluster.paths(node).plugin_state}/'.encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (process / "environ").read_bytes()
            if wanted in environment and f'"{part}'.encode() in environment:
                found.append(int(process.name))
    return found


def mounts(cluster: VirtualCluster, node: str) -> list[str]:
    return [place for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if (place := line.split()[4]).startswith(f"{cluster.paths(node).root}/")]


def files(cluster: VirtualCluster, node: str) -> list[str]:
    paths = cluster.paths(node)
    return [str(path) for folder in (
        paths.root / "srv/ganeti/file-storage", paths.plugin_keep("disk_templates", "mirror"))
        for path in folder.rglob("*") if path.is_file()]


def kill(cluster: VirtualCluster, node: str, part: str = "") -> None:
    for pid in kept(cluster, node, part):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: part or not kept(cluster, node), "they are gone", pause=0.2)


def power_off(cluster: VirtualCluster, node: str) -> None:
    """As when the power of a node fails: its daemons, guests and disks' processes are gone."""
    kill(cluster, node)
    for place in mounts(cluster, node):
        run_command(["umount", "-l", place], timeout=30)
    cluster.tool("stop", "--crash", node)


def back(cluster: VirtualCluster, node: str) -> None:
    cluster.tool("start")
    [[offline]] = cluster.table("gnt-node", "list", "-o", "offline", node)
    if offline == "Y":
        cluster.gnt("gnt-node", "modify", "--offline=no", node)


def device(cluster: VirtualCluster, node: str) -> Path:
    [found] = mounts(cluster, node)
    return Path(found)


def data(cluster: VirtualCluster, node: str) -> Path:
    """What the copy on a node lies in."""
    storage = cluster.paths(node).root / "srv/ganeti/file-storage"
    return next(storage.rglob("*.disk0"))


def write(cluster: VirtualCluster, node: str, text: bytes) -> None:
    with device(cluster, node).open("r+b") as disk:
        disk.write(text)


def nodes(cluster: VirtualCluster) -> list[str]:
    [row] = cluster.instances("pnode", "snodes")
    return [name.split(".")[0] for name in row]


def stale(cluster: VirtualCluster) -> list[str]:
    """The nodes of the one disk that the configuration knows to be left behind."""
    file = cluster.root / "exported.json"
    cluster.gnt("gnt-cluster", "export-config", "--all", str(file))
    document = json.loads(file.read_text())
    names = {uuid: node["name"].split(".")[0] for uuid, node in document["nodes"].items()}
    own = next((value for uuid in document["disks"]
                if (value := document[OWN_KEY].get(uuid, {})).get("stale")), {})
    return [names[uuid] for uuid in own.get("stale", ())]


def signal_master(cluster: VirtualCluster, number: int) -> None:
    """Let the master daemon stop in the middle of what it does, or go on, or end it."""
    signal_daemon(cluster, "node1", "ganeti-masterd", number)


def signal_daemon(cluster: VirtualCluster, node: str, name: str, number: int) -> None:
    pid = running_pid(cluster.paths(node).daemon_pid(name))
    assert pid is not None
    os.kill(pid, number)
    if number == signal.SIGKILL:
        # Who dies holds its pid file for a while: who starts it again would find that it runs.
        wait_until(lambda: not is_held(cluster.paths(node).daemon_pid(name)), "it has ended")


class Writer:
    """Writes growing numbers onto a disk, and knows which of them were acknowledged."""

    def __init__(self, disk: Path) -> None:
        self.acknowledged = 0
        self._disk = os.open(disk, os.O_RDWR | os.O_SYNC)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):
            while not self._over.is_set():
                number = self.acknowledged + 1
                os.pwrite(self._disk, b"%08d" % number, 0)
                self.acknowledged = number

    def stop(self) -> None:
        self._over.set()
        self._thread.join(60)
        with suppress(OSError):  # its disk may be gone
            os.close(self._disk)


def number_on(path: Path) -> int:
    with path.open("rb") as disk:
        return int(re.sub(rb"\D", b"", disk.read(8)) or b"0")
