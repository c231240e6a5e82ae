"""``OP_CLUSTER_RENAME``: give the cluster another name, and the address that it resolves to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ganeti_core.config.store import Edit
from ganeti_core.errors import ECODE_INVAL, ECODE_NOTUNIQUE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.names import host_name
from ganeti_core.opcodes.cluster import ClusterRename
from ganeti_core.operations.base import CLUSTER_SETTINGS, Operation, request
from ganeti_core.operations.cluster.master_ip import move_master_ip
from ganeti_core.operations.host_names import check_host_is_free
from ganeti_core.operations.node.addresses import is_answered
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute
from ganeti_core.resolve import resolve_alike
from ganeti_core.rpc.identity import DEFAULT_PORT

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class RenamePlan:
    """The new name and its address."""

    name: str
    address: str


class Rename(Operation[ClusterRename, RenamePlan]):
    """Rename the cluster."""

    opcode = ClusterRename

    def locks(self, op: ClusterRename, snapshot: Snapshot) -> LockRequest:
        return request(op, CLUSTER_SETTINGS)

    def plan(self, op: ClusterRename, ctx: OpContext) -> RenamePlan:
        host = resolve_alike(ctx.services.paths, host_name(op.name))
        cluster = ctx.snapshot.cluster
        if host.name != cluster.name:
            check_host_is_free(ctx, host_name(host.name))
        if (host.name, host.address) == (cluster.name, cluster.master_ip):
            raise OpPrereqError("Neither the name nor the IP address of the cluster has changed",
                                ECODE_INVAL)
        if host.address != cluster.master_ip:
            _check_address_is_free(ctx, host.address)
        return RenamePlan(host.name, host.address)

    def scripts(self, op: ClusterRename, ctx: OpContext, plan: RenamePlan) -> Scripts:
        own = texts(op_target=ctx.current.cluster.name, new_name=plan.name)
        return Scripts("cluster-rename", "CLUSTER", own, after=tuple(ctx.current.nodes))

    def run(self, op: ClusterRename, ctx: OpContext, plan: RenamePlan) -> str:
        before = ctx.current.cluster
        # Only these are ours: the drain flag and the like change without this lock.
        ctx.commit([Edit(before, {"name": plan.name, "master_ip": plan.address})], plan.name)
        distribute(ctx)
        move_master_ip(ctx, before)
        return plan.name


def _check_address_is_free(ctx: OpContext, address: str) -> None:
    """See that nobody has the address that the master is going to take.

    :raises OpPrereqError: a node or another host has it (`ECODE_NOTUNIQUE`)
    """
    for node in ctx.snapshot.nodes.values():
        if address in (node.primary_ip, node.secondary_ip):
            raise OpPrereqError(f"The given cluster IP address ({address}) is that of node "
                                f"{node.name}", ECODE_NOTUNIQUE)
    # Every loopback address is everywhere, and answers.
    if not ipaddress.ip_address(address).is_loopback and is_answered(address, DEFAULT_PORT):
        raise OpPrereqError(f"The given cluster IP address ({address}) is reachable on the network:"
                            " another host has it", ECODE_NOTUNIQUE)


OPERATIONS = (Rename(),)
