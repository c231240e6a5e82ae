"""The document that allocators are sent: one snapshot, and what the nodes say of themselves now.

No node is locked for it: memory that running jobs have chosen but not committed is set aside in the
reservations, and counted as used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_ipolicy
from ganeti_core.operations.placement.lacking import lacking
from ganeti_core.operations.placement.node_document import is_asked
from ganeti_core.operations.placement.node_documents import CountedStorages, node_documents
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE, NO_DISKS
from ganeti_core.query.template_needs import template_needs
from ganeti_core.specs.disks import disk_spec
from ganeti_core.specs.storages import NewDisks, default_storages, space_needed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.reservations import Storage
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest

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
    asked = [node for node in snapshot.nodes.values() if is_asked(node)]
    lacks = lacking(ctx, snapshot, asked, request.body, request.template)
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
        "nodes": node_documents(ctx, snapshot, lacks, _counted_storages(ctx, snapshot, request),
                                reserved, instances),
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
) -> CountedStorages:
    """Which storage's space counts, and which instead where no node has such ones.

    It is the one in which the request's disks will lie. Of several instances it is the cluster's
    default, as with hypervisors; and of one that has no disks, or whose disks lie on no node, where
    Ganeti says that no node has any space, so that mirrored instances seem to fit nowhere.
    """
    storages = _storages(ctx, snapshot, request)
    promises = [ctx.host.describe(DISK_TEMPLATES, template).capabilities
                for template, _ in storages.values() if ctx.host.has(DISK_TEMPLATES, template)]
    if storages and all(LOCAL_SPACE in promised for promised in promises):
        return CountedStorages(storages, {})
    default = default_storages(snapshot, ctx.on_master, ctx.services.settings(snapshot))
    return CountedStorages(storages or default, default)


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
