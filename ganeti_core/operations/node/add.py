"""``OP_NODE_ADD``: a host that was enrolled becomes a node, or a node comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_STATE,
    GanetiError,
    NodeUnreachable,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model import Node
from ganeti_core.model.names import host_name
from ganeti_core.opcodes.node import NodeAdd
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.host_names import check_host_is_free
from ganeti_core.operations.inherited import changed_disk_state, changed_hv_state, changed_ndparams
from ganeti_core.operations.node.addresses import check_address, check_reachable, check_unused
from ganeti_core.operations.node.hosts_file import hosts_file_calls
from ganeti_core.operations.node.roles import check_vm_capable
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import candidates_of, distribute
from ganeti_core.resolve import resolve
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import NodeGroup
    from ganeti_core.operations.context import OpContext



@dataclass(frozen=True)
class AddPlan:
    """The node as it will be; `comes_back`: it was one before."""

    node: Node
    comes_back: bool


class Add(Operation[NodeAdd, AddPlan]):
    """Add a node."""

    opcode = NodeAdd

    def locks(self, op: NodeAdd, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, ALL))

    def plan(self, op: NodeAdd, ctx: OpContext) -> AddPlan:
        known = ctx.snapshot.find("node", op.node_name)
        if op.readd and known is None:
            raise OpPrereqError(f"Node {op.node_name} is not in the configuration", ECODE_NOENT)
        if not op.readd and known is not None:
            raise OpPrereqError(f"Node {known.name} is already in the configuration", ECODE_EXISTS)
        if known is not None:
            _check_comes_back(op, ctx, known)
        for address in (op.primary_ip, op.secondary_ip):
            if address is not None:
                check_address(address)
        given = known.name if known else host_name(op.node_name)
        host = resolve(ctx.services.paths, given)
        if known is None:
            check_host_is_free(ctx, host_name(host.name))
        group = ctx.snapshot.group(op.group) if op.group else _default_group(ctx.snapshot)
        found = known or Node(uuid="", name=host_name(host.name), group=group.uuid,
                              primary_ip=host.address)
        node = _asked(ctx, replace(
            found, primary_ip=op.primary_ip or host.address,
            secondary_ip=op.secondary_ip or found.secondary_ip or host.address))
        if known is None:
            _check_new(ctx, node)
        _check_home(ctx, node)
        node = replace(
            node, offline=False, drained=False,
            master_capable=node.master_capable if op.master_capable is None else op.master_capable,
            vm_capable=node.vm_capable if op.vm_capable is None else op.vm_capable,
            ndparams=changed_ndparams(node.ndparams, op.ndparams or {}),
            hv_state_static=changed_hv_state(ctx.host, node.hv_state_static, op.hv_state),
            disk_state_static=changed_disk_state(
                ctx.host, node.disk_state_static, op.disk_state))
        others = [n for n in candidates_of(ctx.snapshot) if n.uuid != node.uuid]
        room = len(others) < ctx.snapshot.cluster.candidate_pool_size
        return AddPlan(
            replace(node, master_candidate=node.master_capable and room), known is not None)

    def scripts(self, op: NodeAdd, ctx: OpContext, plan: AddPlan) -> Scripts:
        node = plan.node
        others = tuple(uuid for uuid in ctx.snapshot.nodes if uuid != node.uuid)
        return Scripts("node-add", "NODE", texts(
            op_target=node.name, node_name=node.name, node_pip=node.primary_ip,
            node_sip=node.secondary_ip, master_capable=node.master_capable,
            vm_capable=node.vm_capable), before=others, after=(*others, node.uuid))

    def run(self, op: NodeAdd, ctx: OpContext, plan: AddPlan) -> None:
        if plan.comes_back:
            ctx.info("Readding a node, the offline/drained flags were reset")
        if plan.node.master_candidate:
            ctx.info("Node will be a master candidate")
        ctx.commit([Put(plan.node)], forward=hosts_file_calls(ctx, plan.node, there=True))
        distribute(ctx, [plan.node])
        ctx.services.events.tell("node_added", name=plan.node.name, uuid=plan.node.uuid)


def _check_comes_back(op: NodeAdd, ctx: OpContext, node: Node) -> None:
    """:raises OpPrereqError: the node cannot come back, or not so"""
    if op.group:
        raise OpPrereqError("Cannot pass a node group when a node is being readded: "
                            "gnt-group assign-nodes moves it", ECODE_INVAL)
    if node.uuid == ctx.snapshot.cluster.master_node:
        raise OpPrereqError(f"Cannot readd the master node {node.name}", ECODE_STATE)
    if op.vm_capable is False:
        check_vm_capable(ctx.snapshot, node)


def _check_new(ctx: OpContext, node: Node) -> None:
    """See that the host is no node yet: one host may have several names.

    :raises OpPrereqError: it is one (`ECODE_EXISTS`)
    """
    known = ctx.snapshot.nodes.get(node.uuid)
    if known is not None:
        raise OpPrereqError(
            f"The host {node.name} ({node.primary_ip}) is the node {known.name} already",
            ECODE_EXISTS)


def _check_home(ctx: OpContext, node: Node) -> None:
    """:raises OpPrereqError: it has an address of another node, or, unlike the master, one or two
    """
    for address in {node.primary_ip, node.secondary_ip}:
        check_unused(ctx, node, address)
    master = ctx.snapshot.master
    alone = node.secondary_ip == node.primary_ip
    if alone and master.secondary_ip not in ("", master.primary_ip):
        raise OpPrereqError("The master has a secondary ip but the new node doesn't have one",
                            ECODE_INVAL)
    if not alone and master.secondary_ip in ("", master.primary_ip):
        raise OpPrereqError("The master has no secondary ip but the new node has one", ECODE_INVAL)
    if not alone:
        check_reachable(ctx, node, node.secondary_ip)


def _default_group(snapshot: Snapshot) -> NodeGroup:
    groups = sorted(snapshot.groups.values(), key=lambda group: group.ctime)
    return next((group for group in groups if group.name == "default"), groups[0])


def _asked(ctx: OpContext, node: Node) -> Node:
    """The node with what its daemon says of itself: uuid, port, certificate.

    :raises OpPrereqError: no daemon with a certificate of this cluster answers there
    """
    peer = Peer(node.uuid, node.name, node.primary_ip, node.port, "")
    try:
        facts = ctx.services.nodes.call(peer, service_call("node.facts"))
    except GanetiError as exc:
        raise OpPrereqError(
            f"The node daemon of {node.name} ({node.primary_ip}:{node.port}) cannot be asked: "
            f"{exc}; enrol the host first (gnt-node add does it by ssh)", ECODE_ENVIRON) from exc
    if node.uuid and facts["uuid"] != node.uuid:
        raise OpPrereqError(
            f"{node.name} says that it is the node {facts['uuid']}, not {node.uuid}",
            ECODE_ENVIRON)
    uuid = str(facts["uuid"])
    try:
        # What it shows counts, not what it says: whoever has this certificate will be a node.
        shown = ctx.services.nodes.fingerprint(replace(peer, uuid=uuid))
    except NodeUnreachable as exc:
        raise OpPrereqError(f"The certificate of {node.name} cannot be checked: {exc}",
                            ECODE_ENVIRON) from exc
    return replace(node, uuid=uuid, fingerprint=shown)


OPERATIONS = (Add(),)
