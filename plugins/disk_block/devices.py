"""Block devices of a node: which may be disks, how large they are, and whether somebody has them.
"""

from __future__ import annotations

import errno
import os
import posixpath
from pathlib import Path

from ganeti_core.plugin_api import ECODE_INVAL, BlockDeviceError, OpPrereqError

ROOT = "/dev/disk/"
"""Only names that say which device it is, whatever the order in which a kernel finds them."""
MIB = 1 << 20


def checked_path(path: str) -> str:
    """Return the path without detours.

    :raises OpPrereqError: it does not lie below `ROOT`
    """
    found = posixpath.normpath(path)
    if not found.startswith(ROOT) or "\0" in path:
        raise OpPrereqError(
            f"the device {path!r} does not lie below {ROOT}, and only such names stay with a"
            " device", ECODE_INVAL)
    return found


def device_of(root: Path, path: str) -> Path:
    """Return where the device is on the node below `root`.

    :raises BlockDeviceError: its name leads out of the devices of the node
    """
    device = root / path.removeprefix("/")
    real = device.resolve()
    if not any(real.is_relative_to(one) for one in (root / "dev", Path("/dev"))):
        raise BlockDeviceError(f"{device} leads to {real}, which is not in /dev")
    return device


def size_of(device: Path) -> int:
    """Return the size of a block device, whole MiB.

    :raises BlockDeviceError: it is not there, is no block device, or cannot be read
    """
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        raise BlockDeviceError(f"block device {device}: {exc.strerror}") from exc
    try:
        if not device.is_block_device():
            raise BlockDeviceError(f"{device} is no block device")
        return os.lseek(handle, 0, os.SEEK_END) // MIB
    except OSError as exc:
        raise BlockDeviceError(f"block device {device}: {exc.strerror}") from exc
    finally:
        os.close(handle)


def in_use(device: Path) -> bool:
    """Return whether the kernel has given a block device to a mount, or to a device on top of it.

    A program that only has it open is not seen.

    :raises BlockDeviceError: it cannot be asked
    """
    try:
        # On a block device, without O_CREAT: fails while somebody else holds it exclusively.
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            return True
        raise BlockDeviceError(f"block device {device}: {exc.strerror}") from exc
    return False
