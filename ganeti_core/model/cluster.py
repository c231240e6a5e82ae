"""The cluster and its node groups: defaults that nodes and instances inherit."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass

from .base import ConfigObject, Params

BEPARAMS_DEFAULTS: Params = {
    "always_failover": False, "auto_balance": True, "maxmem": 128, "minmem": 128,
    "spindle_use": 1, "vcpus": 1,
}
NDPARAMS_DEFAULTS: Params = {
    "cpu_speed": 1.0, "exclusive_storage": False, "oob_program": "", "ovs": False, "ovs_link": "",
    "ovs_name": "switch1", "spindle_count": 1, "ssh_port": 22,
}
HV_STATE_DEFAULTS: Params = {
    "cpu_node": 1, "cpu_total": 1, "mem_hv": 0, "mem_node": 0, "mem_total": 0}
"""What an administrator says of nodes under one hypervisor; these values say nothing. MiB."""
DISK_STATE_DEFAULTS: Params = {"disk_overhead": 0, "disk_reserved": 0, "disk_total": 0}
"""The same of one storage of nodes, MiB."""
IPOLICY_DEFAULTS: Params = {
    "minmax": [{
        "min": {"cpu-count": 1, "disk-count": 0, "disk-size": 0, "memory-size": 4,
                "nic-count": 0, "spindle-use": 0},
        "max": {"cpu-count": 16, "disk-count": 16, "disk-size": 1048576, "memory-size": 65536,
                "nic-count": 8, "spindle-use": 16},
    }],
    "std": {"cpu-count": 1, "disk-count": 1, "disk-size": 128, "memory-size": 128,
            "nic-count": 1, "spindle-use": 1},
    "disk-templates": [], "vcpu-ratio": 4.0, "spindle-ratio": 32.0,
}


@dataclass(frozen=True, kw_only=True)
class Cluster(ConfigObject):
    """The one cluster object.

    Parameters are sparse: what a plugin's own defaults say is not repeated here.

    :param master_node: uuid of the master
    :param highest_used_port: instance ports are granted above it when none was given back
    :param tcpudp_port_pool: ports given back
    :param settings: what drivers declare in `Description.settings`, by name
    :param max_running_jobs: jobs that may run at once; `max_tracked_jobs` is kept and shown only:
        here all jobs are tracked, and it costs nothing
    :param upgrade_to: the version of an upgrade that was begun and has not ended
    :param upgrade_keeps_drained: the queue had been drained before that, and stays so
    :param job_queue_files: whether the master keeps Ganeti's files of jobs, as an export
    """

    name: str
    master_node: str
    master_ip: str = ""
    master_netdev: str = ""
    master_netmask: int = 32
    use_external_mip_script: bool = False
    primary_ip_family: int = 2
    enabled_hypervisors: tuple[str, ...] = ()
    enabled_disk_templates: tuple[str, ...] = ()
    hvparams: dict[str, Params] = field(default_factory=dict)
    os_hvp: dict[str, dict[str, Params]] = field(default_factory=dict)
    beparams: dict[str, Params] = field(default_factory=lambda: {"default": {}})
    nicparams: dict[str, Params] = field(default_factory=lambda: {"default": {}})
    ndparams: Params = field(default_factory=dict)
    diskparams: dict[str, Params] = field(default_factory=dict)
    osparams: dict[str, dict[str, str]] = field(default_factory=dict)
    osparams_private_cluster: dict[str, dict[str, str]] = field(default_factory=dict)
    ipolicy: Params = field(default_factory=dict)
    default_iallocator: str = ""
    default_iallocator_params: Params = field(default_factory=dict)
    mac_prefix: str = "aa:00:00"
    reserved_lvs: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    hidden_os: tuple[str, ...] = ()
    blacklisted_os: tuple[str, ...] = ()
    os_search_path: tuple[str, ...] = ()
    iallocator_search_path: tuple[str, ...] = ()
    disabled_plugins: tuple[str, ...] = ()
    candidate_pool_size: int = 10
    max_running_jobs: int = 20
    max_tracked_jobs: int = 25
    highest_used_port: int = 10999
    tcpudp_port_pool: tuple[int, ...] = ()
    queue_drained: bool = False
    job_queue_files: bool = False
    watcher_pause: float | None = None
    upgrade_to: str = ""
    upgrade_keeps_drained: bool = False
    maintain_node_health: bool = False
    prealloc_wipe_disks: bool = False
    uid_pool: tuple[tuple[int, int], ...] = ()
    install_image: str = ""
    zeroing_image: str = ""
    instance_communication_network: str = ""
    compression_tools: tuple[str, ...] = ("gzip", "gzip-fast", "gzip-slow")
    enabled_user_shutdown: bool = False
    hv_state_static: Params = field(default_factory=dict)
    disk_state_static: Params = field(default_factory=dict)
    modify_etc_hosts: bool = False
    other: Params = field(default_factory=dict)
    """What an imported configuration held that we have no use for; exported again unchanged."""


@dataclass(frozen=True, kw_only=True)
class NodeGroup(ConfigObject):
    """Nodes among which instances move; parameters here override the cluster's."""

    name: str
    alloc_policy: Literal["preferred", "last_resort", "unallocable"] = "preferred"
    ndparams: Params = field(default_factory=dict)
    diskparams: dict[str, Params] = field(default_factory=dict)
    ipolicy: Params = field(default_factory=dict)
    networks: dict[str, Params] = field(default_factory=dict)
    hv_state_static: Params = field(default_factory=dict)
    disk_state_static: Params = field(default_factory=dict)
    other: Params = field(default_factory=dict)
