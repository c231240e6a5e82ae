"""The cluster as one document, and single values of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core import __version__
from ganeti_core.model import fill
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS, LISTED, NICPARAMS_DEFAULTS
from ganeti_core.model.params import filled_diskparams, filled_ipolicy, filled_ndparams
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.extstorage import EXTSTORAGE
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.plugin_settings import filled_settings, settings_of
from ganeti_core.query.template_needs import template_needs
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
"""Microseconds between two runs of a collector that is configured and not installed here."""

_AS_THEY_ARE = (
    "enabled_hypervisors", "os_hvp", "osparams", "candidate_pool_size", "max_running_jobs",
    "max_tracked_jobs", "mac_prefix", "master_netdev", "master_netmask",
    "use_external_mip_script", "maintain_node_health", "ctime", "mtime", "uuid", "serial_no",
    "uid_pool", "default_iallocator", "default_iallocator_params", "reserved_lvs",
    "prealloc_wipe_disks", "hidden_os", "blacklisted_os", "enabled_disk_templates", "install_image",
    "zeroing_image", "compression_tools", "enabled_user_shutdown",
    "instance_communication_network",
)
# What nothing here uses; an imported configuration keeps its values.
_UNUSED = {
    "modify_ssh_setup": True, "ssh_key_type": "rsa", "ssh_key_bits": 2048,
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
        "core_version": __version__,
        "architecture": architecture(),
        "name": cluster.name,
        "master": snapshot.master.name,
        "default_hypervisor": hypervisors[0] if hypervisors else "",
        "tags": sorted(cluster.tags),
        "primary_ip_version": 4 if cluster.primary_ip_family == 2 else 6,
        **values,
        **_settings(cluster, host),
        "disk_template_needs": template_needs(host),
        "storage_types": _storage_types(host),
        **{name: cluster.other.get(name, default) for name, default in _UNUSED.items()},
        **({"job_queue_files": True} if cluster.job_queue_files else {}),
        **({"hv_state": cluster.hv_state_static} if cluster.hv_state_static else {}),
        **({"disk_state": cluster.disk_state_static} if cluster.disk_state_static else {}),
        "os_search_path": host.search_path(OS_DEFINITIONS, {
            "os_search_path": list(cluster.os_search_path)}),
        "extstorage_search_path": host.search_path(EXTSTORAGE, {}),
        **_parameters(cluster, host),
        **_collectors(cluster, host),
    }


def _settings(cluster: Cluster, host: PluginHost) -> dict[str, Any]:
    """Settings of drivers: all in one table, and Ganeti's in their own places."""
    filled = filled_settings(host, cluster.settings)
    return {**{setting.name: filled.get(setting.name) or setting.empty
               for setting in GANETI_SETTINGS}, "settings": filled}


def _storage_types(host: PluginHost) -> list[str]:
    """The types of storage units that disk templates know, enabled or not, and their own names."""
    return sorted({kind for name in host.names(DISK_TEMPLATES)
                   for kind in (name, *host.describe(DISK_TEMPLATES, name).storage_types)})


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
    settings = {name: {"active": True, "interval": _interval(host, name)}
                | configured.get(name, {}) for name in names}
    return {
        "enabled_data_collectors": {name: found["active"] for name, found in settings.items()},
        "data_collector_interval": {name: found["interval"] for name, found in settings.items()},
    }


def _interval(host: PluginHost, name: str) -> int:
    """Microseconds between two runs of a collector, as it says itself."""
    if not host.has(COLLECTORS, name):
        return COLLECTOR_INTERVAL
    return round(host.describe(COLLECTORS, name).interval * 1_000_000)


_VALUES: dict[str, Callable[[Snapshot], Any]] = {
    "cluster_name": lambda snapshot: snapshot.cluster.name,
    "master_node": lambda snapshot: snapshot.master.name,
    "drain_flag": lambda snapshot: snapshot.cluster.queue_drained,
    "watcher_pause": lambda snapshot: (
        None if snapshot.cluster.watcher_pause is None else int(snapshot.cluster.watcher_pause)),
}
_SETTINGS = {setting.name: setting for setting in LISTED}
CONFIG_VALUES = (*_VALUES, *_SETTINGS)
"""The names that `config_values` knows."""
HOOK_SETTINGS = "hook_settings"
"""Under this name it returns what hooks get as settings of the cluster: other daemons call some."""


def config_values(snapshot: Snapshot, host: PluginHost, names: Sequence[str]) -> list[Any]:
    """The answer to ``QueryConfigValues``: a value per name, None for one that is not known."""
    settings = filled_settings(host, snapshot.cluster.settings)

    def value(name: str) -> Any:
        if name in _SETTINGS:
            return settings.get(name) or _SETTINGS[name].empty
        if name == HOOK_SETTINGS:
            return settings_of(host, snapshot)
        return _VALUES[name](snapshot) if name in _VALUES else None

    return [value(name) for name in names]
