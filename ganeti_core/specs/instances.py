"""Instances and network cards as hooks receive them: complete, parameters filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.params import (
    filled_beparams,
    filled_hvparams,
    filled_nicparams,
    filled_osparams,
)
from ganeti_core.plugin_api.data import InstanceSpec, NicSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import BRIDGE_LINK, NETWORK_BACKENDS
from ganeti_core.specs.disks import disk_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Network, Nic
    from ganeti_core.plugins import PluginHost


def instance_spec(
    snapshot: Snapshot, host: PluginHost, instance: Instance, disks: Sequence[Disk]
) -> InstanceSpec:
    """Describe an instance, secret OS parameters left out.

    :param disks: its disks, in their order
    """
    cluster, nodes = snapshot.cluster, snapshot.nodes
    hypervisor = instance.hypervisor
    known = host.has(HYPERVISORS, hypervisor)
    defaults = host.defaults(HYPERVISORS, hypervisor) if known else {}
    primary = nodes.get(instance.primary_node)
    return InstanceSpec(
        uuid=instance.uuid, name=instance.name, hypervisor=hypervisor,
        hvparams=filled_hvparams(defaults, cluster, instance),
        beparams=filled_beparams(cluster, instance),
        os=instance.os, osparams=filled_osparams(cluster, instance),
        disks=tuple(disk_spec(snapshot, host, disk, index, instance.name)
                    for index, disk in enumerate(disks)),
        nics=tuple(nic_spec(snapshot, host, nic, index) for index, nic in enumerate(instance.nics)),
        tags=instance.tags, network_port=instance.network_port,
        primary_node=primary.name if primary else "",
        secondary_nodes=tuple(nodes[uuid].name for uuid in instance.secondary_nodes),
        ctime=instance.ctime, mtime=instance.mtime,
    )


def nic_spec(snapshot: Snapshot, host: PluginHost, nic: Nic, index: int) -> NicSpec:
    """Describe a network card, which is the one with this index."""
    filled = filled_nicparams(snapshot.cluster, nic)
    network = snapshot.networks.get(nic.network) if nic.network else None
    return NicSpec(
        uuid=nic.uuid, index=index, mac=nic.mac, mode=filled["mode"], link=filled["link"],
        vlan=filled["vlan"], ip=nic.ip, name=nic.name,
        network=network_document(network) if network else None,
        bridge=bridge_of(host, filled) or "")


def bridge_of(host: PluginHost, filled: Mapping[str, Any]) -> str | None:
    """Return the bridge that a card with these filled parameters is in; None where it is in none.
    """
    mode = filled.get("mode", "")
    is_bridge = host.has(NETWORK_BACKENDS, mode) and (
        BRIDGE_LINK in host.describe(NETWORK_BACKENDS, mode).capabilities)
    return filled.get("link") if is_bridge else None


def network_document(network: Network) -> dict[str, Any]:
    """Describe a network, for hooks and clients."""
    return {
        "name": network.name, "uuid": network.uuid, "serial_no": network.serial_no,
        "ctime": network.ctime, "mtime": network.mtime, "mac_prefix": network.mac_prefix,
        "network": network.network, "network6": network.network6, "gateway": network.gateway,
        "gateway6": network.gateway6, "reservations": network.reservations,
        "ext_reservations": network.ext_reservations, "tags": sorted(network.tags),
    }
