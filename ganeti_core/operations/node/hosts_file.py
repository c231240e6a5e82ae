"""Entries of nodes in the hosts file of the master, where the cluster keeps it up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed


def hosts_file_calls(ctx: OpContext, node: Node, *, there: bool) -> list[Owed]:
    """The call that names a node in the master's hosts file, or takes its names out.

    :param there: whether it is a node from now on
    """
    if not ctx.current.cluster.modify_etc_hosts:
        return []
    call = service_call(
        "node.hosts_file", {"name": node.name, "address": node.primary_ip if there else ""},
        subject=f"hosts file: {node.name}")
    what = "name" if there else "no longer name"
    return [(ctx.current.master, call, f"{what} {node.name} in /etc/hosts")]
