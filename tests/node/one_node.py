"""A node daemon on loopback that is its own master, in the test's process or as a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from member_lists import write_members
from moody import Moody

from ganeti_core.daemons.noded import Noded
from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.local_node import LocalNode
from ganeti_core.paths import Paths
from ganeti_core.pid_file import running_pid
from ganeti_core.plugin_api.data import InstanceSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc import certs
from ganeti_core.rpc.calls import Call, hook_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of

UUID = "11111111-2222-3333-4444-555555555555"
NAME = "node1.example.com"


def make_node(root: Path, port: int = 0) -> Paths:
    """The files of a host that is the only node of a cluster."""
    paths = Paths(root)
    paths.make_directories()
    certs.create_authority(paths, "cluster.example.com")
    fingerprint = certs.issue_local(paths, UUID, NAME)
    write_members(paths, [fingerprint])
    certs.write_node_identity(paths, UUID, NAME, "127.0.0.1", port)
    return paths


def start_call(name: str, subject: str = "", **options: Any) -> Call:
    """Start the instance `name`: what happens then, the moody hypervisor decides by the name."""
    return hook_call(HYPERVISORS, "moody", "start", subject=subject, **options,
                     instance=InstanceSpec(str(uuid.uuid4()), name, "moody"), paused=False)


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def eventually(question: Any, seconds: float = 60.0) -> bool:
    """Ask until the answer is yes."""
    until = time.monotonic() + seconds
    while not question():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@dataclass
class OneNode:
    """The node in the test's own process."""

    paths: Paths
    noded: Noded
    clients: NodeClients

    @classmethod
    def begin(cls, root: Path, epoch: int = 1, host: PluginHost | None = None) -> OneNode:
        """Start it; where it has been before, it comes back with what it had."""
        paths = Paths(root) if Paths(root).node_key.exists() else make_node(root)
        if host is None:
            host = PluginHost()
            for name in ("moody", "placid"):
                host.add(HYPERVISORS, name, Moody())
        local = LocalNode(NodeIdentity.load(paths), paths)
        with warnings.catch_warnings():
            # Newer Pythons warn of the test runner's own threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            forks = ForkServer.fork(local, host)
        noded = Noded.build(local, host, forks, ("127.0.0.1", 0))
        noded.start()
        noded.settled(10)
        return cls(paths, noded, NodeClients(TlsIdentity.of(paths), lambda: epoch))

    @property
    def root(self) -> Path:
        return self.paths.root

    @property
    def peer(self) -> Peer:
        return Peer(UUID, NAME, "127.0.0.1", self.noded.server.port,
                    fingerprint_of(self.paths.node_certificate))

    def call(self, call: Call, **options: Any) -> Any:
        return self.clients.call(self.peer, call, **options)

    def start(self, name: str, subject: str = "", **options: Any) -> Any:
        return self.call(start_call(name, subject, **options))

    def mark(self, name: str, seconds: float = 60.0) -> str:
        """What the hook wrote into its mark."""
        file = self.root / f"mark-{name}"
        assert eventually(file.exists, seconds), f"{file} did not appear"
        return file.read_text()

    def end(self) -> None:
        (self.root / "go").touch()
        self.clients.close()
        self.noded.stop()


@dataclass
class NodeProgram:
    """The node as ``ganeti-noded``."""

    paths: Paths
    port: int
    environment: dict[str, str]

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ganeti_core.daemons.noded", *words], env=self.environment,
            input=stdin, capture_output=True, text=True, timeout=120, check=False)

    @property
    def pid_file(self) -> Path:
        return self.paths.daemon_pid("ganeti-noded")

    @property
    def pid(self) -> int:
        if (found := running_pid(self.pid_file)) is None:
            raise ValueError(f"no daemon holds {self.pid_file}")
        return found

    @property
    def log(self) -> str:
        return (self.paths.log / "node-daemon.log").read_text()

    @property
    def peer(self) -> Peer:
        return Peer(UUID, NAME, "127.0.0.1", self.port,
                    fingerprint_of(self.paths.node_certificate))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        try:
            pid = self.pid
            os.kill(pid, number)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
        assert eventually(lambda: not alive(pid))
