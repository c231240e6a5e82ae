"""Requests of the allocator's protocol: for instances that do not exist yet, and for those that
move."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import fill
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams, mebibytes
from ganeti_core.operations.placement.document import Request
from ganeti_core.operations.placement.instance_documents import nic_document
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Instance
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest


@dataclass(frozen=True)
class Wanted:
    """An instance for which no nodes are chosen yet, as a client describes it."""

    name: str
    template: str
    hypervisor: str
    os: str = ""
    beparams: Mapping[str, Any] = field(default_factory=dict)
    disks: Sequence[Any] = ()
    nics: Sequence[Any] = ()
    tags: Sequence[str] = ()


def requested_instance(ctx: OpContext, wanted: Wanted) -> dict[str, Any]:
    """Describe one instance for an allocator.

    :raises OpPrereqError: the description makes no sense
    """
    description = ctx.host.describe(DISK_TEMPLATES, wanted.template)
    own = ctx.snapshot.cluster.beparams.get("default", {})
    beparams = fill(BEPARAMS_DEFAULTS, own, checked_beparams(wanted.beparams))
    check_memory_bounds(beparams)
    disks = [_disk(index, disk) for index, disk in enumerate(wanted.disks)]
    return {
        "name": wanted.name, "disk_template": wanted.template, "tags": list(wanted.tags),
        "os": wanted.os, "vcpus": beparams["vcpus"], "memory": beparams["maxmem"],
        "spindle_use": beparams["spindle_use"], "disks": disks,
        "disk_space_total": sum(disk["size"] for disk in disks),
        "nics": [dict(nic) for nic in wanted.nics],
        "required_nodes": description.nodes,
        "hypervisor": wanted.hypervisor,
    }


def _disk(index: int, asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or "size" not in asked:
        raise OpPrereqError(f"Missing disk size for disk {index}", ECODE_INVAL)
    return {"size": mebibytes(asked["size"], f"disk {index}"), "mode": asked.get("mode", "rw"),
            "spindles": asked.get("spindles")}


def allocate_request(
    op: InstanceCreate, ctx: OpContext, draft: Instance, disks: Sequence[DiskRequest]
) -> Request:
    """Ask for the nodes of one new instance."""
    asked = {"type": "allocate", **requested_instance(ctx, Wanted(
        draft.name, draft.disk_template, draft.hypervisor, draft.os, draft.beparams,
        [{"size": disk.size, "mode": disk.mode, "spindles": disk.spindles} for disk in disks],
        [nic_document(ctx.host, {"mac": nic.mac, "ip": nic.ip, **nic.nicparams})
         for nic in draft.nics], draft.tags))}
    if op.group_name:
        asked["group_name"] = ctx.snapshot.group(op.group_name).name
    return Request(asked, disks)


def relocate_request(ctx: OpContext, instance: Instance, leave: Sequence[str]) -> Request:
    """Ask for one node in the place of those (their names) that an instance leaves."""
    return Request({
        "type": "relocate", "name": instance.name, "relocate_from": list(leave),
        "required_nodes": 1,
        "disk_space_total": sum(disk.size for disk in ctx.snapshot.disks_of(instance))})
