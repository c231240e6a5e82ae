"""The way to a running guest's console, for whoever relays it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.query.live import ConsoleRequest, LiveSource, running
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import Peer
from ganeti_core.specs.instances import instance_spec

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.plugin_api.data import Console
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.client import NodeClients

RELAYED = ("unix", "serial", "vnc", "spice")
"""Kinds of consoles that are a socket or a device. A command is none of them: whoever relayed one
would let its users act as root of the node, and they may be clients of the remote API only."""


@dataclass(frozen=True)
class Consoles:
    """Opens consoles of instances.

    :param owner: whose calls these are, see `NodeClients.call`
    """

    nodes: NodeClients
    live: LiveSource
    host: PluginHost
    owner: str

    def open(self, snapshot: Snapshot, name: str) -> dict[str, Any]:
        """Have an instance's node open its console to one caller.

        :returns: ``instance``, ``uuid`` and ``kind``, and how its node is reached for it:
            ``address``, ``port`` and ``token``
        :raises OpPrereqError: there is no such instance, it does not run, or its console is no
            socket
        :raises GanetiError: the node could not do it
        """
        instance = snapshot.instance(name)
        node = snapshot.nodes[instance.primary_node]
        self._check_runs(instance, node)
        console = self._console(snapshot, instance, node)
        if console.kind not in RELAYED:
            raise OpPrereqError(
                f"The console of the instance {instance.name} cannot be relayed: {_why(console)}",
                ECODE_INVAL)
        offer = self.nodes.call(Peer.of(node), service_call("console.open", {
            "path": console.path, "host": console.host or node.primary_ip,
            "port": console.port or 0}), owner=self.owner)
        kind = "serial" if console.kind in ("unix", "serial") else console.kind
        return {"instance": instance.name, "uuid": instance.uuid, "kind": kind, **offer}

    def _check_runs(self, instance: Instance, node: Node) -> None:
        """:raises OpPrereqError: it does not run on its node, or nobody knows"""
        asked = running(instance.hypervisor)
        found = self.live.gather([node], frozenset({asked}))[node.uuid]
        if isinstance(found, GanetiError):
            raise found
        if instance.name not in found.guests:
            raise OpPrereqError(
                f"The instance {instance.name} does not run on its node {node.name}: it has no "
                "console now", ECODE_STATE)

    def _console(self, snapshot: Snapshot, instance: Instance, node: Node) -> Console:
        spec = instance_spec(snapshot, self.host, instance, snapshot.disks_of(instance))
        found = self.live.consoles([ConsoleRequest(spec, node)])[instance.uuid]
        if isinstance(found, GanetiError):
            raise found
        return found


def _why(console: Console) -> str:
    """Why a console is not relayed."""
    if console.kind == "ssh":
        return (f"it is a command that root runs on {console.host or 'its node'}"
                f" ({' '.join(console.command)}), not a socket or a device: gnt-instance console"
                " runs it, for those who may log in there")
    return console.message or f"it is of the kind {console.kind}"
