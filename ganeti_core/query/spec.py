"""The configuration as one document that people write: what ``gnt-cluster export-spec`` shows.

Names stand for uuids, and parameters are sparse (only what the object itself sets). Empty lists and
mappings are written, for they say that there is nothing. Secrets and private parameters are not in
it. `ganeti_core.spec` has its schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.ganeti_settings import SETTING_OF, other_settings
from ganeti_core.model.ip_pool import Pool
from ganeti_core.model.names import nice_key
from ganeti_core.query.network import external_addresses
from ganeti_core.spec.schema import VERSION
from ganeti_core.specs.identities import options_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster, Disk, Instance, Network, Nic, Node, NodeGroup
    from ganeti_core.plugins import PluginHost

Document = dict[str, Any]

_CLUSTER = {
    name: name for name in (
        "enabled_hypervisors", "enabled_disk_templates", "candidate_pool_size",
        "max_running_jobs", "max_tracked_jobs", "mac_prefix", "master_netdev", "master_netmask",
        "use_external_mip_script", "reserved_lvs", "default_iallocator",
        "default_iallocator_params", "install_image", "zeroing_image", "compression_tools",
        "maintain_node_health", "enabled_user_shutdown", "job_queue_files", "prealloc_wipe_disks",
        "modify_etc_hosts", "hidden_os", "blacklisted_os", "hvparams", "os_hvp",
        "ndparams", "diskparams", "osparams", "ipolicy")}
"""Name in the document, which is that of the opcode's parameter, and attribute of the object."""


def spec_document(snapshot: Snapshot, host: PluginHost) -> Document:
    """Describe the whole cluster."""
    instances = [one for one in snapshot.instances.values() if not one.forthcoming]
    return {
        "version": VERSION,
        "cluster": _cluster(snapshot.cluster),
        "groups": {group.name: _group(group) for group in _sorted(snapshot.groups.values())},
        "nodes": {node.name: _node(snapshot, node) for node in _sorted(snapshot.nodes.values())},
        "networks": {network.name: _network(snapshot, network)
                     for network in _sorted(snapshot.networks.values())},
        "instances": {instance.name: _instance(snapshot, host, instance)
                      for instance in _sorted(instances)},
    }


def _sorted(objects: Iterable[Any]) -> list[Any]:
    return sorted(objects, key=lambda one: nice_key(one.name))


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _filled(values: Document) -> Document:
    return {name: _plain(value) for name, value in values.items()
            if value is not None and value != ""}


def _cluster(cluster: Cluster) -> Document:
    collectors: Document = cluster.other.get("data_collectors", {})
    own = {name: getattr(cluster, attribute) for name, attribute in _CLUSTER.items()}
    return _filled({
        **own,
        **{parameter: cluster.settings.get(name) for parameter, name in SETTING_OF.items()},
        "settings": other_settings(cluster.settings),
        "beparams": cluster.beparams.get("default", {}),
        "nicparams": cluster.nicparams.get("default", {}),
        "enabled_data_collectors": {
            name: found["active"] for name, found in collectors.items() if "active" in found},
        "data_collector_interval": {
            name: found["interval"] for name, found in collectors.items() if "interval" in found},
        "tags": sorted(cluster.tags),
    })


def _group(group: NodeGroup) -> Document:
    return _filled({"alloc_policy": group.alloc_policy, "ndparams": group.ndparams,
                    "diskparams": group.diskparams, "ipolicy": group.ipolicy,
                    "tags": sorted(group.tags)})


def _node(snapshot: Snapshot, node: Node) -> Document:
    return _filled({"group": snapshot.groups[node.group].name, "ndparams": node.ndparams,
                    "tags": sorted(node.tags)})


def _network(snapshot: Snapshot, network: Network) -> Document:
    pool = Pool.of(network).network
    implied = {str(pool.network_address), str(pool.broadcast_address), network.gateway}
    groups = {group.name: group.networks[network.uuid]
              for group in _sorted(snapshot.groups.values()) if network.uuid in group.networks}
    return _filled({
        "network": network.network, "gateway": network.gateway, "network6": network.network6,
        "gateway6": network.gateway6, "mac_prefix": network.mac_prefix,
        "reserved": [one for one in external_addresses(network) if one not in implied],
        "groups": {name: _filled(params) for name, params in groups.items()},
        "tags": sorted(network.tags)})


def _instance(snapshot: Snapshot, host: PluginHost, instance: Instance) -> Document:
    secondaries = [snapshot.nodes[uuid].name for uuid in instance.secondary_nodes]
    return _filled({
        "state": instance.admin_state, "hypervisor": instance.hypervisor, "os": instance.os,
        "disk_template": instance.disk_template,
        "primary_node": snapshot.nodes[instance.primary_node].name,
        "secondary_node": secondaries[0] if secondaries else None,
        "beparams": instance.beparams, "hvparams": instance.hvparams,
        "osparams": instance.osparams, "tags": sorted(instance.tags),
        "disks": [_disk(host, disk) for disk in snapshot.disks_of(instance)],
        "nics": [_nic(snapshot, nic) for nic in instance.nics]})


def _disk(host: PluginHost, disk: Disk) -> Document:
    return _filled({"name": disk.name, "size": disk.size, "mode": disk.mode,
                    "spindles": disk.spindles, "params": options_of(host, disk) or None})


def _nic(snapshot: Snapshot, nic: Nic) -> Document:
    shown: Document = {"name": nic.name, "mac": nic.mac, "ip": nic.ip}
    if nic.network:
        # Mode, link and VLAN are those of the network.
        return _filled(shown | {"network": snapshot.networks[nic.network].name})
    return _filled(shown | nic.nicparams)
