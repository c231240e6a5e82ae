"""Names of volume groups and logical volumes."""

from __future__ import annotations

import re

from ganeti_core.plugin_api import ECODE_INVAL, BlockDeviceError, DiskSpec, OpPrereqError

_VALID = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")
_RESERVED = frozenset({".", "..", "snapshot", "pvmove"})
_WITHIN = ("_cdata", "_cmeta", "_corig", "_mimage", "_mlog", "_pmspare", "_rimage", "_rmeta",
           "_tdata", "_tmeta", "_vorigin")
"""LVM's own volumes have these in their names."""


def checked_name(what: str, name: str) -> str:
    """:raises OpPrereqError: LVM would not take it"""
    if not _VALID.fullmatch(name) or name in _RESERVED or any(part in name for part in _WITHIN):
        raise OpPrereqError(
            f"{name!r} cannot be the name of a {what}: it has 1 to 127 letters, digits and any of"
            f" '+_.-', does not begin with '-', and is none that LVM keeps for itself", ECODE_INVAL)
    return name


def place(disk: DiskSpec) -> tuple[str, str]:
    """Return the volume group and the name of a disk's volume."""
    match disk.logical_id:
        case (str(group), str(name)):
            return group, name
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (volume group, volume)")


def adopted_name(disk: DiskSpec) -> str:
    """Return the name that the volume has which the disk is to adopt."""
    return str(disk.params.get("adopt") or "")
