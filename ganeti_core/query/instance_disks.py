"""Fields of an instance's disks: one by one, and as lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.query.fields import Absent, Field, Kind, or_unavailable, ordinal

if TYPE_CHECKING:
    from ganeti_core.model import Disk
    from ganeti_core.query.instance_row import InstanceRow

MAX_DISKS = 16
"""As many disks have fields of their own; instances may have more."""


def _usage(disk: Disk) -> int:
    """MiB that a disk takes on each of its nodes; a mirrored one also holds its metadata."""
    metadata = sum(child.size for child in disk.children[1:])
    return disk.size + metadata


# attribute of a disk; name, title, kind and description of its field; of the list of them
_ASPECTS: list[tuple[str, str, str, Kind, str, str, str, str]] = [
    ("name", "disk.name", "DiskName", "text", "Name",
     "disk.names", "Disk_names", "List of disk names"),
    ("size", "disk.size", "Disk", "unit", "Disk size",
     "disk.sizes", "Disk_sizes", "List of disk sizes"),
    ("spindles", "disk.spindles", "DiskSpindles", "number", "Spindles",
     "disk.spindles", "Disk_spindles", "List of disk spindles"),
    ("uuid", "disk.uuid", "DiskUUID", "text", "UUID",
     "disk.uuids", "Disk_UUIDs", "List of disk UUIDs"),
]


def _one(
    attribute: str, name: str, title: str, kind: Kind, what: str, index: int
) -> Field[InstanceRow]:
    def value(row: InstanceRow) -> Any:
        if index >= len(row.disks):
            return Absent.UNAVAIL
        return or_unavailable(getattr(row.disks[index], attribute))

    return Field(f"{name}/{index}", f"{title}/{index}", kind,
                 f"{what} of {ordinal(index + 1)} disk", value)


def _list(attribute: str, name: str, title: str, doc: str) -> Field[InstanceRow]:
    return Field(name, title, "other", doc,
                 lambda row: [getattr(disk, attribute) for disk in row.disks])


DISK_FIELDS: list[Field[InstanceRow]] = [
    Field("disk.count", "Disks", "number", "Number of disks",
          lambda row: len(row.instance.disks)),
    Field("disk_template", "Disk_template", "text", "Instance disk template",
          lambda row: row.instance.disk_template),
    Field("disk_usage", "DiskUsage", "unit",
          "Total disk space used by instance on each of its nodes; this is not the disk size"
          " visible to the instance, but the usage on the node",
          lambda row: sum(map(_usage, row.disks))),
    Field("disks_active", "DisksActive", "bool", "Desired state of instance disks",
          lambda row: row.instance.disks_active),
    *(_list(attribute, name, title, doc) for attribute, *_, name, title, doc in _ASPECTS),
    *(_one(attribute, name, title, kind, what, index)
      for attribute, name, title, kind, what, *_ in _ASPECTS for index in range(MAX_DISKS)),
]
