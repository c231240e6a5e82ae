"""Let a running guest see that its disk has grown.

QEMU's ``block_resize`` gives a disk the size that it is told, and cuts off or lengthens what is
below it to that. So it is told the size that is there: of a file or device as the node sees it, of
what QEMU opens itself as a second opening sees it. Servers that decide on the size themselves are
only told what is asked for.
"""

from __future__ import annotations

import os
from dataclasses import replace

from ganeti_core.plugin_api import DiskSpec, HypervisorError

from . import block_nodes, devices
from .guests import Guest, Runtime
from .qmp import Qmp

MIB = 1 << 20
SIZED_BY_SERVER = frozenset({"nbd", "iscsi", "http", "https", "ftp", "ftps"})
"""QEMU's drivers of disks which it cannot give another size: it refuses what is not there."""
PROBE = "size-probe"


def resize(guest: Guest, disk: DiskSpec) -> None:
    """Let the guest have all that is there of the disk, which must be as large as it says.

    :raises HypervisorError: the guest does not run or has no such disk; or it has it as before
    """
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} does not run on this node")
    had = next((one for one in runtime.spec.disks if one.uuid == disk.uuid), None)
    if had is None:
        raise HypervisorError(f"{guest.name} has no disk {disk.uuid}")
    grown = replace(had, size=disk.size)
    with guest.control() as qmp:
        _resize(qmp, runtime, grown)
    guest.save(replace(runtime, spec=replace(runtime.spec, disks=tuple(
        grown if one is had else one for one in runtime.spec.disks))))


def _resize(qmp: Qmp, runtime: Runtime, disk: DiskSpec) -> None:
    there, name = _size_there(qmp, runtime, disk), devices.device_id(disk)
    if there < disk.size * MIB:
        raise HypervisorError(f"disk {disk.index} has {there} bytes on this node and should have "
                              f"{disk.size} MiB")
    if block_nodes.size(qmp, name) >= there:
        return
    if disk.uuid in runtime.bearing:
        # It took the place of a disk of the size that it had then, and was limited to that.
        block_nodes.reopen(qmp, disk, runtime.spec.hvparams, block_nodes.own_fdset(disk))
    qmp.execute("block_resize", {"node-name": name, "size": there})


def _size_there(qmp: Qmp, runtime: Runtime, disk: DiskSpec) -> int:
    """How many bytes the disk has, whatever the guest sees."""
    options = devices.block_node(disk, runtime.spec.hvparams)["file"]
    if options["driver"] in devices.LOCAL:
        with open(options["filename"], "rb", buffering=0) as opened:
            return opened.seek(0, os.SEEK_END)
    if options["driver"] in SIZED_BY_SERVER:
        return disk.size * MIB
    qmp.execute("blockdev-add", {**options, "node-name": PROBE, "read-only": True})
    try:
        return block_nodes.size(qmp, PROBE)
    finally:
        qmp.execute("blockdev-del", {"node-name": PROBE})
