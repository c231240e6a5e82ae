"""An instance of the configuration as hooks take it: complete, parameters filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model import fill
from ganeti_core.model.params import (
    filled_beparams,
    filled_hvparams,
    filled_nicparams,
    filled_osparams,
)
from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec, NicSpec, NodeRef
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster, Disk, Instance, Network, Nic, Node, NodeGroup
    from ganeti_core.plugins import PluginHost


def node_ref(node: Node) -> NodeRef:
    return NodeRef(node.uuid, node.name, node.primary_ip, node.secondary_ip)


def instance_spec(
    snapshot: Snapshot, host: PluginHost, instance: Instance
) -> InstanceSpec:
    """Build what a hook is told of `instance`, secret OS parameters left out."""
    cluster = snapshot.cluster
    hypervisor = instance.hypervisor
    known = host.has(HYPERVISORS, hypervisor)
    defaults = host.defaults(HYPERVISORS, hypervisor) if known else {}
    primary = snapshot.nodes.get(instance.primary_node)
    group = snapshot.groups.get(primary.group) if primary else None
    return InstanceSpec(
        uuid=instance.uuid, name=instance.name, hypervisor=hypervisor,
        hvparams=filled_hvparams(defaults, cluster, instance),
        beparams=filled_beparams(cluster, instance),
        os=instance.os, osparams=filled_osparams(cluster, instance),
        disks=tuple(disk_spec(disk, index, disk_params(host, cluster, group, disk), instance.name)
                    for index, disk in enumerate(snapshot.disks_of(instance))),
        nics=tuple(_nic_spec(snapshot, nic, index) for index, nic in enumerate(instance.nics)),
        tags=instance.tags, network_port=instance.network_port,
        primary_node=primary.name if primary else "",
        secondary_nodes=tuple(snapshot.nodes[uuid].name for uuid in instance.secondary_nodes),
        ctime=instance.ctime, mtime=instance.mtime,
    )


def disk_params(
    host: PluginHost, cluster: Cluster, group: NodeGroup | None, disk: Disk
) -> dict[str, Any]:
    """The filled parameters of a disk's template, and the disk's own over them."""
    template = disk.template
    known = host.has(DISK_TEMPLATES, template)
    return fill(
        host.defaults(DISK_TEMPLATES, template) if known else {},
        cluster.diskparams.get(template, {}),
        group.diskparams.get(template, {}) if group else {}, disk.params)


def disk_spec(disk: Disk, index: int, params: dict[str, Any], instance: str) -> DiskSpec:
    return DiskSpec(
        uuid=disk.uuid, index=index, template=disk.template, size=disk.size,
        logical_id=disk.logical_id, mode=disk.mode, params=params, name=disk.name,
        spindles=disk.spindles, instance=instance,
        children=tuple(disk_spec(child, at, child.params, instance)
                       for at, child in enumerate(disk.children)))


def _nic_spec(snapshot: Snapshot, nic: Nic, index: int) -> NicSpec:
    filled = filled_nicparams(snapshot.cluster, nic)
    network = snapshot.networks.get(nic.network) if nic.network else None
    return NicSpec(
        uuid=nic.uuid, index=index, mac=nic.mac, mode=filled["mode"], link=filled["link"],
        vlan=filled["vlan"], ip=nic.ip, name=nic.name,
        network=network_document(network) if network else None)


def network_document(network: Network) -> dict[str, Any]:
    """A network as hooks and clients see it."""
    return {
        "name": network.name, "uuid": network.uuid, "serial_no": network.serial_no,
        "ctime": network.ctime, "mtime": network.mtime, "mac_prefix": network.mac_prefix,
        "network": network.network, "network6": network.network6, "gateway": network.gateway,
        "gateway6": network.gateway6, "reservations": network.reservations,
        "ext_reservations": network.ext_reservations, "tags": sorted(network.tags),
    }
