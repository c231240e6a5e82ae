"""``OP_CLUSTER_ACTIVATE_MASTER_IP`` and ``_DEACTIVATE_MASTER_IP``: the cluster's own address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import GanetiError
from ganeti_core.opcodes.cluster import ClusterActivateMasterIp, ClusterDeactivateMasterIp
from ganeti_core.operations.base import Operation
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.model import Cluster
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


def master_ip_call(cluster: Cluster, action: Literal["start", "stop"]) -> Call:
    """The call that puts the cluster's address on a node, or takes it off."""
    arguments: dict[str, Any] = {
        "action": action, "ip": cluster.master_ip, "netdev": cluster.master_netdev,
        "netmask": cluster.master_netmask, "external": cluster.use_external_mip_script}
    return service_call("node.master_ip", arguments, subject=cluster.uuid)


def move_master_ip(ctx: OpContext, before: Cluster) -> None:
    """After a change of the cluster: take the address off as it was, put it on as it is now."""
    after = ctx.current.cluster
    if master_ip_call(before, "start") == master_ip_call(after, "start"):
        return
    for call in (master_ip_call(before, "stop"), master_ip_call(after, "start")):
        try:
            ctx.call(ctx.current.master, call)
        except GanetiError as exc:
            ctx.warn(exc.message)


class Activate(Operation[ClusterActivateMasterIp, None]):
    """Put the address on the master."""

    opcode = ClusterActivateMasterIp

    def plan(self, op: ClusterActivateMasterIp, ctx: OpContext) -> None:
        return

    def run(self, op: ClusterActivateMasterIp, ctx: OpContext, plan: None) -> None:
        ctx.call(ctx.snapshot.master, master_ip_call(ctx.snapshot.cluster, "start"))


class Deactivate(Operation[ClusterDeactivateMasterIp, None]):
    """Take the address off the master."""

    opcode = ClusterDeactivateMasterIp

    def plan(self, op: ClusterDeactivateMasterIp, ctx: OpContext) -> None:
        return

    def run(self, op: ClusterDeactivateMasterIp, ctx: OpContext, plan: None) -> None:
        ctx.call(ctx.snapshot.master, master_ip_call(ctx.snapshot.cluster, "stop"))


OPERATIONS = (Activate(), Deactivate())
