"""The ``ssconf`` files: small facts of the configuration that every node keeps as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS
from ganeti_core.model.params import fill, filled_ndparams
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_settings import filled_settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugins import PluginHost

RELEASE_VERSION = "3.0.2"
"""What Ganeti's tools find: the version whose formats are spoken."""


def candidates_of(snapshot: Snapshot) -> list[Node]:
    """The nodes that may become master, the master itself included."""
    master = snapshot.cluster.master_node
    return [node for node in snapshot.nodes.values()
            if node.master_candidate or node.uuid == master]


def ssconf_values(snapshot: Snapshot, host: PluginHost) -> dict[str, str]:
    """The content of every file, by name without the prefix."""
    return {**_cluster_values(snapshot), **_folders(snapshot, host),
            **_parameters(snapshot, host), **_documents(snapshot, host)}


def _folders(snapshot: Snapshot, host: PluginHost) -> dict[str, str]:
    filled = filled_settings(host, snapshot.cluster.settings)
    return {setting.name: str(filled.get(setting.name) or "")
            for setting in GANETI_SETTINGS if setting.is_folder}


def _documents(snapshot: Snapshot, host: PluginHost) -> dict[str, str]:
    """What Ganeti has no file for, as JSON: settings of hooks that a node calls by itself."""
    return {
        "data_collectors": json.dumps(snapshot.cluster.other.get("data_collectors", {}),
                                      sort_keys=True),
        "hook_settings": json.dumps(settings_of(host, snapshot), sort_keys=True)}


def _parameters(snapshot: Snapshot, host: PluginHost) -> dict[str, str]:
    """``hvparams_NAME`` of each hypervisor: a parameter a line."""
    cluster = snapshot.cluster
    values: dict[str, str] = {}
    for name in cluster.enabled_hypervisors:
        try:
            filled = fill(host.defaults(HYPERVISORS, name), cluster.hvparams.get(name, {}))
        except GanetiError:
            continue  # a plugin that is broken here: nodes keep what they know
        values[f"hvparams_{name}"] = _lines(
            f"{key}={'' if value is None else value}" for key, value in sorted(filled.items()))
    return values


def _cluster_values(snapshot: Snapshot) -> dict[str, str]:
    cluster = snapshot.cluster
    nodes = sorted(snapshot.nodes.values(), key=lambda node: node.name)
    candidates = candidates_of(snapshot)
    return {
        "cluster_name": cluster.name, "cluster_tags": _lines(sorted(cluster.tags)),
        "master_node": snapshot.master.name, "master_ip": cluster.master_ip,
        "master_netdev": cluster.master_netdev, "master_netmask": str(cluster.master_netmask),
        "primary_ip_family": str(cluster.primary_ip_family),
        "hypervisor_list": _lines(cluster.enabled_hypervisors),
        "maintain_node_health": str(cluster.maintain_node_health),
        "enabled_user_shutdown": str(cluster.enabled_user_shutdown),
        "uid_pool": _lines(f"{low}-{high}" for low, high in cluster.uid_pool),
        "release_version": RELEASE_VERSION,
        "instance_list": _lines(sorted(i.name for i in snapshot.instances.values())),
        "node_list": _lines(node.name for node in nodes),
        "node_primary_ips": _lines(f"{node.name} {node.primary_ip}" for node in nodes),
        "node_secondary_ips": _lines(
            f"{node.name} {node.secondary_ip or node.primary_ip}" for node in nodes),
        "node_vm_capable": _lines(f"{node.name}={node.vm_capable}" for node in nodes),
        "ssh_ports": _lines(f"{node.name}={_ssh_port(snapshot, node)}" for node in nodes),
        "offline_nodes": _lines(node.name for node in nodes if node.offline),
        "online_nodes": _lines(node.name for node in nodes if not node.offline),
        "master_candidates": _lines(node.name for node in candidates),
        "master_candidates_ips": _lines(node.primary_ip for node in candidates),
        "master_candidates_certs": _lines(
            f"{node.uuid}={node.fingerprint}" for node in candidates),
        "nodegroups": _lines(f"{g.uuid} {g.name}" for g in snapshot.groups.values()),
        "networks": _lines(f"{n.uuid} {n.name}" for n in snapshot.networks.values()),
    }


def _lines(words: Iterable[str]) -> str:
    return "\n".join(words)


def _ssh_port(snapshot: Snapshot, node: Node) -> Any:
    return filled_ndparams(snapshot.cluster, snapshot.groups.get(node.group), node)["ssh_port"]


def distribute(ctx: OpContext, asked: Iterable[Node] = ()) -> list[str]:
    """Wait until every node that is not offline has the files; return the names of the others.

    A node that is silent now gets them when it answers again; its own job is not to know better.

    :param asked: nodes that get everything again, and are waited for even if they were silent
    """
    failed = ctx.services.spread(frozenset(node.uuid for node in asked))
    for name, problem in failed.items():
        ctx.warn(f"could not send the configuration's files to {name}: {problem}")
    return list(failed)
