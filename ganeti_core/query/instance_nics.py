"""Fields of an instance's network cards: one by one, and as lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.params import filled_nicparams
from ganeti_core.plugin_api.network import BRIDGE_LINK, VLANS
from ganeti_core.query.fields import Absent, Field, or_unavailable, ordinal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.query.instance_row import InstanceRow

MAX_NICS = 8
"""As many cards have fields of their own; instances may have more."""


def _attribute(name: str) -> Callable[[InstanceRow, int], Any]:
    return lambda row, index: getattr(row.instance.nics[index], name)


def _parameter(name: str) -> Callable[[InstanceRow, int], Any]:
    return lambda row, index: filled_nicparams(row.cluster, row.instance.nics[index])[name]


def _bridge(row: InstanceRow, index: int) -> Any:
    filled = filled_nicparams(row.cluster, row.instance.nics[index])
    return filled["link"] if BRIDGE_LINK in row.modes.get(filled["mode"], ()) else None


def _vlan(row: InstanceRow, index: int) -> Any:
    filled = filled_nicparams(row.cluster, row.instance.nics[index])
    able = row.modes.get(filled["mode"], ())
    # Bridges know VLANs only here: where a card is in none, clients see what Ganeti shows.
    shown = VLANS in able and (filled["vlan"] or BRIDGE_LINK not in able)
    return filled["vlan"] if shown else None


def _network_name(row: InstanceRow, index: int) -> str | None:
    network = row.networks[index]
    return network.name if network else None


_EACH = "List containing each network interface's"

# name, title and description of the field of one card; of the list; how one is computed
_ASPECTS: list[tuple[str, str, str, str, str, str, Callable[[InstanceRow, int], Any]]] = [
    ("nic.bridge", "NicBridge", "Bridge", "nic.bridges", "NIC_bridges", f"{_EACH} bridge",
     _bridge),
    ("nic.ip", "NicIP", "IP address", "nic.ips", "NIC_IPs", f"{_EACH} IP address",
     _attribute("ip")),
    ("nic.link", "NicLink", "Link", "nic.links", "NIC_links", f"{_EACH} link",
     _parameter("link")),
    ("nic.mac", "NicMAC", "MAC address", "nic.macs", "NIC_MACs", f"{_EACH} MAC address",
     _attribute("mac")),
    ("nic.mode", "NicMode", "Mode", "nic.modes", "NIC_modes", f"{_EACH} mode",
     _parameter("mode")),
    ("nic.name", "NicName", "Name address", "nic.names", "NIC_Names", f"{_EACH} name",
     _attribute("name")),
    ("nic.network", "NicNetwork", "Network", "nic.networks", "NIC_networks",
     "List containing each interface's network", _attribute("network")),
    ("nic.network.name", "NicNetworkName", "Network name", "nic.networks.names",
     "NIC_networks_names", "List containing the name of each interface's network",
     _network_name),
    ("nic.uuid", "NicUUID", "UUID address", "nic.uuids", "NIC_UUIDs", f"{_EACH} UUID",
     _attribute("uuid")),
    ("nic.vlan", "NicVLAN", "VLAN", "nic.vlans", "NIC_VLANs", f"{_EACH} VLAN", _vlan),
]


def _one(
    name: str, title: str, what: str, index: int, compute: Callable[[InstanceRow, int], Any]
) -> Field[InstanceRow]:
    def value(row: InstanceRow) -> Any:
        if index >= len(row.instance.nics):
            return Absent.UNAVAIL
        return or_unavailable(compute(row, index))

    return Field(f"{name}/{index}", f"{title}/{index}", "text",
                 f"{what} of {ordinal(index + 1)} network interface", value)


def _list(
    name: str, title: str, doc: str, compute: Callable[[InstanceRow, int], Any]
) -> Field[InstanceRow]:
    return Field(name, title, "other", doc,
                 lambda row: [compute(row, index) for index in range(len(row.instance.nics))])


NIC_FIELDS: list[Field[InstanceRow]] = [
    Field("nic.count", "NICs", "number", "Number of network interfaces",
          lambda row: len(row.instance.nics)),
    *(_list(name, title, doc, compute) for *_, name, title, doc, compute in _ASPECTS),
    *(_one(name, title, what, index, compute)
      for name, title, what, *_, compute in _ASPECTS for index in range(MAX_NICS)),
]
