"""The document that allocators are sent: one snapshot, and what the nodes say of themselves now.

No node is locked for it: memory that running jobs have chosen but not committed is set aside in the
reservations, and counted as used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import (
    filled_beparams,
    filled_ipolicy,
    filled_ndparams,
    filled_nicparams,
)
from ganeti_core.operations.placement.disk_space import NodeRoom, set_aside
from ganeti_core.operations.placement.lacking import lacking
from ganeti_core.operations.placement.stated import stated_memory, stated_space
from ganeti_core.plugin_api.data import StorageSpace
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE, NO_DISKS
from ganeti_core.query.live import NodeLive, host_facts, running, spaces
from ganeti_core.query.template_needs import template_needs
from ganeti_core.specs.disks import disk_spec
from ganeti_core.specs.instances import bridge_of
from ganeti_core.specs.storages import (
    NewDisks,
    default_storages,
    space_for_disks,
    space_in,
    space_needed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.reservations import Reserved, Storage
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.errors import GanetiError
    from ganeti_core.model import Cluster, Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest
    from ganeti_core.plugins import PluginHost

VERSION = 2
SECONDARY = "allocate-secondary"
"""The request for a node of an instance's copies, which it has not yet."""


@dataclass(frozen=True)
class Request:
    """What an allocator is asked.

    :param body: as the protocol has it
    :param disks: of an instance that is to be placed, with their options, which the protocol lacks
    """

    body: Mapping[str, Any]
    disks: Sequence[DiskRequest] = ()

    @property
    def template(self) -> str:
        """The disk template that an existing instance is to have in the place of its own."""
        return str(self.body["disk_template"]) if self.body["type"] == SECONDARY else ""


def cluster_document(ctx: OpContext, request: Request) -> dict[str, Any]:
    """Return the cluster's state as the protocol has it, with the request."""
    # Read in this order, so that a guest that is just started is not missed.
    reserved = ctx.services.reservations.reserved_before(ctx.owner)
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
        "disk_templates": _templates(ctx, snapshot),
        "nodes": _Nodes(ctx, snapshot, request, *_counted_storages(ctx, snapshot, request),
                        reserved).documents(instances),
        "instances": instances,
        "request": request.body,
    }


def _templates(ctx: OpContext, snapshot: Snapshot) -> dict[str, Any]:
    """What an allocator may have to know of disk templates, as not only Ganeti's own are used."""
    used = {instance.disk_template for instance in snapshot.instances.values()}
    used.update(snapshot.cluster.enabled_disk_templates)
    return {name: needs for name, needs in template_needs(ctx.host).items() if name in used}


def _counted_storages(
    ctx: OpContext, snapshot: Snapshot, request: Request
) -> tuple[Mapping[str, Storage], Mapping[str, Storage]]:
    """Which storage's space counts, by node group, and which instead where no node has such ones.

    It is the one in which the request's disks will lie. Of several instances it is the cluster's
    default, as with hypervisors; and of one that has no disks, or whose disks lie on no node, where
    Ganeti says that no node has any space, so that mirrored instances seem to fit nowhere.
    """
    default = default_storages(snapshot, ctx.on_master, ctx.services.settings(snapshot))
    storages = _storages(ctx, snapshot, request) or default
    promises = [ctx.host.describe(DISK_TEMPLATES, template).capabilities
                for template, _ in storages.values() if ctx.host.has(DISK_TEMPLATES, template)]
    on_nodes = all(LOCAL_SPACE in promised for promised in promises)
    return storages, {} if on_nodes else default


def _storages(
    ctx: OpContext, snapshot: Snapshot, request: Request
) -> Mapping[str, Storage]:
    body = request.body
    # In full: a new instance may have the first part of another one's name.
    instance = snapshot.instances.get(
        snapshot.names.get("instance", {}).get(str(body.get("name")), ""))
    if instance is not None and not request.template:
        needed = space_needed(ctx.on_master, (
            disk_spec(snapshot, ctx.host, disk, index, instance.name)
            for index, disk in enumerate(snapshot.disks_of(instance))))
        if needed.main is not None:
            return dict.fromkeys(snapshot.groups, needed.main)
    settings = ctx.services.settings(snapshot)
    template = request.template or (
        body.get("disk_template") if instance is None else instance.disk_template)
    if (template is not None and ctx.host.has(DISK_TEMPLATES, template)
            and NO_DISKS not in ctx.host.describe(DISK_TEMPLATES, template).capabilities):
        return NewDisks(snapshot, ctx.on_master, settings, template, request.disks).by_group()
    return {}


@dataclass(frozen=True)
class _Nodes:
    """The nodes' part of the document.

    :param storages: whose space counts, by node group
    :param default: whose space counts instead on a node that says of no such storage at all
    :param reserved: what jobs have set aside
    """

    ctx: OpContext
    snapshot: Snapshot
    request: Request
    storages: Mapping[str, Storage]
    default: Mapping[str, Storage]
    reserved: Reserved

    def documents(self, instances: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Return them by name.

        :param instances: the documents of all instances, by name
        """
        snapshot = self.snapshot
        questions = frozenset({
            *(question(name) for name in snapshot.cluster.enabled_hypervisors
              for question in (host_facts, running)),
            *(spaces(template) for template, _ in (
                *self._counted, *self.reserved.storages))})
        asked = {node.uuid: node for node in snapshot.nodes.values()
                 if node.vm_capable and not node.offline}
        live = self.ctx.services.live.gather(list(asked.values()), questions)
        lacks = lacking(self.ctx, snapshot, list(asked.values()), self.request.body,
                        self.request.template)
        primaries: dict[str, dict[str, dict[str, Any]]] = {}
        for name, document in instances.items():
            primaries.setdefault(document["nodes"][0], {})[name] = document
        chosen = self.ctx.chosen
        documents = {}
        for node in snapshot.nodes.values():
            known = self._live(node, live.get(node.uuid), primaries.get(node.name, {}))
            documents[node.name] = _node(
                snapshot, node, available=chosen is None or node.uuid in chosen,
                silent=node.uuid in asked and not known, lacks=lacks.get(node.uuid, "")) | known
        return documents

    def _live(
        self, node: Node, live: NodeLive | GanetiError | None,
        primaries: Mapping[str, dict[str, Any]],
    ) -> dict[str, Any]:
        """The dynamic part; a silent node has none, as an offline one.

        :param live: what the node said
        :param primaries: documents of the instances whose primary node it is, by name
        """
        facts = live.host if isinstance(live, NodeLive) else None
        if not isinstance(live, NodeLive) or facts is None:
            return {}
        disk = self._space(node, live)
        memory = {name: document["memory"] for name, document in primaries.items()}
        # Those that are up and live here are counted with all that they may use, below.
        up = [name for name, document in primaries.items() if document["admin_state"] == "up"]
        # A guest whose job is not over may have begun between the node's word on its memory and
        # that on its guests: it is counted twice for a moment rather than never.
        held = self.reserved.memory(node.uuid, settled=set(up).__contains__)
        # An instance may use less than it may have: what it does not use now is not free.
        beginning = self.reserved.names(node.uuid)
        unused = sum(memory[name] if name in beginning
                     else max(0, memory[name] - _used(live, name)) for name in up)
        stated = stated_memory(self.snapshot, node, facts)
        return {
            "total_memory": stated.total, "reserved_memory": stated.reserved,
            "free_memory": facts.memory_free - stated.withheld - unused - held,
            "total_disk": disk.total, "free_disk": disk.free,
            "total_spindles": disk.spindles, "free_spindles": disk.free_spindles,
            "total_cpus": stated.cpus,
            "reserved_cpus": stated.reserved_cpus, "i_pri_memory": sum(memory.values()) + held,
            "i_pri_up_memory": sum(memory[name] for name in up) + held,
        }

    @property
    def _counted(self) -> tuple[Storage, ...]:
        return *self.storages.values(), *self.default.values()

    def _room(self, live: NodeLive) -> NodeRoom:
        return NodeRoom({template: live.spaces(template) or ()
                         for template, _ in (*self._counted, *self.reserved.storages)})

    def _space(self, node: Node, live: NodeLive) -> StorageSpace:
        """Return the storage that counts on the node, as jobs leave it; zeros if it cannot say."""
        storage = self.storages.get(node.group)
        if storage and not live.spaces(storage[0]):
            storage = self.default.get(node.group, storage)
        space = space_in(live.spaces(storage[0]) or (), storage[1]) if storage else None
        if storage is None or space is None:
            return StorageSpace("", 0, 0)
        exclusive = filled_ndparams(self.snapshot.cluster, self.snapshot.groups.get(node.group),
                                    node)["exclusive_storage"]
        space = space_for_disks(space, exclusive=exclusive)
        total, withheld = stated_space(self.snapshot, node, storage[0], space)
        free = space.free - withheld - set_aside(
            self.ctx, self.reserved, storage, node, self._room(live))
        return StorageSpace(
            space.name, total, free, space.spindles if exclusive else 0,
            space.free_spindles if exclusive else 0)


def _node(
    snapshot: Snapshot, node: Node, *, available: bool, silent: bool, lacks: str
) -> dict[str, Any]:
    """The static part.

    A node that does not answer is for allocators as one that is offline, since none can use what
    it does not know; `silent` says that it is not marked so. One that `lacks` a driver that the
    request needs is as one that is drained: nothing new comes there.
    """
    group = snapshot.groups[node.group]
    return {
        "tags": list(node.tags), "primary_ip": node.primary_ip,
        "secondary_ip": node.secondary_ip or node.primary_ip,
        "offline": node.offline or not available or silent, "silent": silent,
        "drained": node.drained or bool(lacks), "lacks": lacks,
        "master_candidate": node.master_candidate, "group": node.group,
        "master_capable": node.master_capable, "vm_capable": node.vm_capable,
        "ndparams": filled_ndparams(snapshot.cluster, group, node),
    }


def _used(live: NodeLive, name: str) -> int:
    guest = live.guests.get(name)
    return guest.memory if guest is not None else 0


class InstanceDocuments:
    """The instances' part of the document, each made once per change of what it is made of.

    An unchanged instance has the very same dict in the next document, so that an allocator can
    know by identity what it has read before. Documents are read-only.
    """

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._known: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def all(self, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
        """Return the documents by instance name."""
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
        document = _instance(self._host, snapshot.cluster, instance, disks, nodes)
        self._known[instance.uuid] = (made_of, document)
        return document


def _instance(
    host: PluginHost, cluster: Cluster, instance: Instance, disks: Sequence[Disk],
    nodes: Sequence[str],
) -> dict[str, Any]:
    beparams = filled_beparams(cluster, instance)
    return {
        "tags": list(instance.tags), "admin_state": instance.admin_state,
        "vcpus": beparams["vcpus"], "memory": beparams["maxmem"],
        "spindle_use": beparams["spindle_use"], "os": instance.os,
        "nodes": list(nodes),
        "nics": [nic_document(host, {"mac": nic.mac, "ip": nic.ip,
                                     **filled_nicparams(cluster, nic)})
                 for nic in instance.nics],
        "disks": [{"dev_type": disk.template, "size": disk.size, "mode": disk.mode,
                   "spindles": disk.spindles} for disk in disks],
        "disk_template": instance.disk_template, "disks_active": instance.disks_active,
        "hypervisor": instance.hypervisor, "disk_space_total": sum(disk.size for disk in disks),
        # What nodes say is free does not know of it.
        **({"forthcoming": True} if instance.forthcoming else {}),
    }


def nic_document(host: PluginHost, nic: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network card as the protocol has it."""
    document = {name: nic.get(name) for name in ("mac", "ip", "mode", "link")}
    bridge = bridge_of(host, nic)
    return document if bridge is None else document | {"bridge": bridge}
