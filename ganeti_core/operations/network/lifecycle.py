"""``OP_NETWORK_ADD``, ``_REMOVE`` and ``_SET_PARAMS``: ranges of addresses for instances."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Delete, Put
from ganeti_core.errors import (
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NOTUNIQUE,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model import Network, new_uuid
from ganeti_core.model.ip_pool import LARGEST, LONGEST_PREFIX, Pool
from ganeti_core.model.names import plain_name
from ganeti_core.opcodes.network import NetworkAdd, NetworkRemove, NetworkSetParams
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.settings_values import checked_mac_prefix
from ganeti_core.operations.networking import check_services
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute
from ganeti_core.operations.tags import with_tags
from ganeti_core.plugin_api.network_services import services_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext

_NONE = ("none", "default")


class Add(Operation[NetworkAdd, Network]):
    """Make a network; its ends, its gateway and the nodes' addresses are set aside."""

    opcode = NetworkAdd

    def plan(self, op: NetworkAdd, ctx: OpContext) -> Network:
        plain_name("network", op.network_name)
        check_services(ctx.host, services_of(op.tags))
        uuid = ctx.snapshot.names.get("network", {}).get(op.network_name)
        if uuid is not None:
            raise OpPrereqError(f"Desired network name '{op.network_name}' already exists as a "
                                f"network (UUID: {uuid})", ECODE_EXISTS)
        ctx.services.reservations.reserve("name:network", op.network_name, ctx.owner)
        subnet = _subnet(op.network)
        gateway = _gateway(op.gateway, subnet)
        pool = Pool.new(op.network_name, subnet, gateway)
        if op.conflicts_check:
            pool = _with_nodes(ctx, pool)
        for address in op.add_reserved_ips or ():
            pool = _marked(pool, str(address), "1")
        network6 = _network6(op.network6)
        return Network(
            uuid=new_uuid(), name=op.network_name, network=str(subnet), gateway=gateway,
            network6=network6, gateway6=_gateway6(op.gateway6, network6),
            mac_prefix=_mac_prefix(op.mac_prefix), ext_reservations=pool.external,
            tags=with_tags((), op.tags))

    def scripts(self, op: NetworkAdd, ctx: OpContext, plan: Network) -> Scripts:
        return network_scripts("network-add", plan)

    def run(self, op: NetworkAdd, ctx: OpContext, plan: Network) -> None:
        ctx.commit([Put(plan)])
        distribute(ctx)


class Remove(Operation[NetworkRemove, Network]):
    """Remove a network that no group is connected to."""

    opcode = NetworkRemove

    def locks(self, op: NetworkRemove, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NETWORK, snapshot.network(op.network_name).uuid))

    def plan(self, op: NetworkRemove, ctx: OpContext) -> Network:
        network = ctx.snapshot.network(op.network_name)
        groups = sorted(group.name for group in ctx.snapshot.groups.values()
                        if network.uuid in group.networks)
        if groups:
            ctx.warn(f"Network '{network.name}' is connected to the following node groups: "
                     f"{', '.join(groups)}")
            raise OpPrereqError("Network still connected", ECODE_STATE)
        return network

    def scripts(self, op: NetworkRemove, ctx: OpContext, plan: Network) -> Scripts:
        return Scripts("network-remove", "NETWORK", texts(network_name=plan.name))

    def run(self, op: NetworkRemove, ctx: OpContext, plan: Network) -> None:
        ctx.commit([Delete(plan)])
        distribute(ctx)


class Modify(Operation[NetworkSetParams, Network]):
    """Change a network. Its range stays: instances have addresses in it."""

    opcode = NetworkSetParams

    def locks(self, op: NetworkSetParams, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NETWORK, snapshot.network(op.network_name).uuid))

    def plan(self, op: NetworkSetParams, ctx: OpContext) -> Network:
        network = ctx.snapshot.network(op.network_name)
        pool = Pool.of(network)
        gateway = network.gateway
        if op.gateway is not None:
            gateway = None if op.gateway in _NONE else _gateway(op.gateway, pool.network)
            pool = _other_gateway(ctx, network, pool, gateway)
        network6 = network.network6 if op.network6 is None else _network6(op.network6)
        gateway6 = network.gateway6 if op.gateway6 is None else op.gateway6
        for bit, addresses in (("1", op.add_reserved_ips), ("0", op.remove_reserved_ips)):
            pool = _changed(ctx, network, pool, map(str, addresses or ()), bit)
        prefix = network.mac_prefix if op.mac_prefix is None else _mac_prefix(op.mac_prefix)
        return replace(network, gateway=gateway, network6=network6,
                       gateway6=_gateway6(gateway6, network6), mac_prefix=prefix,
                       ext_reservations=pool.external)

    def scripts(self, op: NetworkSetParams, ctx: OpContext, plan: Network) -> Scripts:
        return network_scripts("network-modify", plan)

    def run(self, op: NetworkSetParams, ctx: OpContext, plan: Network) -> None:
        ctx.commit([Put(plan)])


def network_scripts(name: str, network: Network) -> Scripts:
    """Scripts about one network; they run on the master."""
    told = {"network_name": network.name, "network_subnet": network.network,
            "network_gateway": network.gateway, "network_subnet6": network.network6,
            "network_gateway6": network.gateway6, "network_mac_prefix": network.mac_prefix}
    environment = texts(**{key: value for key, value in told.items() if value})
    if network.tags:
        environment["NETWORK_TAGS"] = " ".join(network.tags)
    return Scripts(name, "NETWORK", environment)


def _subnet(text: str) -> ipaddress.IPv4Network:
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IPv4 network '{text}': {exc}", ECODE_INVAL) from exc
    if "/" not in text or subnet.prefixlen > LONGEST_PREFIX or subnet.num_addresses > LARGEST:
        raise OpPrereqError(
            f"The network {text} must have a netmask between /16 and /{LONGEST_PREFIX}",
            ECODE_INVAL)
    return subnet


def _gateway(text: str | None, subnet: ipaddress.IPv4Network) -> str | None:
    if text is None:
        return None
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IPv4 address '{text}' of the gateway", ECODE_INVAL) from exc
    if address not in subnet:
        raise OpPrereqError(f"Gateway {text} is not in the network {subnet}", ECODE_INVAL)
    if address in (subnet.network_address, subnet.broadcast_address):
        raise OpPrereqError(f"Gateway {text} is an end of the network {subnet}: no host has it",
                            ECODE_INVAL)
    return str(address)


def _network6(text: str | None) -> str | None:
    if text is None or text in _NONE:
        return None
    try:
        return str(ipaddress.IPv6Network(text))
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IPv6 network '{text}': {exc}", ECODE_INVAL) from exc


def _gateway6(text: str | None, network6: str | None) -> str | None:
    if text is None or text in _NONE:
        return None
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IPv6 address '{text}' of the gateway", ECODE_INVAL) from exc
    if network6 is None or address not in ipaddress.IPv6Network(network6):
        raise OpPrereqError(f"IPv6 gateway {text} is not in the network {network6}", ECODE_INVAL)
    return str(address)


def _mac_prefix(text: str | None) -> str | None:
    if text is None or text in _NONE:
        return None
    return checked_mac_prefix(text)


def _marked(pool: Pool, address: str, bit: str) -> Pool:
    try:
        return pool.marked(address, bit)
    except ValueError as exc:
        raise OpPrereqError(f"Cannot reserve IP address '{address}': {exc}", ECODE_INVAL) from exc


def _with_nodes(ctx: OpContext, pool: Pool) -> Pool:
    """Set the addresses of nodes and of the master aside where they lie in the network."""
    cluster = ctx.snapshot.cluster
    found = {cluster.master_ip, *(address for node in ctx.snapshot.nodes.values()
                                  for address in (node.primary_ip, node.secondary_ip))}
    for address in sorted(found):
        if pool.contains(address) and not pool.is_external(address):
            ctx.info(f"Reserved IP address {address} of a node or of the master")
            pool = pool.marked(address, "1")
    return pool


def _other_gateway(ctx: OpContext, network: Network, pool: Pool, gateway: str | None) -> Pool:
    if gateway == network.gateway:
        return pool
    if network.gateway is not None:
        pool = pool.marked(network.gateway, "0")
    if gateway is None:
        return pool
    if gateway in ctx.snapshot.claims.get(f"ip:{network.uuid}", {}) or pool.is_external(gateway):
        raise OpPrereqError(f"Gateway IP address '{gateway}' is already reserved", ECODE_NOTUNIQUE)
    if not _set_aside(ctx, network, gateway):
        raise OpPrereqError(f"Gateway IP address '{gateway}' is being given to an instance by "
                            "another job", ECODE_NOTUNIQUE)
    return pool.marked(gateway, "1")


def _changed(
    ctx: OpContext, network: Network, pool: Pool, addresses: Iterable[str], bit: str
) -> Pool:
    """Set addresses aside or give them back; what cannot be is told, and the rest is done."""
    used = ctx.snapshot.claims.get(f"ip:{network.uuid}", {})
    action = "reserve" if bit == "1" else "release"
    for address in addresses:
        if bit == "1" and address in used:
            ctx.warn(f"Cannot reserve IP address {address}: it is used by an instance")
            continue
        if bit == "1" and not _set_aside(ctx, network, address):
            ctx.warn(f"Cannot reserve IP address {address}: another job gives it to an instance")
            continue
        if bit == "0" and address in (network.gateway, *_ends(pool)):
            ctx.warn(f"Cannot release reserved IP address {address}: it is the gateway's or an "
                     "end of the network")
            continue
        try:
            pool = pool.marked(address, bit)
        except ValueError as exc:
            ctx.warn(f"Cannot {action} IP address {address}: {exc}")
    return pool


def _set_aside(ctx: OpContext, network: Network, address: str) -> bool:
    """Keep other jobs from giving the address to an instance meanwhile; False: one does."""
    try:
        ctx.services.reservations.reserve(f"ip:{network.uuid}", address, ctx.owner)
    except OpPrereqError:
        return False
    return True


def _ends(pool: Pool) -> tuple[str, str]:
    return str(pool.network.network_address), str(pool.network.broadcast_address)


OPERATIONS = (Add(), Remove(), Modify())
