"""A master's parts that allocators' documents are made of, and nodes that say what a test wants.

Only the connections and the database are no real ones: nodes answer from memory, and what is
committed is there at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ganeti_core.config.reservations import Reservations
from ganeti_core.config.store import Change, Put, Store
from ganeti_core.errors import GanetiError, NodeUnreachable
from ganeti_core.model import Cluster, Node, NodeGroup
from ganeti_core.operations.master_hooks import MasterHooks
from ganeti_core.operations.node_drivers import NodeDrivers
from ganeti_core.operations.placement.document import Request, cluster_document
from ganeti_core.operations.placement.instance_documents import InstanceDocuments
from ganeti_core.operations.placement.node_documents import NodeDocuments
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.data import HostFacts, RunningInstance, StorageSpace
from ganeti_core.plugin_settings import settings_of
from ganeti_core.plugins import PluginHost
from ganeti_core.query.live_rpc import FRESH_SECONDS, LiveNodes
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import Call
from ganeti_core.rpc.client import Peer


class Memory:
    """Stands in for the journal of a store: nothing is there before, and all is kept at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.on_failure: Callable[[], None] = lambda: None

    def rows(self, _table: str) -> list[Any]:
        return []

    def meta(self) -> dict[str, str]:
        return {}

    def submit(self, _writes: Any, done: Callable[[BaseException | None], None]) -> None:
        done(None)


@dataclass
class Host:
    """What one node says.

    :param missing: drivers (kind and name) that it has not
    :param life: how often its daemon was started
    """

    facts: dict[str, HostFacts] = field(default_factory=dict)
    guests: list[RunningInstance] = field(default_factory=list)
    spaces: dict[str, list[StorageSpace]] = field(default_factory=dict)
    silent: bool = False
    missing: set[tuple[str, str]] = field(default_factory=set)
    life: int = 0

    def says(self, kind: str, driver: str, hook: str) -> Any:
        """:raises GanetiError: it has no such driver"""
        if (kind, driver) in self.missing:
            raise GanetiError(f"no {driver}")
        match hook:
            case "host_facts":
                return self.facts.get(driver, HostFacts(65536, 60000, 1024, 16))
            case "running":
                return self.guests
            case "space":
                return self.spaces.get(driver, [])
        raise AssertionError(hook)


@dataclass
class Connections:
    """Stands in for the connections to nodes."""

    host: PluginHost
    hosts: dict[str, Host] = field(default_factory=dict)

    def fan_out(
        self, calls: Mapping[Any, tuple[Peer, Call]], *, owner: str = ""
    ) -> dict[Any, Any]:
        return {key: self._answer(self.hosts[peer.uuid], call)
                for key, (peer, call) in calls.items()}

    def losses(self, peers: Iterable[str]) -> dict[str, int]:
        return {uuid: self.hosts[uuid].life for uuid in peers}

    def _answer(self, host: Host, call: Call) -> Any:
        if host.silent:
            return NodeUnreachable("nobody answers")
        if call.service == "node.facts":
            return self._has(host)
        return [_envelope(partial(host.says, hook["kind"], hook["driver"], hook["hook"]))
                for hook in call.args["hooks"]]

    def _has(self, host: Host) -> dict[str, Any]:
        kinds: dict[str, dict[str, Any]] = {}
        for kind in KINDS.values():
            for name in self.host.names(kind):
                if (kind.name, name) not in host.missing:
                    described = self.host.describe(kind, name)
                    kinds.setdefault(kind.name, {})[name] = {
                        "api": described.api_version, "state_version": described.state_version}
        return {"kinds": kinds, "plugins": [], "version": "1", "boot_id": "b",
                "apis": {kind.name: kind.api for kind in KINDS.values()}}


def _envelope(answer: Callable[[], Any]) -> Any:
    try:
        return wire.success(codec.encode(answer()))
    except GanetiError as exc:
        return wire.failure(exc)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class SmallCluster:
    """The parts of a master, with nodes in two groups.

    :param host: with the drivers of this test; others may change them meanwhile
    """

    def __init__(self, host: PluginHost, nodes: int = 4) -> None:
        self.host = host
        self.clock = Clock()
        self.connections = Connections(host)
        self.store = Store(cast(Any, Memory()))
        self.reservations = Reservations(lambda: self.store.snapshot)
        self.settings = partial(settings_of, host)
        self.on_master = MasterHooks(
            host, Path("/nonexistent"), Path("/nonexistent"),
            lambda: self.settings(self.store.snapshot))
        self.live = self._live()
        self.drivers = self._drivers(self.live)
        self.instances, self.nodes = InstanceDocuments(host), NodeDocuments()
        made = [self.node(number) for number in range(nodes)]
        self.store.commit([
            Put(Cluster(uuid="c", name="cluster.example.com", master_node=made[0].uuid,
                        enabled_hypervisors=("fake",), enabled_disk_templates=("file", "diskless"),
                        default_iallocator="hail")),
            Put(NodeGroup(uuid="g0", name="default")), Put(NodeGroup(uuid="g1", name="other")),
            *map(Put, made)])

    def node(self, number: int) -> Node:
        """A node that is not in the configuration yet; it answers already."""
        found = Node(uuid=f"n{number}", name=f"node{number}.example.com", group=f"g{number % 2}",
                     primary_ip=f"192.0.2.{number + 1}")
        self.connections.hosts[found.uuid] = Host(spaces={
            "file": [StorageSpace("/srv", 100000, 60000)]})
        return found

    def _live(self) -> LiveNodes:
        return LiveNodes(cast(Any, self.connections),
                         lambda: self.settings(self.store.snapshot), self.clock)

    def _drivers(self, live: LiveNodes) -> NodeDrivers:
        return NodeDrivers(live, self.host, self.connections.losses, live.touched)

    def commit(self, *changes: Change) -> None:
        self.store.commit(changes)

    def later(self) -> None:
        """So much later that what nodes said is not used any more."""
        self.clock.now += FRESH_SECONDS * 2

    def document(self, request: Request, owner: str, chosen: frozenset[str] | None) -> Any:
        """Return the document as the master makes it with what it has kept; or its error."""
        return self._made(request, owner, chosen, SimpleNamespace(
            live=self.live, drivers=self.drivers, instance_documents=self.instances,
            node_documents=self.nodes))

    def afresh(self, request: Request, owner: str, chosen: frozenset[str] | None) -> Any:
        """The same with nothing kept but what drivers nodes had when they answered last."""
        live = self._live()
        drivers = self._drivers(live)
        drivers._known = dict(self.drivers._known)
        return self._made(request, owner, chosen, SimpleNamespace(
            live=live, drivers=drivers, instance_documents=InstanceDocuments(self.host),
            node_documents=NodeDocuments()))

    def _made(
        self, request: Request, owner: str, chosen: frozenset[str] | None, kept: SimpleNamespace
    ) -> Any:
        kept.reservations, kept.settings = self.reservations, self.settings
        kept.host, kept.on_master = self.host, self.on_master
        ctx = SimpleNamespace(
            services=kept, owner=owner, host=self.host, on_master=self.on_master, chosen=chosen,
            current=self.store.snapshot)
        try:
            return cluster_document(cast(Any, ctx), request)
        except GanetiError as exc:
            return str(exc)


def text(document: Any) -> str:
    """The document as it is sent, to be compared byte for byte."""
    return json.dumps(document)
