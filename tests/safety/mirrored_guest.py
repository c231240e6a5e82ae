"""A guest on a mirrored disk on a virtual cluster of four nodes, and what can happen to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import ganeti_os_definitions
from block_ledger import missing
from breakable import BreakableDisk
from safety_rounds import DISK, GUEST, NAME, OPERATIONS, POWER, Fault, Guest
from virtual_cluster import VirtualCluster

from ganeti_core.daemons.vcluster.layout import Layout

MASTER, *NODES = ("node1", "node2", "node3", "node4")
"""The master has no disks: its loss is another matter."""
_TABLE = f"safety{os.getpid()}"


class MirroredGuest(Guest):
    """The instance, and the disks of its nodes, which can break."""

    operations = tuple(OPERATIONS)

    def __init__(self, cluster: VirtualCluster, home: Path) -> None:
        super().__init__()
        self.cluster = cluster
        self._known_port = 0
        self._disks = {node: BreakableDisk(home / node, self._storage(node)) for node in NODES}
        self.faults = {
            "node daemon": Fault(
                lambda node: self._stop("--kill", node, "noded"), self._bring_back),
            "master": Fault(
                lambda node: self._stop("--kill", MASTER, "masterd"), self._bring_back),
            "keeper": Fault(lambda node: self._kill(node, "keeper")),
            "storage daemon": Fault(lambda node: self._kill(node, "store")),
            "front": Fault(lambda node: self._kill(node, "front")),
            POWER: Fault(lambda node: self._stop("--crash", node), self._boot),
            "cable": Fault(self._cut_cable, lambda node: self.join_cables()),
            DISK: Fault(lambda node: self._disks[node].break_down()),
        }

    def install(self) -> None:
        """Give each node a disk of its own, and make the instance."""
        for node in (MASTER, *NODES):
            definition = self.cluster.paths(node).root / "srv/ganeti/os/ledger"
            shutil.copytree(ganeti_os_definitions.FOLDER / "tiny", definition)
            shutil.copy(GUEST, definition / "boot-sector.b64")
        for disk in self._disks.values():
            disk.plug_in()
        self.cluster.gnt("gnt-cluster", "modify", "--enabled-disk-templates=file,mirror",
                         "--ipolicy-disk-templates=file,mirror")
        self.cluster.gnt("gnt-instance", "add", "-t", "mirror", "-s", "4M", "-o", "ledger", "-B",
                         "memory=16M", "-n", "node2:node3", "--no-nics", "--no-name-check",
                         "--no-ip-check", NAME)
        assert self._port()

    def remove(self) -> None:
        self.join_cables()
        for disk in self._disks.values():
            disk.unplug()

    def run(self, *words: str) -> tuple[int, str]:
        ran = self.cluster.try_(*words)
        return ran.status, ran.stdout + ran.stderr

    def lost(self, node: str, numbers: Sequence[int]) -> list[int]:
        [copy] = self._storage(node).rglob("*.disk0")
        return missing(copy.read_bytes(), numbers)

    def third(self) -> str:
        [third] = set(NODES) - set(self.nodes)
        return third

    def renew_disk(self, node: str) -> None:
        if self.nodes[0] == node:
            self.does("gnt-instance", "failover", "-f", NAME)
        self._disks[node].unplug()
        self._disks[node].plug_in()
        if node in self.nodes:
            self.tries("gnt-instance", "replace-disks", "-s", NAME)

    # What can be lost

    def _storage(self, node: str) -> Path:
        return self.cluster.paths(node).root / "srv/ganeti/file-storage"

    def _stop(self, *words: str) -> None:
        self.cluster.tool("stop", *words)

    def _bring_back(self, node: str) -> None:
        self.cluster.bring_back()

    def _boot(self, node: str) -> None:
        self._disks[node].mount_again()
        self.cluster.bring_back()

    def _kill(self, node: str, part: str) -> None:
        """Kill processes of the disk on a node: those whose name begins so."""
        wanted = f'["{self.cluster.paths(node).plugin_state}/disk_templates/mirror'.encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (process / "environ").read_bytes()
                if wanted in environment and f'"{part}-'.encode() in environment:
                    os.kill(int(process.name), signal.SIGKILL)

    def _cut_cable(self, node: str) -> None:
        """Let nothing through to the keeper of the disk on a node, nor back."""
        address = next(one.address for one in Layout.load(self.cluster.root).nodes
                       if one.name.startswith(f"{node}."))
        port = self._port()
        _nft(f"add table ip {_TABLE}", f"flush table ip {_TABLE}",
             f"add chain ip {_TABLE} out {{ type filter hook output priority 0; }}",
             f"add rule ip {_TABLE} out ip daddr {address} tcp dport {port} drop",
             f"add rule ip {_TABLE} out ip saddr {address} tcp sport {port} drop")

    def join_cables(self) -> None:
        _nft(f"add table ip {_TABLE}", f"delete table ip {_TABLE}")

    def _port(self) -> int:
        """Return the port of the keepers; while a disk is closed, the one that it had."""
        for order in self.cluster.root.glob("node*/var/run/ganeti/plugins/*/mirror/*/wanted.json"):
            with suppress(OSError, ValueError):
                self._known_port = int(json.loads(order.read_text())["port"])
        return self._known_port


def _nft(*lines: str) -> None:
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True,
                   capture_output=True)
