"""Make a cluster: certificates, the first node, the database. Runs without a master daemon."""

from __future__ import annotations

import ipaddress
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.config.codec import encode_object
from ganeti_core.config.database import Write
from ganeti_core.config.journal import Journal
from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.model import KINDS, Cluster, Node, NodeGroup, new_uuid
from ganeti_core.model.cluster import IPOLICY_DEFAULTS
from ganeti_core.node.services.cluster_files import remove_cluster_data
from ganeti_core.operations.cluster.settings_values import check_folder, checked_mac_prefix
from ganeti_core.operations.node.addresses import check_address
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugins import PluginHost
from ganeti_core.resolve import own_name, resolve
from ganeti_core.rpc import certs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.model import ConfigObject
    from ganeti_core.paths import Paths

DEFAULT_PORT = 1811
FILE_STORAGE = "/srv/ganeti/file-storage"
SHARED_FILE_STORAGE = "/srv/ganeti/shared-file-storage"
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


@dataclass(frozen=True)
class InitOptions:
    """What `gnt-cluster init` was asked for; names are those of its options."""

    cluster_name: str
    enabled_hypervisors: tuple[str, ...] = ("kvm",)
    enabled_disk_templates: tuple[str, ...] = ("sharedfile", "file", "diskless")
    master_netdev: str = "lo"
    master_netmask: int = 32
    mac_prefix: str = "aa:00:00"
    file_storage_dir: str = ""
    shared_file_storage_dir: str = ""
    hvparams: Mapping[str, Any] = field(default_factory=dict)
    beparams: Mapping[str, Any] = field(default_factory=dict)
    nicparams: Mapping[str, Any] = field(default_factory=dict)
    ndparams: Mapping[str, Any] = field(default_factory=dict)
    default_iallocator: str = "hail"
    candidate_pool_size: int = 10
    secondary_ip: str = ""
    os_search_path: tuple[str, ...] = ()
    node_name: str = ""
    port: int = DEFAULT_PORT

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Take the options of the command line; those that are None keep their default."""
        known = cls.__dataclass_fields__.keys()
        values: dict[str, Any] = {
            name: _words(value) if name.startswith("enabled_") else value
            for name, value in options.items()
            if name in known and value not in (None, "", {}, [], ())}
        # The command line gives ``[(hypervisor, parameters)]``, a program a dict.
        values["hvparams"] = dict(values.get("hvparams") or {})
        return cls(**values)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(value)


def init_cluster(paths: Paths, options: InitOptions) -> Cluster:
    """Make the cluster whose only node is this host.

    :raises OpPrereqError: there is one already, or an option is wrong
    :raises OSError: something cannot be written; in both cases nothing of the cluster is left
    """
    if paths.database.exists() or paths.ca_key.exists():
        raise OpPrereqError("Cluster is already initialised", ECODE_STATE)
    host = resolve(paths, options.node_name or own_name())
    cluster_host = resolve(paths, options.cluster_name)
    _check_values(options, host.address)
    plugins = PluginHost()
    plugins.load()
    _check_plugins(plugins, options)
    objects = _objects(options, (host.name, host.address), cluster_host.address)
    cluster, group, node = objects
    with all_or_nothing(paths):
        paths.make_directories()
        certs.create_authority(paths, cluster_host.name)
        fingerprint = certs.issue_local(paths, node.uuid, host.name)
        certs.write_candidates(paths, [fingerprint])
        certs.write_node_identity(paths, node.uuid, host.name, host.address, options.port)
        for folder in (cluster.file_storage_dir, cluster.shared_file_storage_dir):
            (paths.root / folder.lstrip("/")).mkdir(mode=0o750, parents=True, exist_ok=True)
        write_objects(paths, [cluster, group, _with_fingerprint(node, fingerprint)])
    return cluster


@contextmanager
def all_or_nothing(paths: Paths) -> Iterator[None]:
    """Around what makes a cluster here: half of one could neither be used nor be made again."""
    try:
        yield
    except BaseException:
        remove_cluster_data(paths)
        raise


def _with_fingerprint(node: Node, fingerprint: str) -> Node:
    return replace(node, fingerprint=fingerprint)


def _check_values(options: InitOptions, address: str) -> None:
    checked_mac_prefix(options.mac_prefix)
    for name in ("file_storage_dir", "shared_file_storage_dir"):
        check_folder(name, getattr(options, name))
    if options.secondary_ip:
        check_address(options.secondary_ip)
    width = ipaddress.ip_address(address).max_prefixlen
    if not 0 < int(options.master_netmask) <= width:
        raise OpPrereqError(
            f"CIDR netmask ({options.master_netmask}) not valid", ECODE_INVAL)


def _check_plugins(plugins: PluginHost, options: InitOptions) -> None:
    for name in options.enabled_hypervisors:
        plugins.describe(HYPERVISORS, name)
    for name in options.enabled_disk_templates:
        plugins.describe(DISK_TEMPLATES, name)
    for name, params in options.hvparams.items():
        plugins.check_parameters(HYPERVISORS, name, params)


def _objects(
    options: InitOptions, host: tuple[str, str], cluster_ip: str
) -> tuple[Cluster, NodeGroup, Node]:
    group_uuid, node_uuid = new_uuid(), new_uuid()
    name, address = host
    if cluster_ip == address and options.master_netdev != "lo":
        raise OpPrereqError(
            f"Cluster IP already active ({cluster_ip})", ECODE_EXISTS)
    node = Node(
        uuid=node_uuid, name=name, group=group_uuid, primary_ip=address,
        secondary_ip=options.secondary_ip or address, master_candidate=True, port=options.port)
    cluster = Cluster(
        uuid=new_uuid(), name=options.cluster_name, master_node=node_uuid, master_ip=cluster_ip,
        master_netdev=options.master_netdev, master_netmask=int(options.master_netmask),
        enabled_hypervisors=options.enabled_hypervisors,
        enabled_disk_templates=options.enabled_disk_templates,
        hvparams={key: dict(value) for key, value in options.hvparams.items()},
        beparams={"default": dict(options.beparams)},
        nicparams={"default": dict(options.nicparams)}, ndparams=dict(options.ndparams),
        ipolicy=IPOLICY_DEFAULTS | {"disk-templates": list(options.enabled_disk_templates)},
        default_iallocator=options.default_iallocator,
        mac_prefix=checked_mac_prefix(options.mac_prefix),
        file_storage_dir=options.file_storage_dir or FILE_STORAGE,
        shared_file_storage_dir=options.shared_file_storage_dir or SHARED_FILE_STORAGE,
        candidate_pool_size=options.candidate_pool_size, os_search_path=options.os_search_path)
    return cluster, NodeGroup(uuid=group_uuid, name="default"), node


def write_objects(paths: Paths, objects: list[ConfigObject]) -> None:
    """Write the first configuration, with epoch 1."""
    now = time.time()
    journal = Journal(paths.database)
    try:
        journal.write([
            *(Write("object", (_KIND_OF[type(value)], value.uuid),
                    encode_object(replace(value, ctime=now, mtime=now))) for value in objects),
            Write("meta", ("schema",), "1"), Write("meta", ("config_serial",), "1"),
            Write("meta", ("epoch",), "1"), Write("meta", ("last_job",), "0"),
        ])
    finally:
        journal.close()
