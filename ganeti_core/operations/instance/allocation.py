"""Requests of the allocator's protocol for instances that do not exist yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model import fill
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams, mebibytes
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, MIRRORED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class Wanted:
    """An instance for which there is no place yet, as a client describes it."""

    name: str
    template: str
    hypervisor: str
    os: str = ""
    beparams: Mapping[str, Any] = field(default_factory=dict)
    disks: Sequence[Any] = ()
    nics: Sequence[Any] = ()
    tags: Sequence[str] = ()


def allocation_item(ctx: OpContext, wanted: Wanted) -> dict[str, Any]:
    """What an allocator is told of one instance.

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
        "required_nodes": 2 if MIRRORED in description.capabilities else 1,
        "hypervisor": wanted.hypervisor,
    }


def _disk(index: int, asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or "size" not in asked:
        raise OpPrereqError(f"Missing disk size for disk {index}", ECODE_INVAL)
    return {"size": mebibytes(asked["size"], f"disk {index}"), "mode": asked.get("mode", "rw"),
            "spindles": asked.get("spindles")}
