"""Networks."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model import fill
from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.ip_pool import Pool
from ganeti_core.query.fields import Field, common_fields, or_unavailable, table
from ganeti_core.query.view import Index, Resource, View, find_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ganeti_core.model import Network

RESERVED, FREE = "X", "."


class NetworkRow(NamedTuple):
    """A network, the names of the instances on it, and the groups that it is connected to.

    :param groups: group name, mode, link, VLAN each
    :param addresses: those that the instances have there
    """

    network: Network
    groups: Sequence[Sequence[str]]
    instances: Sequence[str]
    addresses: Collection[str] = ()


def address_map(network: Network, used: Collection[str] = ()) -> str:
    """One letter per address: ``X`` where it is taken, ``.`` where it is free.

    :param used: addresses that instances have on the network
    """
    pool = Pool.of(network)
    taken = network.reservations.ljust(pool.network.num_addresses, "0")
    triples = zip(taken, pool.external, pool.used(used), strict=True)
    return "".join([RESERVED if "1" in bits else FREE for bits in triples])


def external_addresses(network: Network) -> list[str]:
    """The addresses that the administrator set aside."""
    first = ipaddress.ip_network(network.network).network_address
    return [str(first + at) for at, bit in enumerate(network.ext_reservations) if bit == "1"]


def _attribute(
    name: str, title: str, kind: Any, doc: str, attribute: str
) -> Field[NetworkRow]:
    return Field(name, title, kind, doc,
                 lambda row: or_unavailable(getattr(row.network, attribute)))


def _count(letter: str) -> Callable[[NetworkRow], int]:
    return lambda row: address_map(row.network, row.addresses).count(letter)


_FIELDS: list[Field[NetworkRow]] = [
    _attribute("name", "Network", "text", "Name", "name"),
    _attribute("network", "Subnet", "text", "IPv4 subnet", "network"),
    _attribute("gateway", "Gateway", "other", "IPv4 gateway", "gateway"),
    _attribute("network6", "IPv6Subnet", "other", "IPv6 subnet", "network6"),
    _attribute("gateway6", "IPv6Gateway", "other", "IPv6 gateway", "gateway6"),
    _attribute("mac_prefix", "MacPrefix", "other", "MAC address prefix", "mac_prefix"),
    Field("external_reservations", "ExternalReservations", "text", "External reservations",
          lambda row: ", ".join(external_addresses(row.network))),
    Field("map", "Map", "text", "Actual mapping",
          lambda row: address_map(row.network, row.addresses)),
    Field("free_count", "FreeCount", "number", "Number of available addresses", _count(FREE)),
    Field("reserved_count", "ReservedCount", "number", "Number of reserved addresses",
          _count(RESERVED)),
    Field("group_cnt", "NodeGroups", "number", "Number of nodegroups",
          lambda row: len(row.groups)),
    Field("group_list", "GroupList", "other",
          "List of nodegroups (group name, NIC mode, NIC link)",
          lambda row: [list(group) for group in row.groups]),
    Field("inst_cnt", "Instances", "number", "Number of instances",
          lambda row: len(row.instances)),
    Field("inst_list", "InstanceList", "other", "List of instances",
          lambda row: list(row.instances)),
]


class NetworkResource(Resource[NetworkRow]):
    """Lists networks."""

    what = "network"
    fields = table(_FIELDS, common_fields("Network", lambda row: row.network))

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[NetworkRow]:
        if names is not None:
            found = find_named(view.snapshot, "network", "Network", names)
            return [_row(view.index, network) for network in found]
        return view.index.once("network", lambda: [
            _row(view.index, network) for network in view.index.networks])

    def key(self, row: NetworkRow) -> str:
        return row.network.uuid


def _addresses(index: Index) -> Mapping[str, Collection[str]]:
    """The addresses in use, by the uuid of their network."""
    found: dict[str, list[str]] = defaultdict(list)
    for instance in index.instances:
        for nic in instance.nics:
            if nic.network and nic.ip:
                found[nic.network].append(nic.ip)
    return found


def _row(index: Index, network: Network) -> NetworkRow:
    users = index.once("network users", lambda: _users(index))
    groups = []
    for group in index.groups:
        if network.uuid in group.networks:
            filled = fill(NICPARAMS_DEFAULTS, group.networks[network.uuid])
            groups.append((group.name, filled["mode"], filled["link"], filled["vlan"]))
    addresses = index.once("network addresses", lambda: _addresses(index))
    return NetworkRow(network, groups, users.get(network.uuid, ()),
                      addresses.get(network.uuid, ()))


def _users(index: Index) -> Mapping[str, Sequence[str]]:
    """Names of instances by the uuid of the network that one of their cards is on."""
    found: dict[str, list[str]] = defaultdict(list)
    for instance in index.instances:
        for network in {nic.network for nic in instance.nics if nic.network}:
            found[network].append(instance.name)
    return found
