"""A small cluster on loopback: an authority, identities, servers that live as long as a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from member_lists import write_members

from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.bounds import Limits
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.server import RpcServer
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of
from ganeti_core.rpc.wire import success

LIMITS = Limits()


def echo(caller, request):
    return success({"args": request.args, "service": request.service, "epoch": request.epoch,
                    "caller": caller.node_uuid, "subject": request.subject})


@dataclass
class Cluster:
    """Makes nodes (file trees with certificates), servers and clients."""

    folder: Path
    name: str = "cluster.example.com"
    _closing: list[Callable[[], None]] = field(default_factory=list)
    _count: int = 0

    def node(self, uuid: str) -> Paths:
        paths = Paths(self.folder / self.name / uuid)
        paths.make_directories()
        authority = Paths(self.folder / self.name / "authority")
        if not authority.ca_key.exists():
            authority.make_directories()
            certs.create_authority(authority, self.name)
        paths.ca_key.write_bytes(authority.ca_key.read_bytes())
        paths.ca_certificate.write_bytes(authority.ca_certificate.read_bytes())
        certs.issue_local(paths, uuid, f"{uuid}.example.com")
        paths.ca_key.unlink()
        return paths

    def server(self, paths: Paths, *, candidates: list[Paths], nodes: Sequence[Paths] = (),
               handler: Any = echo,
               limits: Limits = LIMITS, address: tuple[str, int] = ("127.0.0.1", 0),
               **options: Any) -> RpcServer:
        write_members(paths, map(fingerprint, candidates), map(fingerprint, nodes))
        server = RpcServer(TlsIdentity.of(paths), Members.of(paths), handler,
                           address=address, limits=limits, **options)
        server.start()
        self._closing.append(lambda: server.stop(grace=1.0))
        return server

    def client(self, paths: Paths, epoch: int = 1) -> NodeClients:
        clients = NodeClients(TlsIdentity.of(paths), lambda: epoch)
        self._closing.append(clients.close)
        return clients

    def close(self) -> None:
        for close in reversed(self._closing):
            close()


def fingerprint(paths: Paths) -> str:
    return fingerprint_of(paths.node_certificate)


def peer_of(server: RpcServer, paths: Paths, address: str = "127.0.0.1") -> Peer:
    return Peer(paths.root.name, f"{paths.root.name}.example.com", address, server.port,
                fingerprint(paths))


@dataclass
class Pair:
    """A master and the node that it asks."""

    cluster: Cluster
    master: Paths
    node: Paths
    server: RpcServer
    clients: NodeClients

    @property
    def peer(self) -> Peer:
        return peer_of(self.server, self.node)

    def answers(self) -> bool:
        """Whether the server still serves a good caller, over a new connection."""
        fresh = self.cluster.client(self.master)
        return fresh.call(self.peer, service_call("node.ping"))["service"] == "node.ping"
