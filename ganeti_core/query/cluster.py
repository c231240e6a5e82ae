"""The cluster as one document, and single values of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model import fill
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS, NICPARAMS_DEFAULTS
from ganeti_core.model.params import filled_diskparams, filled_ipolicy, filled_ndparams
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.versions import (
    CONFIG_VERSION,
    EXPORT_VERSION,
    OS_API_VERSION,
    PROTOCOL_VERSION,
    SOFTWARE_VERSION,
    VCS_VERSION,
    architecture,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost

COLLECTOR_INTERVAL = 5_000_000
"""Microseconds between two runs of a collector for which nothing else is configured."""

_AS_THEY_ARE = (
    "enabled_hypervisors", "os_hvp", "osparams", "candidate_pool_size", "max_running_jobs",
    "max_tracked_jobs", "mac_prefix", "master_netdev", "master_netmask",
    "use_external_mip_script", "file_storage_dir", "shared_file_storage_dir",
    "gluster_storage_dir", "maintain_node_health", "ctime", "mtime", "uuid", "uid_pool",
    "default_iallocator", "default_iallocator_params", "reserved_lvs", "prealloc_wipe_disks",
    "hidden_os", "blacklisted_os", "enabled_disk_templates", "install_image",
    "compression_tools", "enabled_user_shutdown",
)
# What nothing here uses; an imported configuration keeps its values.
_UNUSED = {
    "instance_communication_network": "", "zeroing_image": "", "modify_ssh_setup": True,
    "ssh_key_type": "rsa", "ssh_key_bits": 2048,
}


def cluster_info(snapshot: Snapshot, host: PluginHost) -> dict[str, Any]:
    """The answer to ``QueryClusterInfo``: versions, settings, and parameters filled."""
    cluster = snapshot.cluster
    values = {name: _plain(getattr(cluster, name)) for name in _AS_THEY_ARE}
    hypervisors = cluster.enabled_hypervisors
    return {
        "software_version": SOFTWARE_VERSION,
        "protocol_version": PROTOCOL_VERSION,
        "config_version": CONFIG_VERSION,
        "os_api_version": OS_API_VERSION,
        "export_version": EXPORT_VERSION,
        "vcs_version": VCS_VERSION,
        "architecture": architecture(),
        "name": cluster.name,
        "master": snapshot.master.name,
        "default_hypervisor": hypervisors[0] if hypervisors else "",
        "tags": sorted(cluster.tags),
        "primary_ip_version": 4 if cluster.primary_ip_family == 2 else 6,
        "volume_group_name": cluster.volume_group_name or None,
        "drbd_usermode_helper": cluster.drbd_usermode_helper or None,
        **values,
        **{name: cluster.other.get(name, default) for name, default in _UNUSED.items()},
        **_parameters(cluster, host),
        **_collectors(cluster, host),
    }


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _parameters(cluster: Cluster, host: PluginHost) -> dict[str, Any]:
    return {
        "hvparams": _by_driver(host, HYPERVISORS, cluster.hvparams),
        "beparams": _with_default(BEPARAMS_DEFAULTS, cluster.beparams),
        "nicparams": _with_default(NICPARAMS_DEFAULTS, cluster.nicparams),
        "ndparams": filled_ndparams(cluster),
        "diskparams": filled_diskparams(_by_driver(host, DISK_TEMPLATES, {}), cluster),
        "ipolicy": filled_ipolicy(cluster),
    }


def _by_driver(
    host: PluginHost, kind: Kind[Any], configured: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Parameters of every loaded or configured driver of a kind."""
    return {
        name: fill(host.defaults(kind, name) if host.has(kind, name) else {},
                   configured.get(name, {}))
        for name in sorted({*host.names(kind), *configured})}


def _with_default(
    defaults: Mapping[str, Any], configured: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(("default", *configured))
    return {name: fill(defaults, configured.get(name, {})) for name in names}


def _collectors(cluster: Cluster, host: PluginHost) -> dict[str, Any]:
    configured: Mapping[str, Any] = cluster.other.get("data_collectors", {})
    names = sorted({*host.names(COLLECTORS), *configured})
    settings = {name: {"active": True, "interval": COLLECTOR_INTERVAL}
                | configured.get(name, {}) for name in names}
    return {
        "enabled_data_collectors": {name: found["active"] for name, found in settings.items()},
        "data_collector_interval": {name: found["interval"] for name, found in settings.items()},
    }


_VALUES: dict[str, Callable[[Snapshot], Any]] = {
    "cluster_name": lambda snapshot: snapshot.cluster.name,
    "master_node": lambda snapshot: snapshot.master.name,
    "drain_flag": lambda snapshot: snapshot.cluster.queue_drained,
    "watcher_pause": lambda snapshot: (
        None if snapshot.cluster.watcher_pause is None else int(snapshot.cluster.watcher_pause)),
    "volume_group_name": lambda snapshot: snapshot.cluster.volume_group_name or None,
}


def config_values(snapshot: Snapshot, names: Sequence[str]) -> list[Any]:
    """The answer to ``QueryConfigValues``: a value per name, None for one that is not known."""
    return [_VALUES[name](snapshot) if name in _VALUES else None for name in names]
