"""Choose nodes: builds the allocator's document from one snapshot and the nodes' live answers.

Holds no node lock: memory that running creations have chosen but not committed is set aside in
the reservations, and counted as used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_FAULT,
    ECODE_INVAL,
    ECODE_NORES,
    GanetiError,
    OpExecError,
    OpPrereqError,
)
from ganeti_core.model.params import (
    filled_beparams,
    filled_ipolicy,
    filled_ndparams,
    filled_nicparams,
)
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.query.live import NodeLive, host_facts, running, spaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster, Disk, Instance, Node
    from ganeti_core.operations.context import OpContext

VERSION = 2


def choose_nodes(ctx: OpContext, allocator: str, request: dict[str, Any]) -> list[str]:
    """Ask an allocator for the nodes of one instance; answers their names.

    :raises OpPrereqError: it found none (`ECODE_NORES`)
    """
    answer = ask_allocator(ctx, allocator, request)
    if not answer.get("success"):
        raise OpPrereqError(
            f"Can't compute nodes using iallocator '{allocator}': {answer.get('info', '')}",
            ECODE_NORES)
    result = answer.get("result")
    if not isinstance(result, list) or len(result) != request.get("required_nodes", 1):
        raise OpPrereqError(
            f"iallocator '{allocator}' returned invalid number of nodes", ECODE_FAULT)
    return [str(name) for name in result]


def ask_allocator(ctx: OpContext, allocator: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to an allocator.

    :raises OpExecError: there is no such allocator, or it broke
    """
    if not ctx.host.has(IALLOCATORS, allocator):
        raise OpExecError(f"Failure while running the iallocator script: iallocator module "
                          f"'{allocator}' not found in the search path")
    document = cluster_document(ctx) | {"request": request}
    return ctx.services.allocators.ask(allocator, "solve", document, ctx.cancelled)


def explain_choice(ctx: OpContext, allocator: str, request: dict[str, Any]) -> None:
    """Tell the job's owner how an allocator sees every node.

    :raises NotSupported: the allocator cannot explain
    """
    document = cluster_document(ctx) | {"request": request}
    answer = ctx.services.allocators.ask(allocator, "explain", document, ctx.cancelled)
    for line in str(answer.get("text", "")).splitlines():
        ctx.feedback(line)


def default_allocator(ctx: OpContext, asked: str | None) -> str:
    """:raises OpPrereqError: none was asked for and the cluster has no default (`ECODE_INVAL`)"""
    name = asked if asked not in (None, ".") else ctx.snapshot.cluster.default_iallocator
    if not name:
        raise OpPrereqError(
            "No iallocator or node on which to place the instance was given, and the cluster has "
            "no default iallocator", ECODE_INVAL)
    return name


def cluster_document(ctx: OpContext) -> dict[str, Any]:
    """The cluster's state as the protocol has it, without the request."""
    snapshot = ctx.current
    cluster = snapshot.cluster
    ipolicy = filled_ipolicy(cluster)
    instances = ctx.services.instance_documents.all(snapshot)
    return {
        "version": VERSION,
        "cluster_name": cluster.name,
        "cluster_tags": list(cluster.tags),
        "enabled_hypervisors": list(cluster.enabled_hypervisors),
        "ipolicy": ipolicy,
        "nodegroups": {
            group.uuid: {
                "name": group.name, "alloc_policy": group.alloc_policy,
                "networks": list(group.networks), "tags": list(group.tags),
                "ipolicy": filled_ipolicy(cluster, group),
            } for group in snapshot.groups.values()},
        "nodes": _nodes(ctx, snapshot, instances),
        "instances": instances,
    }


def _nodes(
    ctx: OpContext, snapshot: Snapshot, instances: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    cluster = snapshot.cluster
    questions = frozenset({
        *(question(name) for name in cluster.enabled_hypervisors
          for question in (host_facts, running)),
        *(spaces(name) for name in cluster.enabled_disk_templates)})
    asked = [node for node in snapshot.nodes.values() if node.vm_capable and not node.offline]
    live = ctx.services.live.gather(asked, questions)
    primaries: dict[str, dict[str, dict[str, Any]]] = {}
    for name, document in instances.items():
        primaries.setdefault(document["nodes"][0], {})[name] = document
    return {
        node.name: _node(
            snapshot, node, available=ctx.chosen is None or node.uuid in ctx.chosen,
        ) | _node_live(
            ctx, node, live.get(node.uuid), primaries.get(node.name, {}))
        for node in snapshot.nodes.values()}


def _node(snapshot: Snapshot, node: Node, *, available: bool) -> dict[str, Any]:
    group = snapshot.groups[node.group]
    return {
        "tags": list(node.tags), "primary_ip": node.primary_ip,
        "secondary_ip": node.secondary_ip or node.primary_ip,
        "offline": node.offline or not available,
        "drained": node.drained, "master_candidate": node.master_candidate, "group": node.group,
        "master_capable": node.master_capable, "vm_capable": node.vm_capable,
        "ndparams": filled_ndparams(snapshot.cluster, group, node),
    }


def _node_live(
    ctx: OpContext, node: Node, live: NodeLive | GanetiError | None,
    primaries: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    """The dynamic part; a silent node has none, as an offline one.

    :param primaries: documents of the instances whose primary node it is, by name
    """
    if not isinstance(live, NodeLive):
        return {}
    cluster = ctx.current.cluster
    facts = live.facts(cluster.enabled_hypervisors[0])
    if facts is None:
        return {}
    reserved = ctx.services.reservations.held_on(node.uuid, ctx.owner)
    total_disk, free_disk = _space(live, cluster.enabled_disk_templates)
    memory = {name: document["memory"] for name, document in primaries.items()}
    up = [name for name, document in primaries.items() if document["admin_state"] == "up"]
    # An instance may use less than it may have: what it does not use now is not free.
    unused = sum(max(0, memory[name] - _used(live, name)) for name in up)
    return {
        "total_memory": facts.memory_total, "reserved_memory": facts.memory_host,
        "free_memory": facts.memory_free - unused - reserved.memory,
        "total_disk": total_disk, "free_disk": free_disk - reserved.disk,
        "total_spindles": 0, "free_spindles": 0, "total_cpus": facts.cpu_total,
        "reserved_cpus": 1, "i_pri_memory": sum(memory.values()) + reserved.memory,
        "i_pri_up_memory": sum(memory[name] for name in up) + reserved.memory,
    }


def _used(live: NodeLive, name: str) -> int:
    guest = live.guests.get(name)
    return guest.memory if guest is not None else 0


def _space(live: NodeLive, templates: Sequence[str]) -> tuple[int, int]:
    """Total and free MiB of the first storage that a template of the cluster has there."""
    for template in templates:
        for space in live.spaces(template) or ():
            return space.total, space.free
    return 0, 0


class InstanceDocuments:
    """The instances' part of the document, each made once per change of what it is made of.

    An unchanged instance has the very same dict in the next document, so that an allocator can
    know by identity what it has read before. Documents are read-only.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def all(self, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
        """The documents by instance name."""
        gone = self._known.keys() - snapshot.instances.keys()
        for uuid in gone:
            self._known.pop(uuid, None)
        return {instance.name: self._one(snapshot, instance)
                for instance in snapshot.instances.values()}

    def _one(self, snapshot: Snapshot, instance: Instance) -> dict[str, Any]:
        disks = snapshot.disks_of(instance)
        nodes = tuple(snapshot.nodes[uuid].name
                      for uuid in (instance.primary_node, *instance.secondary_nodes))
        made_of = (instance, snapshot.cluster, disks, nodes)
        known = self._known.get(instance.uuid)
        # Snapshots share the objects that did not change.
        if known is not None and all(a is b for a, b in zip(known[0][:2], made_of[:2], strict=True)
                                     ) and known[0][2:] == made_of[2:]:
            return known[1]
        document = _instance(snapshot.cluster, instance, disks, nodes)
        self._known[instance.uuid] = (made_of, document)
        return document


def _instance(
    cluster: Cluster, instance: Instance, disks: Sequence[Disk], nodes: Sequence[str]
) -> dict[str, Any]:
    beparams = filled_beparams(cluster, instance)
    return {
        "tags": list(instance.tags), "admin_state": instance.admin_state,
        "vcpus": beparams["vcpus"], "memory": beparams["maxmem"],
        "spindle_use": beparams["spindle_use"], "os": instance.os,
        "nodes": list(nodes),
        "nics": [nic_document({"mac": nic.mac, "ip": nic.ip,
                               **filled_nicparams(cluster, nic)})
                 for nic in instance.nics],
        "disks": [{"dev_type": disk.template, "size": disk.size, "mode": disk.mode,
                   "spindles": disk.spindles} for disk in disks],
        "disk_template": instance.disk_template, "disks_active": instance.disks_active,
        "hypervisor": instance.hypervisor, "disk_space_total": sum(disk.size for disk in disks),
    }


def nic_document(nic: Mapping[str, Any]) -> dict[str, Any]:
    """A network card as the protocol has it."""
    document = {name: nic.get(name) for name in ("mac", "ip", "mode", "link")}
    if nic.get("mode") == "bridged":
        document["bridge"] = nic.get("link")
    return document
