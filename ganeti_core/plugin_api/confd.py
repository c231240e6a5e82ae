"""What a hook on any node may know of the configuration: by asking the confds of the cluster.

They answer without the master, from the copies of the master candidates, and say nothing of
private parameters. For hooks of the master there is `ctx.query`, which knows more.
"""

from __future__ import annotations

from typing import Any

from ganeti_core.confd_client.client import ConfdClient, NoAnswer
from ganeti_core.confd_client.messages import NODE_INSTANCES, NODE_MINORS
from ganeti_core.paths import Paths

from .context import HookContext

__all__ = ["NoAnswer", "node_instances", "node_minors"]

SECONDS = 3.0


def node_instances(ctx: HookContext) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the instances whose primary node this is, and those whose secondary node it is.

    Each is as in Ganeti's ``config.data``: ``name``, ``uuid``, ``admin_state``, ``hypervisor`` ...

    :raises NoAnswer: no confd has answered
    :raises GanetiError: this node is of no cluster, or the cluster does not know it
    """
    primary, secondary = _client(ctx).value(NODE_INSTANCES, ctx.node)
    return primary, secondary


def node_minors(ctx: HookContext) -> list[tuple[int, str, str, str, str]]:
    """Return the minors of this node, where disks that two nodes hold have one.

    Each with the instance's name, the disk (``disk/0``), this node's role (``primary`` or
    ``secondary``) and the name of the other node.

    :raises NoAnswer: no confd has answered
    :raises GanetiError: this node is of no cluster, or the cluster does not know it
    """
    return [(minor, instance, disk, role, peer)
            for _, minor, instance, disk, role, peer in _client(ctx).value(NODE_MINORS, ctx.node)]


def _client(ctx: HookContext) -> ConfdClient:
    client = ConfdClient.of(Paths(ctx.root))
    client.seconds = SECONDS
    return client
