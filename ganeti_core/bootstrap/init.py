"""Make a cluster: certificates, the first node, the database. Runs without a master daemon."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Self, cast

from ganeti_core.bootstrap.draft import Draft, check_device, check_own_address
from ganeti_core.bootstrap.founding import all_or_nothing, new_cluster_here
from ganeti_core.bootstrap.renew import make_shared_files
from ganeti_core.config.codec import encode_object
from ganeti_core.config.database import Write
from ganeti_core.config.journal import Journal
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import ECODE_ENVIRON, ECODE_EXISTS, ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import KINDS, Cluster, Node, NodeGroup, new_uuid
from ganeti_core.model.cluster import IPOLICY_DEFAULTS
from ganeti_core.model.ganeti_settings import SETTING_OF
from ganeti_core.opcodes.cluster import ClusterSetParams
from ganeti_core.opcodes.registry import parse
from ganeti_core.opcodes.unavailable import asked_in_vain, refusal
from ganeti_core.operations.cluster.modify import new_values
from ganeti_core.operations.node.addresses import check_address
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_settings import declared, filled_settings
from ganeti_core.plugins import PluginHost
from ganeti_core.resolve import own_name, resolve, resolve_alike
from ganeti_core.rpc import certs
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.identity import DEFAULT_PORT
from ganeti_core.rpc.member_signatures import signed
from ganeti_core.rpc.members import Member, MemberList, members_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.model import ConfigObject
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.kinds import Kind

LOOPBACK = "lo"
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


@dataclass(frozen=True)
class InitOptions:
    """What `gnt-cluster init` was asked for.

    :param settings: parameters of OP_CLUSTER_SET_PARAMS; those that are not named are as in a new
        cluster (`new_cluster`)
    """

    cluster_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secondary_ip: str = ""
    os_search_path: tuple[str, ...] = ()
    node_name: str = ""
    port: int = DEFAULT_PORT

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Tell settings of the cluster from what is asked at init only; empty ones are left out."""
        given = {name: value for name, value in options.items()
                 if value not in (None, "", {}, [], ())}
        own = {name: value for name, value in given.items() if name in cls.__dataclass_fields__}
        return cls(**{**own, "settings": {
            name: value for name, value in given.items() if name not in own}})


def new_cluster(
    options: InitOptions, node: Node, master_ip: str, host: PluginHost
) -> Cluster:
    """The cluster before its settings are applied; drivers are named already, not yet checked.

    :raises OpPrereqError: a driver is needed, and none was named and none offers itself
    """
    asked = options.settings.get("enabled_disk_templates")
    templates = tuple(asked or _preferred(host, DISK_TEMPLATES, "--enabled-disk-templates"))
    hypervisors = options.settings.get("enabled_hypervisors") or _preferred(
        host, HYPERVISORS, "--enabled-hypervisors")[:1]
    return Cluster(
        uuid=new_uuid(), name=options.cluster_name, master_node=node.uuid, master_ip=master_ip,
        master_netdev=LOOPBACK, master_netmask=ipaddress.ip_address(master_ip).max_prefixlen,
        enabled_hypervisors=tuple(hypervisors),
        enabled_disk_templates=templates,
        ipolicy=IPOLICY_DEFAULTS | {"disk-templates": list(templates)},
        default_iallocator=next(iter(host.preferred(IALLOCATORS)), ""),
        settings=filled_settings(host, {}), os_search_path=options.os_search_path)


def _preferred(host: PluginHost, kind: Kind[Any], option: str) -> list[str]:
    found = host.preferred(kind)
    if not found:
        raise OpPrereqError(
            f"No {kind.title} was named, and none of this host is for clusters that name none: "
            f"use {option} (there are: {', '.join(host.names(kind)) or 'none'})", ECODE_INVAL)
    return found


def draft_of(paths: Paths, options: InitOptions, say: Callable[[str], None]) -> Draft:
    """The cluster as it would be without its settings.

    :raises OpPrereqError: this host's name or that of the cluster does not resolve
    """
    plugins = PluginHost()
    plugins.load()
    host = resolve(paths, options.node_name or own_name())
    cluster_host = resolve_alike(paths, options.cluster_name.lower())
    group = NodeGroup(uuid=new_uuid(), name="default")
    node = Node(
        uuid=new_uuid(), name=host.name, group=group.uuid, primary_ip=host.address,
        secondary_ip=options.secondary_ip or host.address, master_candidate=True,
        port=options.port)
    cluster = replace(new_cluster(options, node, cluster_host.address, plugins),
                      name=cluster_host.name)
    snapshot = Snapshot(objects={
        _KIND_OF[type(value)]: {value.uuid: value} for value in (cluster, group, node)})
    return Draft.of(paths, snapshot, plugins, say)


def init_cluster(
    paths: Paths, options: InitOptions, say: Callable[[str], None] = lambda _: None
) -> Cluster:
    """Make the cluster whose only node is this host; `say` gets notes for the administrator.

    :raises OpPrereqError: there is one already, this host is a node, or an option is wrong
    :raises OSError: something cannot be written; in both cases nothing of the cluster is left
    """
    with new_cluster_here(paths):
        return _make(paths, options, say)


def _make(paths: Paths, options: InitOptions, say: Callable[[str], None]) -> Cluster:
    draft = draft_of(paths, options, say)
    snapshot = draft.snapshot
    (group,), node = snapshot.groups.values(), snapshot.master
    cluster = _with_settings(options, draft)
    _check_addresses(options, cluster, node)
    _check_driver_settings(options, draft, cluster)
    with all_or_nothing(paths):
        certs.create_authority(paths, cluster.name)
        fingerprint = certs.issue_local(paths, node.uuid, node.name)
        first = Member(node.uuid, node.name, node.primary_ip, options.port, (fingerprint,), True)
        found_cluster(paths, MemberList(1, 1, (first,)))
        make_shared_files(paths, cluster.name)
        for folder in folders(draft.host, cluster.settings):
            (paths.root / folder.lstrip("/")).mkdir(mode=0o750, parents=True, exist_ok=True)
        write_objects(paths, [cluster, group, _with_fingerprint(node, fingerprint)])
        # Last: see `founding`.
        certs.write_node_identity(paths, node.uuid, node.name, node.primary_ip, options.port)
    return cluster


def folders(host: PluginHost, settings: Mapping[str, Any], capability: str = "") -> list[str]:
    """The folders that drivers use, as they are set.

    :param capability: only those of drivers that promise this
    """
    filled = filled_settings(host, settings)
    return [filled[name] for name, setting in declared(host).items()
            if setting.is_folder and filled[name] and (not capability or any(
                capability in host.describe(user.kind, user.name).capabilities
                for user in setting.users))]


def found_cluster(paths: Paths, members: MemberList) -> None:
    """Sign the first list of members, with the authority that was just made here."""
    write_private(members_file(paths), signed(members, certs.Authority.load(paths)).encode())


def _with_fingerprint(node: Node, fingerprint: str) -> Node:
    return replace(node, fingerprint=fingerprint)


def _with_settings(options: InitOptions, draft: Draft) -> Cluster:
    """The cluster with its settings.

    :raises OpPrereqError: one is wrong, or not available in this version
    """
    cluster = draft.snapshot.cluster
    # Those of the default are checked, too.
    asked = {"enabled_hypervisors": cluster.enabled_hypervisors,
             "enabled_disk_templates": cluster.enabled_disk_templates, **options.settings}
    plain = {name: list(value) if isinstance(value, tuple) else value
             for name, value in asked.items()}
    op = parse({"OP_ID": ClusterSetParams.op_id, "reason": [], **plain})
    if names := asked_in_vain(op):
        raise OpPrereqError(refusal(names), ECODE_INVAL)
    return replace(cluster, **new_values(cast("ClusterSetParams", op), draft))


def _check_addresses(options: InitOptions, cluster: Cluster, node: Node) -> None:
    """:raises OpPrereqError: an address or a device is not one of this host"""
    if options.secondary_ip:
        check_address(options.secondary_ip)
        check_own_address(options.secondary_ip)
    check_device(cluster.master_netdev)
    if cluster.master_ip == node.primary_ip and cluster.master_netdev != LOOPBACK:
        raise OpPrereqError(f"Cluster IP already active ({cluster.master_ip})", ECODE_EXISTS)


def _check_driver_settings(options: InitOptions, draft: Draft, cluster: Cluster) -> None:
    """Let disk templates look at this host, for which something was set that is no folder.

    :raises OpPrereqError: one cannot be used here as it is set
    """
    given = {SETTING_OF[name] for name in options.settings if name in SETTING_OF}
    given |= dict(options.settings.get("driver_settings") or {}).keys()
    here = draft.with_cluster(cluster)
    for name, setting in declared(draft.host).items():
        users = [user.name for user in setting.users if user.kind.name == DISK_TEMPLATES.name
                 and user.name in cluster.enabled_disk_templates]
        if name not in given or setting.is_folder or not cluster.settings.get(name):
            continue
        for template in users:
            for problem in here.hook(draft.snapshot.master, DISK_TEMPLATES, template, "verify"):
                why = problem if isinstance(problem, str) else problem["message"]
                raise OpPrereqError(
                    f"Disk template {template} cannot be used on this host with {name} "
                    f"'{cluster.settings[name]}': {why}", ECODE_ENVIRON)


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
