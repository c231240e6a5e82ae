"""A disk's data as a stream, and zeros: for disk templates that have a path and no better way."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ganeti_core.errors import BlockDeviceError

from .context import HookContext
from .data import DiskSpec
from .stream_ends import Offer, Progress
from .stream_frames import LARGEST
from .transfer import receive, send, to_job

MIB = 1 << 20
_ZEROS = bytes(LARGEST)


def plain_send(ctx: HookContext, disk: DiskSpec, offer: Offer) -> int:
    """Send the bytes of an open disk, from its beginning to the end of its device.

    :raises BlockDeviceError: it cannot be read, or has no path on this node
    :raises StreamFailed: it did not arrive
    """
    descriptor = _open(disk, os.O_RDONLY)
    try:
        return send(ctx, offer, _pieces(disk, descriptor), total=_end(disk, descriptor),
                    progress=to_job(ctx, f"disk/{disk.index}"))
    finally:
        os.close(descriptor)


def _end(disk: DiskSpec, descriptor: int) -> int:
    """Return where the device ends, bytes, at least where its disk does.

    It may have more than its disk: storages give room in pieces of their own, such as the extents
    of a volume group, and a device that is adopted has any size. A guest sees all of it.
    """
    return max(disk.size * MIB, os.lseek(descriptor, 0, os.SEEK_END))


def _pieces(disk: DiskSpec, descriptor: int) -> Iterator[bytes | memoryview]:
    buffer = memoryview(bytearray(LARGEST))
    os.lseek(descriptor, 0, os.SEEK_SET)
    while True:
        try:
            got = os.readv(descriptor, [buffer])
        except OSError as exc:
            raise BlockDeviceError(f"cannot read {disk.path}: {exc.strerror}") from exc
        if not got:
            return
        yield buffer[:got]


def plain_receive(ctx: HookContext, disk: DiskSpec, offer: Offer) -> int:
    """Write what comes onto an open disk; zeros leave the holes of a file as they are.

    :raises BlockDeviceError: it cannot be written, has no path on this node, or more comes than it
        holds
    :raises StreamFailed: it did not arrive whole
    """
    descriptor = _open(disk, os.O_RDWR)
    has_holes = stat.S_ISREG(os.fstat(descriptor).st_mode)
    at, end = 0, _end(disk, descriptor)

    def write(data: memoryview) -> int:
        nonlocal at
        if at + len(data) > end:
            raise BlockDeviceError(
                f"disk {disk.index} of {disk.instance} has {end // MIB} MiB, and more is to be"
                " written to it: make it larger. A copy is made as large as its disk is recorded:"
                " where the device has more, gnt-cluster repair-disk-sizes records that")
        if has_holes and bytes(data) == _ZEROS[:len(data)] and _is_hole(descriptor, at, len(data)):
            taken = len(data)
        else:
            try:
                taken = os.pwrite(descriptor, data, at)
            except OSError as exc:
                raise BlockDeviceError(f"cannot write {disk.path}: {exc.strerror}") from exc
        at += taken
        return taken

    try:
        count = receive(ctx, offer, write, progress=to_job(ctx, f"disk/{disk.index}"))
        os.fsync(descriptor)
        return count
    finally:
        os.close(descriptor)


def plain_wipe(ctx: HookContext, disk: DiskSpec, start: int) -> None:
    """Write zeros onto an open disk, from `start` (MiB) to its end; holes of a file stay holes.

    :raises BlockDeviceError: it cannot be written, or has no path on this node
    """
    descriptor = _open(disk, os.O_RDWR)
    report = to_job(ctx, f"wiping disk/{disk.index}")
    at = start * MIB
    try:
        end = _end(disk, descriptor)
        has_holes = stat.S_ISREG(os.fstat(descriptor).st_mode)
        while at < end:
            if ctx.cancelled():
                raise BlockDeviceError(f"wiping {disk.path} was cancelled")
            length = min(LARGEST, end - at)
            if not (has_holes and _is_hole(descriptor, at, length)):
                length = os.pwrite(descriptor, _ZEROS[:length], at)
            at += length
            report(Progress("active", at - start * MIB, end - start * MIB))
        os.fsync(descriptor)
    except OSError as exc:
        raise BlockDeviceError(f"cannot wipe {disk.path}: {exc.strerror}") from exc
    finally:
        os.close(descriptor)


def _is_hole(descriptor: int, at: int, length: int) -> bool:
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA) >= at + length
    except OSError as exc:
        return exc.errno == errno.ENXIO  # nothing but a hole up to the end


def _open(disk: DiskSpec, flags: int) -> int:
    if not disk.path:
        raise BlockDeviceError(
            f"disk {disk.index} of {disk.instance} has no path on this node, so its data cannot be"
            " copied: its hypervisor reaches it by an address")
    try:
        return os.open(Path(disk.path), flags | os.O_CLOEXEC)
    except OSError as exc:
        raise BlockDeviceError(f"cannot open {disk.path}: {exc.strerror}") from exc
