"""A cluster that is being made, as the checks of its settings see it: one node, which is this host.

The same functions check the settings of a cluster that runs (`operations.cluster.modify`).
"""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import ECODE_ENVIRON, ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.hooks import HookRequest, hook_envelope
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.plugin_settings import settings_of
from ganeti_core.resolve import why_not_own
from ganeti_core.rpc.calls import hook_call
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.wire import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.model import Cluster, Node
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.calls import Call


@dataclass(frozen=True)
class Draft:
    """Takes the place of an operation's context; hooks run in this process."""

    snapshot: Snapshot
    world: World
    say: Callable[[str], None]

    @classmethod
    def of(
        cls, paths: Paths, snapshot: Snapshot, host: PluginHost, say: Callable[[str], None]
    ) -> Draft:
        """:param host: loaded; without what the node's sources list"""
        node = snapshot.master
        host.refresh_sources(paths.root, settings_of(host, snapshot))
        identity = NodeIdentity(node.uuid, node.name, node.primary_ip, node.port)
        return cls(snapshot, World(LocalNode(identity, paths), host), say)

    def with_cluster(self, cluster: Cluster) -> Draft:
        """The same host in a cluster of these settings."""
        objects = {**self.snapshot.objects, "cluster": {cluster.uuid: cluster}}
        return replace(self, snapshot=Snapshot(objects=objects))

    @property
    def host(self) -> PluginHost:
        return self.world.host

    @property
    def settings(self) -> dict[str, Any]:
        return settings_of(self.host, self.snapshot)

    def info(self, message: str) -> None:
        self.say(f"INFO: {message}")

    def warn(self, message: str) -> None:
        self.say(f"WARNING: {message}")

    def hook(
        self, node: Node, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "",
        **arguments: Any,
    ) -> Any:
        del node
        return _run(self.world, self.hook_call(kind, driver, hook, subject=subject, **arguments))

    def hook_call(
        self, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "", **arguments: Any
    ) -> Call:
        return hook_call(kind, driver, hook, subject=subject, settings=self.settings, **arguments)

    def fan_out(
        self, nodes: Iterable[Node], make: Callable[[Node], Call]
    ) -> Mapping[str, Any | GanetiError]:
        answers: dict[str, Any | GanetiError] = {}
        for node in nodes:
            try:
                answers[node.uuid] = _run(self.world, make(node))
            except GanetiError as exc:
                answers[node.uuid] = exc
        return answers


def _run(world: World, call: Call) -> Any:
    return unwrap(hook_envelope(world, HookRequest.from_args(call.args)))


def check_device(name: str) -> None:
    """:raises OpPrereqError: this host has no such network device (`ECODE_INVAL`)"""
    there = [device for _, device in socket.if_nameindex()]
    if name not in there:
        raise OpPrereqError(f"Invalid master netdev ({name}): this host has no such network device"
                            f" (there are: {', '.join(there)})", ECODE_INVAL)


def check_own_address(address: str) -> None:
    """:raises OpPrereqError: it is not an address of this host (`ECODE_ENVIRON`)"""
    if why := why_not_own(address):
        raise OpPrereqError(f"You gave {address} as secondary IP, but it does not belong to this "
                            f"host: {why}", ECODE_ENVIRON)
