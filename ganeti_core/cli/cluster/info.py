"""``gnt-cluster info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.cluster.ganeti_names import OTHER_TITLES, SHOWN, VOLUME_TITLES
from ganeti_core.cli.document import Pairs, print_document
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.options import flag
from ganeti_core.cli.policy import policy_limits
from ganeti_core.cli.session import Command
from ganeti_core.cli.show_specs import FOR_CLUSTER
from ganeti_core.cli.table import format_time

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_CLUSTER_PARAMETERS = (
    ("candidate pool size", "candidate_pool_size"),
    ("maximal number of jobs running simultaneously", "max_running_jobs"),
    ("maximal number of jobs simultaneously tracked by the scheduler", "max_tracked_jobs"),
    ("mac prefix", "mac_prefix"),
    ("master netdev", "master_netdev"),
    ("master netmask", "master_netmask"),
    ("use external master IP address setup script", "use_external_mip_script"),
    *VOLUME_TITLES,
    ("lvm reserved volumes", "reserved_lvs"),
    *OTHER_TITLES,
    ("maintenance of node health", "maintain_node_health"),
    ("uid pool", "uid_pool"),
    ("default instance allocator", "default_iallocator"),
    ("default instance allocator parameters", "default_iallocator_params"),
    ("primary ip version", "primary_ip_version"),
    ("preallocation wipe disks", "prealloc_wipe_disks"),
    ("OS search path", "os_search_path"),
    ("ExtStorage Providers search path", "extstorage_search_path"),
    ("enabled disk templates", "enabled_disk_templates"),
    ("install image", "install_image"),
    ("instance communication network", "instance_communication_network"),
    ("zeroing image", "zeroing_image"),
    ("compression tools", "compression_tools"),
    ("enabled user shutdown", "enabled_user_shutdown"),
    ("files of the job queue", "job_queue_files"),
    ("modify ssh setup", "modify_ssh_setup"),
    ("ssh_key_type", "ssh_key_type"),
    ("ssh_key_bits", "ssh_key_bits"),
)
_AS_LISTS = frozenset({"compression_tools"})
_OURS = frozenset({"os_search_path", "extstorage_search_path", "job_queue_files"})
"""What Ganeti's clients know by themselves, or do not know; shown where the master says it."""


def _commas(values: Any, empty: str = "") -> str:
    return ", ".join(map(str, values)) if values else empty


def _parameter(name: str, value: Any) -> Any:
    if name == "reserved_lvs":
        return _commas(value, "(none)")
    if name == "uid_pool":
        return _commas(f"{low}-{high}" if low != high else str(low) for low, high in value or [])
    if isinstance(value, list) and name not in _AS_LISTS:
        return _commas(value)
    return value


def _collectors(info: dict[str, Any]) -> dict[str, Pairs]:
    intervals = info.get("data_collector_interval") or {}
    return {name: [("active", active),
                   ("interval", f"{intervals.get(name, 0) / 1_000_000:.3f}s")]
            for name, active in (info.get("enabled_data_collectors") or {}).items()}


def _document(info: dict[str, Any]) -> Pairs:
    enabled = info.get("enabled_hypervisors") or []
    return [
        ("Cluster name", info["name"]),
        ("Cluster UUID", info["uuid"]),
        ("Creation time", format_time(info["ctime"])),
        ("Modification time", format_time(info["mtime"])),
        ("Master node", info["master"]),
        ("Architecture (this node)", "{} ({})".format(*info["architecture"])),
        ("Tags", _commas(sorted(info["tags"]), "(none)")),
        ("Default hypervisor", info.get("default_hypervisor")),
        ("Enabled hypervisors", _commas(enabled)),
        ("Hypervisor parameters", {name: parameters for name, parameters
                                   in info["hvparams"].items() if name in enabled}),
        ("OS-specific hypervisor parameters", info["os_hvp"]),
        ("OS parameters", info["osparams"]),
        ("Hidden OSes", _commas(info["hidden_os"])),
        ("Blacklisted OSes", _commas(info["blacklisted_os"])),
        ("Cluster parameters", [
            *((title, _parameter(name, info.get(name))) for title, name in _CLUSTER_PARAMETERS
              if name in info or name not in _OURS),
            *(pair for pair in sorted(info.get("settings", {}).items()) if pair[0] not in SHOWN),
        ]),
        ("Default node parameters", info["ndparams"]),
        ("Default instance parameters", info["beparams"]),
        ("Default nic parameters", info["nicparams"]),
        ("Default disk parameters", info["diskparams"]),
        *((title, info[name]) for title, name in (
            ("Hypervisor state", "hv_state"), ("Disk state", "disk_state")) if name in info),
        ("Instance policy - limits for instances", policy_limits(info["ipolicy"])),
        ("Data collectors", _collectors(info)),
    ]


def _info(session: Session, _arguments: list[str]) -> int:
    as_data = wants_data(session)
    info = session.client.query_cluster_info()
    if as_data:
        print_data(info, session.options.format)
    else:
        print_document(_document(info))
    return 0


COMMANDS = {
    "info": Command(_info, "[--roman]", options=(
        flag("--roman", dest="roman_integers", help="Accepted for compatibility, no effect"),
        FORMAT)),
    "show-ispecs-cmd": FOR_CLUSTER,
}
