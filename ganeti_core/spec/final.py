"""Values that the schema cannot describe: addresses and ranges, and the form in which the master
keeps what may be written in several ways. Equal things must be equal, or a plan is never empty."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpPrereqError
from ganeti_core.model.names import host_name, vlans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Document = dict[str, Any]
WORDS = ("none", "pool")
"""What may stand instead of an address."""
_NETWORK: dict[str, Callable[[str], object]] = {
    "network": ipaddress.IPv4Network, "gateway": ipaddress.IPv4Address,
    "network6": ipaddress.IPv6Network, "gateway6": ipaddress.IPv6Address}


def wrong_values(document: Document) -> Iterator[str]:
    """Name every value that is not what its key says, with its place."""
    for name, network in document.get("networks", {}).items():
        place = f"networks/{name}"
        for key, read in _NETWORK.items():
            yield from _unreadable(f"{place}/{key}", read, network.get(key, "none"))
        for index, address in enumerate(network.get("reserved", ())):
            yield from _unreadable(f"{place}/reserved/{index}", ipaddress.IPv4Address, address)
        for group, params in network.get("groups", {}).items():
            yield from _unreadable(f"{place}/groups/{group}/vlan", _vlan, params.get("vlan", ""))
    for name, instance in document.get("instances", {}).items():
        for index, nic in enumerate(instance.get("nics", ())):
            place = f"instances/{name}/nics/{index}"
            yield from _unreadable(f"{place}/ip", ipaddress.ip_address, nic.get("ip", "none"))
            yield from _unreadable(f"{place}/vlan", _vlan, nic.get("vlan", ""))
    cards: Document = document.get("cluster", {}).get("nicparams", {})
    yield from _unreadable("cluster/nicparams/vlan", _vlan, cards.get("vlan", ""))


def _unreadable(place: str, read: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        _as_kept(read, text)
    except (ValueError, OpPrereqError) as exc:
        yield f"{place}: {exc}"


def final_form(document: Document) -> Document:
    """The document with values written as the master keeps them, so that equal ones are equal."""
    instances = {name: _final_instance(one) for name, one in document.get("instances", {}).items()}
    networks = {name: _final_network(one) for name, one in document.get("networks", {}).items()}
    final = dict(document)
    if "instances" in final:
        final["instances"] = instances
    if "networks" in final:
        final["networks"] = networks
    if "cluster" in final:
        final["cluster"] = _final_cluster(final["cluster"])
    return final


def _final_cluster(cluster: Document) -> Document:
    final = dict(cluster)
    if "mac_prefix" in final:
        final["mac_prefix"] = final["mac_prefix"].lower()
    if "osparams" in final:
        final["osparams"] = {name: _texts(one) for name, one in final["osparams"].items()}
    cards: Document = final.get("nicparams", {})
    if "vlan" in cards:
        final["nicparams"] = {**cards, "vlan": _vlan(cards["vlan"])}
    return final


def _final_network(network: Document) -> Document:
    final: Document = {key: _as_kept(_NETWORK[key], value) if key in _NETWORK else value
                       for key, value in network.items()}
    if "reserved" in final:
        final["reserved"] = [_as_kept(ipaddress.IPv4Address, one) for one in final["reserved"]]
    if "mac_prefix" in final:
        final["mac_prefix"] = final["mac_prefix"].lower()
    if "groups" in final:
        final["groups"] = {name: {**one, "vlan": _vlan(one["vlan"])} if one.get("vlan") else one
                           for name, one in final["groups"].items()}
    return final


def _final_instance(instance: Document) -> Document:
    final = dict(instance)
    if "osparams" in final:
        final["osparams"] = _texts(final["osparams"])
    if "nics" in final:
        final["nics"] = [_final_nic(nic) for nic in final["nics"]]
    return final


def _final_nic(nic: Document) -> Document:
    final = dict(nic)
    if "mac" in final:
        final["mac"] = final["mac"].lower()
    if "ip" in final:
        final["ip"] = _as_kept(ipaddress.ip_address, final["ip"])
    if final.get("vlan"):
        final["vlan"] = _vlan(final["vlan"])
    return final


def _texts(params: Document) -> Document:
    return {name: str(value) for name, value in params.items()}


def _vlan(text: str) -> str:
    return text if text == "default" else vlans(text)


def _as_kept(read: Callable[[str], object], text: str) -> str:
    return text if text in WORDS else str(read(text))


def kept_name(name: str) -> str:
    """The name of an instance as the master would keep it.

    :raises OpPrereqError: it cannot be one (`ECODE_INVAL`)
    """
    return host_name(name)
