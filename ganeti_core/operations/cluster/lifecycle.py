"""``OP_CLUSTER_POST_INIT``, ``_DESTROY``, ``_REDIST_CONF``: the cluster's beginning and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.cluster import ClusterDestroy, ClusterPostInit, ClusterRedistConf
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.master_ip import master_ip_call
from ganeti_core.operations.scripts import Scripts, run_after, texts
from ganeti_core.operations.ssconf import distribute

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext


class PostInit(Operation[ClusterPostInit, None]):
    """The first job of a cluster."""

    opcode = ClusterPostInit

    def plan(self, op: ClusterPostInit, ctx: OpContext) -> None:
        return

    def scripts(self, op: ClusterPostInit, ctx: OpContext, plan: None) -> Scripts:
        return _scripts(ctx, "cluster-init")

    def run(self, op: ClusterPostInit, ctx: OpContext, plan: None) -> bool:
        distribute(ctx)
        return True


class RedistConf(Operation[ClusterRedistConf, None]):
    """Send the configuration's files to all nodes again."""

    opcode = ClusterRedistConf

    def locks(self, op: ClusterRedistConf, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, ALL, exclusive=False))

    def plan(self, op: ClusterRedistConf, ctx: OpContext) -> None:
        return

    def run(self, op: ClusterRedistConf, ctx: OpContext, plan: None) -> None:
        distribute(ctx, ctx.current.nodes.values())


class Destroy(Operation[ClusterDestroy, None]):
    """Check that nothing would be lost, and take the cluster's address off its last node; the
    command then removes the files."""

    opcode = ClusterDestroy

    def plan(self, op: ClusterDestroy, ctx: OpContext) -> None:
        nodes = len(ctx.snapshot.nodes)
        if nodes != 1:
            raise OpPrereqError(f"There are still {nodes - 1} node(s) in this cluster", ECODE_INVAL)
        instances = len(ctx.snapshot.instances)
        if instances:
            raise OpPrereqError(f"There are still {instances} instance(s) in this cluster",
                                ECODE_INVAL)

    def run(self, op: ClusterDestroy, ctx: OpContext, plan: None) -> str:
        # At once, for they may need the cluster's address.
        scripts = _scripts(ctx, "cluster-destroy")
        run_after(ctx, op, scripts, lambda: scripts)
        for debt in ctx.services.all_debts():
            ctx.warn(f"given up with the cluster, and may still be there: {debt.note} "
                     f"({debt.why})")
        try:
            ctx.call(ctx.snapshot.master, master_ip_call(ctx.snapshot.cluster, "stop"))
        except GanetiError as exc:
            ctx.warn(f"Error disabling the master IP address: {exc.message}")
        return ctx.snapshot.cluster.master_node


def _scripts(ctx: OpContext, name: str) -> Scripts:
    """Those of a cluster's beginning and end run on its master, and cannot refuse it."""
    cluster = ctx.current.cluster
    return Scripts(name, "CLUSTER", texts(op_target=cluster.name), after=(cluster.master_node,),
                   on_master=False)


OPERATIONS = (PostInit(), RedistConf(), Destroy())
