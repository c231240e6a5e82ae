"""``OP_NETWORK_CONNECT`` and ``_DISCONNECT``: what a network means on the nodes of a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.ip_pool import Pool
from ganeti_core.opcodes.network import NetworkConnect, NetworkDisconnect
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.networking import checked_nicparams
from ganeti_core.operations.scripts import Scripts, texts

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Network, NodeGroup
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class ConnectPlan:
    """The group as it will be; `changes` is False when it is so already."""

    group: NodeGroup
    network: Network
    changes: bool


def _locks(
    op: NetworkConnect | NetworkDisconnect, snapshot: Snapshot
) -> LockRequest:
    # Instances: nobody may get a card on the network while it is connected elsewhere.
    return request(op, Want(Level.NETWORK, snapshot.network(op.network_name).uuid),
                   Want(Level.GROUP, snapshot.group(op.group_name).uuid),
                   Want(Level.INSTANCE, ALL, exclusive=False))


class Connect(Operation[NetworkConnect, ConnectPlan]):
    """Connect a network to a group."""

    opcode = NetworkConnect

    def locks(self, op: NetworkConnect, snapshot: Snapshot) -> LockRequest:
        return _locks(op, snapshot)

    def plan(self, op: NetworkConnect, ctx: OpContext) -> ConnectPlan:
        network = ctx.snapshot.network(op.network_name)
        group = ctx.snapshot.group(op.group_name)
        if op.network_mode == "pool":
            raise OpPrereqError("Invalid network mode 'pool'", ECODE_INVAL)
        if network.uuid in group.networks:
            ctx.warn(f"Network '{network.name}' is already mapped to group '{group.name}'")
            return ConnectPlan(group, network, changes=False)
        if op.conflicts_check:
            _check_conflicts(ctx, network, group)
        params = checked_nicparams(ctx.host, {
            "mode": op.network_mode, "link": op.network_link, "vlan": op.network_vlan})
        after = replace(group, networks={**group.networks, network.uuid: params})
        return ConnectPlan(after, network, changes=True)

    def scripts(self, op: NetworkConnect, ctx: OpContext, plan: ConnectPlan) -> Scripts:
        return _scripts(ctx, "network-connect", plan.group, plan.network)

    def run(self, op: NetworkConnect, ctx: OpContext, plan: ConnectPlan) -> None:
        if plan.changes:
            ctx.commit([Put(plan.group)])


class Disconnect(Operation[NetworkDisconnect, ConnectPlan]):
    """Disconnect a network from a group whose instances do not use it."""

    opcode = NetworkDisconnect

    def locks(self, op: NetworkDisconnect, snapshot: Snapshot) -> LockRequest:
        return _locks(op, snapshot)

    def plan(self, op: NetworkDisconnect, ctx: OpContext) -> ConnectPlan:
        network = ctx.snapshot.network(op.network_name)
        group = ctx.snapshot.group(op.group_name)
        if network.uuid not in group.networks:
            ctx.warn(f"Network '{network.name}' is not mapped to group '{group.name}'")
            return ConnectPlan(group, network, changes=False)
        users = sorted(
            instance.name for instance in ctx.snapshot.instances.values()
            if ctx.snapshot.nodes[instance.primary_node].group == group.uuid
            and any(nic.network == network.uuid for nic in instance.nics))
        if users:
            ctx.warn(f"Following instances use network '{network.name}': {', '.join(users)}")
            raise OpPrereqError("Conflict found, aborting", ECODE_STATE)
        left = {uuid: params for uuid, params in group.networks.items() if uuid != network.uuid}
        return ConnectPlan(replace(group, networks=left), network, changes=True)

    def scripts(self, op: NetworkDisconnect, ctx: OpContext, plan: ConnectPlan) -> Scripts:
        before = ctx.snapshot.groups[plan.group.uuid]
        return _scripts(ctx, "network-disconnect", before, plan.network)

    def run(self, op: NetworkDisconnect, ctx: OpContext, plan: ConnectPlan) -> None:
        if plan.changes:
            ctx.commit([Put(plan.group)])


def _check_conflicts(ctx: OpContext, network: Network, group: NodeGroup) -> None:
    """:raises OpPrereqError: an instance has an address of the network, but no card on it"""
    pool = Pool.of(network)
    found = sorted(
        f"{instance.name} ({nic.ip})" for instance in ctx.snapshot.instances.values()
        if ctx.snapshot.nodes[instance.primary_node].group == group.uuid
        for nic in instance.nics if nic.network is None and nic.ip and pool.contains(nic.ip))
    if found:
        ctx.warn(f"Following occurrences use IPs from network {network.name} that is about to be "
                 f"connected to node group {group.name}: {', '.join(found)}")
        raise OpPrereqError("Conflicting IP addresses found; remove/modify corresponding network "
                            "interfaces", ECODE_STATE)


def _scripts(ctx: OpContext, name: str, group: NodeGroup, network: Network) -> Scripts:
    params = group.networks.get(network.uuid, {})
    nodes = tuple(node.uuid for node in ctx.current.members_of(group.uuid))
    told = texts(group_name=group.name, **{
        f"group_network_{key}": params.get(key, "") for key in ("mode", "link", "vlan")})
    return Scripts(name, "NETWORK", told, nodes, nodes, on_master=False)


OPERATIONS = (Connect(), Disconnect())
