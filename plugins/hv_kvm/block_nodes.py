"""Open and close disks in a QEMU that runs, also in one that may open nothing of root any more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError

from . import confinement, devices
from .qmp import Qmp, QmpRefused, QmpUnreachable

FIRST_OWN_FDSET = 1 << 16


def add(
    qmp: Qmp, disk: DiskSpec, hvparams: Mapping[str, Any], fdset: int, size: int | None = None
) -> None:
    """Let QEMU open a disk as a block node, which bears the disk's name (`devices.device_id`).

    :param fdset: number of the set of descriptors by which one is handed over that QEMU cannot open
    :param size: bytes of it that are used; None for all
    :raises HypervisorError: it cannot be opened; nothing of it is left in QEMU
    """
    node = devices.block_node(disk, hvparams)
    if size is not None:
        node["size"] = size
    hands_over = _is_handed_over(node, hvparams)
    if hands_over:
        path, mode = node["file"]["filename"], "rb" if disk.mode == "ro" else "r+b"
        with open(path, mode, buffering=0) as opened:
            qmp.execute("add-fd", {"fdset-id": fdset, "opaque": disk.uuid},
                        descriptors=[opened.fileno()])
        node["file"]["filename"] = f"/dev/fdset/{fdset}"
    try:
        qmp.execute("blockdev-add", node)
    except BaseException:
        if hands_over:
            _try(qmp, "remove-fd", {"fdset-id": fdset})
        raise


def reopen(qmp: Qmp, disk: DiskSpec, hvparams: Mapping[str, Any], fdset: int) -> None:
    """Let a disk have all of what it lies on that was limited to a size when it was added.

    :raises HypervisorError: it is limited as before
    """
    node = devices.block_node(disk, hvparams)
    if _is_handed_over(node, hvparams):
        node["file"]["filename"] = f"/dev/fdset/{fdset}"
    qmp.execute("blockdev-reopen", {"options": [node]})


def _is_handed_over(node: Mapping[str, Any], hvparams: Mapping[str, Any]) -> bool:
    return confinement.is_confined(hvparams) and node["file"]["driver"] in devices.LOCAL


def size(qmp: Qmp, name: str) -> int:
    """Bytes of a block node.

    :raises HypervisorError: there is none of this name
    """
    for node in qmp.execute("query-named-block-nodes", {"flat": True}):
        if node.get("node-name") == name:
            return int(node["image"]["virtual-size"])
    raise HypervisorError(f"the guest has no disk {name}")


def remove(
    qmp: Qmp, disk: DiskSpec, hvparams: Mapping[str, Any], fdset: int, *, must: bool = False
) -> None:
    """Let QEMU close a disk that no device has.

    :param must: it is there, and it counts
    :raises HypervisorError: it `must` be closed, and is still open
    """
    name = {"node-name": devices.device_id(disk)}
    if must:
        qmp.execute("blockdev-del", name)
    else:
        _try(qmp, "blockdev-del", name)
    if confinement.is_confined(hvparams):
        _try(qmp, "remove-fd", {"fdset-id": fdset})


def own_fdset(disk: DiskSpec) -> int:
    """A number for the descriptors of a disk that takes another one's place."""
    return FIRST_OWN_FDSET + int(re.sub("[^0-9a-f]", "", disk.uuid)[:7], 16)


def has(qmp: Qmp, disk: DiskSpec) -> bool:
    """Whether QEMU has the disk open."""
    return any(node.get("node-name") == devices.device_id(disk)
               for node in qmp.execute("query-named-block-nodes", {"flat": True}))


def _try(qmp: Qmp, command: str, arguments: dict[str, Any]) -> None:
    with suppress(QmpRefused, QmpUnreachable):
        qmp.execute(command, arguments)
