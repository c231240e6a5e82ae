"""The root file system of a guest that shares its node's kernel: on the instance's first disk, or
on the first partition there.

What is mounted with `mount_command` in a mount namespace of the guest's own is gone with the guest,
however that ends; so is the loop device of a file. What is mounted on the node has to be unmounted.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from ganeti_core.errors import HypervisorError

from .data import DiskSpec, InstanceSpec
from .run import CommandFailed, run_command

GROWN = ("the file system of its disk is one that the node has mounted, and does not grow with the "
         "disk: resize2fs or the like can grow it, for a disk in a file after the next start")
"""What to do when the disk has grown, for `Description.lacking`."""
LOOPS = Path("/sys/block")
LOOK_LIMIT = 20.0
RELEASE_LIMIT = 5.0
POLL = 0.01
SECTOR = 512
_OCTAL = re.compile(r"\\([0-7]{3})")


def root_disk(instance: InstanceSpec) -> DiskSpec:
    """Return the disk with the root file system.

    :raises HypervisorError: the instance has none, has more, or it has no path on this node
    """
    if len(instance.disks) != 1:
        raise HypervisorError(
            f"{instance.name} has {len(instance.disks)} disks: a guest of hypervisor "
            f"{instance.hypervisor} has one, with its root file system")
    (disk,) = instance.disks
    if not disk.path:
        raise HypervisorError(f"disk 0 of {instance.name} is no device or file of the node, but "
                              f"only at {', '.join(disk.uris.values()) or 'an unknown place'}")
    return disk


def mount_command(disk: DiskSpec, folder: Path) -> Sequence[str]:
    """Return what mounts the root file system on `folder`.

    :raises HypervisorError: the disk is missing, or has no file system that can be recognized
    """
    try:
        is_device = stat.S_ISBLK(Path(disk.path).stat().st_mode)
    except OSError as exc:
        raise HypervisorError(
            f"disk 0 cannot be opened at {disk.path!r}: {exc.strerror}") from exc
    found = _probe(disk.path)
    options = ["ro"] if disk.mode == "ro" else ["rw"]
    if not is_device or "TYPE" not in found:
        options.append("loop")
    if kind := found.get("TYPE"):
        return ["mount", "-t", kind, "-o", ",".join(options), disk.path, str(folder)]
    start, size = _first_partition(disk.path)
    options += [f"offset={start}", f"sizelimit={size}"]
    return ["mount", "-o", ",".join(options), disk.path, str(folder)]


def _probe(path: str) -> dict[str, str]:
    """What is on a disk: ``TYPE`` of a file system, ``PTTYPE`` of a partition table."""
    try:
        said = run_command(["blkid", "-p", "-o", "export", path], timeout=LOOK_LIMIT).stdout
    except CommandFailed as exc:
        raise HypervisorError(
            f"disk 0 ({path}) has no file system and no partition table: the OS definition must "
            f"make one ({exc.message})") from exc
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if found.get("USAGE", "filesystem") != "filesystem":
        raise HypervisorError(f"disk 0 ({path}) has no file system, but is of type "
                              f"{found.get('TYPE')}")
    return found


def _first_partition(path: str) -> tuple[int, int]:
    """Where the first partition begins, and how large it is, in bytes."""
    try:
        said = run_command(["partx", "--show", "--noheadings", "--nr", "1", "--output",
                            "START,SECTORS", path], timeout=LOOK_LIMIT).stdout
        start, sectors = map(int, said.split())
    except (CommandFailed, ValueError) as exc:
        raise HypervisorError(f"disk 0 ({path}) has no partition that can be used: {exc}") from exc
    return start * SECTOR, sectors * SECTOR


def mounts_below(folder: Path) -> list[str]:
    """Return where something is mounted on this folder or below it, the last one first."""
    here = os.path.realpath(folder)
    mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    points = [_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split()[4])
              for line in mounts.splitlines()]
    return [point for point in reversed(points) if point == here or point.startswith(f"{here}/")]


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted on this folder or below it; harmless twice.

    :raises HypervisorError: something is in use
    """
    for point in mounts_below(folder):
        run_command(["umount", point], timeout=LOOK_LIMIT, error=HypervisorError)


def await_release(path: str) -> bool:
    """Wait until nothing of this node holds the disk any more; return whether that is so."""
    until = time.monotonic() + RELEASE_LIMIT
    while is_held(path):
        if time.monotonic() > until:
            return False
        time.sleep(POLL)
    return True


def is_held(path: str) -> bool:
    """Return whether a disk is mounted, or behind a loop device."""
    real = os.path.realpath(path)
    for backing in LOOPS.glob("loop*/loop/backing_file"):
        try:
            if backing.read_text(errors="surrogateescape").rstrip("\n") == real:
                return True
        except OSError:
            continue  # it was just let go
    try:
        if stat.S_ISBLK(os.stat(real).st_mode):
            os.close(os.open(real, os.O_RDONLY | os.O_EXCL))
    except OSError as exc:
        return exc.errno == errno.EBUSY
    return False
