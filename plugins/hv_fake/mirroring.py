"""Disks of fake guests that become others: the files are real, and so is the copying."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganeti_core.plugin_api import DiskSpec, HypervisorError
from ganeti_core.plugin_api.data import MirrorStatus


def copy(disk: DiskSpec, onto: DiskSpec) -> None:
    """Write all of a disk onto another one.

    :raises HypervisorError: one has no path, or cannot be read or written
    """
    if not disk.path or not onto.path:
        raise HypervisorError(f"disk {disk.index} of {disk.instance} has no path to be copied")
    try:
        data = Path(disk.path).read_bytes()
        with open(onto.path, "r+b") as file:
            file.write(data)
    except OSError as exc:
        raise HypervisorError(f"disk {disk.index} of {disk.instance} cannot be copied: {exc}"
                              ) from exc


def status(mirrors: Mapping[str, bool], onto: DiskSpec) -> MirrorStatus:
    """How the copy onto a disk stands, of all that a guest has."""
    if onto.uuid not in mirrors:
        return MirrorStatus("none")
    return MirrorStatus("switched" if mirrors[onto.uuid] else "synced")
