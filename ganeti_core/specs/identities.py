"""What the parts of a disk's identity are called: its volume group, its provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from ganeti_core.model import Disk
    from ganeti_core.plugins import PluginHost


def named_parts(host: PluginHost, disk: Disk) -> dict[str, Any]:
    """Return the parts of `disk.logical_id` by the names that its template gives them; none where
    the template is not installed."""
    if not host.has(DISK_TEMPLATES, disk.template):
        return {}
    names = host.describe(DISK_TEMPLATES, disk.template).id_parts
    return {name: part for name, part in zip(names, disk.logical_id, strict=False) if name}


def options_of(host: PluginHost, disk: Disk) -> dict[str, Any]:
    """Return what a new disk has to be given to be like this one: its own parameters, and those
    that became part of its identity or of its children's, such as ``vg`` or ``provider``."""
    if not host.has(DISK_TEMPLATES, disk.template):
        return disk.params
    schema = host.describe(DISK_TEMPLATES, disk.template).parameters
    per_disk = {name for name, one in schema.get("properties", {}).items() if one.get("x-disk")}
    parts: dict[str, Any] = {}
    for device in (disk, *disk.children):
        parts = named_parts(host, device) | parts
    return {name: part for name, part in parts.items() if name in per_disk} | disk.params
