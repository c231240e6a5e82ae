"""What is done with one logical volume. What is refused is refused before anything has changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec

from . import spindles
from .lvm import Logical, Lvm, Physical

OWNER = "originstname+"
"""Begins the tag that says whose a volume is."""
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_+.-]")
_LONGEST_TAG = 128


def owner_tag(disk: DiskSpec) -> str:
    """Return the tag of a disk's volume; LVM allows few characters."""
    return _NOT_IN_TAGS.sub("_", OWNER + disk.instance)[:_LONGEST_TAG]


def existing(lvm: Lvm, group: str, name: str) -> Logical:
    """:raises BlockDeviceError: there is no such volume"""
    found = lvm.find(group, name)
    if found is None:
        raise BlockDeviceError(f"there is no volume {group}/{name} on this node")
    return found


def create(lvm: Lvm, disk: DiskSpec, group: str, name: str) -> None:
    """Make a volume, with its tag at once; one that is there already is left as it is.

    :raises BlockDeviceError: nothing new is left
    """
    if lvm.find(group, name) is not None:
        return
    pool = str(disk.params.get("thin_pool") or "")
    new = ("lvcreate", "--yes", "--name", name, "--addtag", owner_tag(disk))
    if pool:
        lvm.group(group)
        _check_pool(lvm, group, pool, disk.size)
        lvm.run(*new, "--virtualsize", f"{disk.size}m", "--thinpool", pool, group)
        return
    stripes, physical = _places(lvm, disk, group)
    # What was there before may look like a file system: LVM would ask, and fail without an answer.
    size = ("--wipesignatures", "n", "--size", f"{disk.size}m")
    for count in range(stripes, 0, -1):
        try:
            lvm.run(*new, *size, "--stripes", str(count), group, *physical)
        except BlockDeviceError:
            # The room may be there, but not evenly spread.
            if count == 1:
                raise
        else:
            return


def _places(lvm: Lvm, disk: DiskSpec, group: str) -> tuple[int, list[str]]:
    """Return over how many physical volumes a new one is striped, and which; all if none is named.

    :raises BlockDeviceError: there is no room
    """
    physical = lvm.physical(group)
    if not physical:
        lvm.group(group)
    if disk.spindles is not None:
        chosen = spindles.choose(group, physical, disk.size, disk.spindles)
        return len(chosen), chosen
    check_room(group, physical, disk.size, f"disk {disk.index} of {disk.instance}")
    usable = sum(1 for one in physical if one.allocatable and one.free)
    return max(1, min(int(disk.params.get("stripes") or 1), usable)), []


def check_room(group: str, physical: list[Physical], size: int, what: str) -> None:
    """:raises BlockDeviceError: new volumes of the group cannot get so many MiB"""
    # LVM's own figure for the group counts those that nothing may be taken from, too.
    if (free := usable_room(physical)) < size:
        raise BlockDeviceError(
            f"volume group '{group}' has {free} MiB left, and {what} needs {size} MiB:"
            " add a physical volume with vgextend, or remove something")


def usable_room(physical: list[Physical]) -> int:
    """Return how many MiB new volumes can get on these physical volumes."""
    return sum(one.free for one in physical if one.allocatable and not one.missing)


def _check_pool(lvm: Lvm, group: str, name: str, size: int) -> None:
    pool = lvm.find(group, name)
    if pool is None or not pool.is_pool:
        what = "is no thin pool" if pool else "does not exist on this node"
        raise BlockDeviceError(
            f"{group}/{name} {what}: make one with lvcreate --type thin-pool, or set the parameter"
            " thin_pool to another")
    if (left := room_in_pool(pool)) < size:
        raise BlockDeviceError(
            f"thin pool {pool.full_name} has {left} MiB left, and the disk may need {size} MiB:"
            " extend the pool with lvextend")


def room_in_pool(pool: Logical) -> int:
    """Return how many MiB of a thin pool nobody has written to."""
    return int(pool.size * max(0.0, 100.0 - pool.percent) / 100.0)


def remove(lvm: Lvm, group: str, name: str) -> None:
    """Remove a volume, with its snapshots; a missing one is no error.

    :raises BlockDeviceError: it is used, and still there
    """
    found = lvm.find(group, name)
    if found is None:
        return
    try:
        lvm.run("lvremove", "--yes", "--force", found.full_name)
    except BlockDeviceError as exc:
        # LVM waits for a device that is used for a moment only: asked before, it might be.
        left = lvm.find(group, name)
        if left is None:
            return
        if left.is_open:
            raise BlockDeviceError(
                f"volume {left.full_name} is used ({users(left)}), and cannot be removed: end what"
                " uses it, then try again") from exc
        raise


def users(volume: Logical) -> str:
    """Say who uses an open volume, as far as the kernel tells."""
    try:
        device = os.stat(volume.path).st_rdev
    except OSError:
        return "by somebody who cannot be found: it has no device"
    number = f"{os.major(device)}:{os.minor(device)}"
    table = Path("/proc/self/mountinfo").read_text(errors="replace")
    mounts = [line.split()[4] for line in table.splitlines() if line.split()[2] == number]
    if mounts:
        return f"mounted on {', '.join(mounts)}"
    holders = Path(f"/sys/dev/block/{number}/holders")
    held = sorted(one.name for one in holders.iterdir()) if holders.is_dir() else []
    if held:
        return f"by the devices {', '.join(held)}"
    return f"by a process: fuser -v {volume.path} names it"


def activate(lvm: Lvm, disk: DiskSpec, group: str, name: str) -> Logical:
    """Make the device of a volume appear, and let its tag name the instance.

    :raises BlockDeviceError: it cannot be used
    """
    found = existing(lvm, group, name)
    if found.is_faulty:
        raise BlockDeviceError(
            f"volume {found.full_name} has lost data ({found.health or 'virtual'}): its physical"
            " volumes are missing or broken; recreate the disk, or restore it from a copy")
    # Always: after a start of the host or errors of a disk a volume may be inactive.
    lvm.run("lvchange", "--activate", "y", "--ignoreactivationskip", found.full_name)
    if owner_tag(disk) not in found.tags:
        _tag(lvm, found, owner_tag(disk))
    if not os.path.exists(found.path):
        lvm.run("vgmknodes", found.full_name)
    return found


def _tag(lvm: Lvm, volume: Logical, tag: str) -> None:
    """Let a volume have this tag, in place of that of another instance."""
    old = [word for one in volume.tags if one.startswith(OWNER) for word in ("--deltag", one)]
    lvm.run("lvchange", *old, "--addtag", tag, volume.full_name)


def untag(lvm: Lvm, volume: Logical) -> None:
    """Let a volume be nobody's."""
    if old := [word for one in volume.tags if one.startswith(OWNER) for word in ("--deltag", one)]:
        lvm.run("lvchange", *old, volume.full_name)


def grow(lvm: Lvm, disk: DiskSpec, size: int, volume: Logical) -> None:
    """Make a volume `size` MiB large; one that is as large already is left alone.

    :raises BlockDeviceError: it is as before
    """
    more = size - volume.size
    if more <= 0:
        return
    physical: list[str] = []
    if volume.is_thin:
        _check_pool(lvm, volume.group, volume.pool, more)
    elif disk.spindles is not None:
        room = spindles.room_to_grow(volume, lvm.physical(volume.group))
        if room < more:
            raise BlockDeviceError(
                f"volume {volume.full_name} can get {room} MiB on the physical volumes that it has"
                f" for itself, and is to get {more} MiB")
        physical = list(volume.physical)
    else:
        check_room(volume.group, lvm.physical(volume.group), more, f"volume {volume.full_name}")
    lvm.run("lvextend", "--yes", "--size", f"{size}m", volume.full_name, *physical)


def snapshot(lvm: Lvm, volume: Logical, name: str) -> Logical:
    """Make a read-only copy of a volume as it is now; one of this name before is replaced.

    :raises BlockDeviceError: nothing new is left
    """
    remove(lvm, volume.group, name)
    words = ["lvcreate", "--yes", "--snapshot", "--permission", "r", "--name", name]
    if volume.is_thin:
        words += ["--setactivationskip", "n"]
    else:
        # As large as the volume itself: it cannot run out of room, however much is written.
        check_room(volume.group, lvm.physical(volume.group), volume.size,
                   f"a snapshot of {volume.full_name}")
        words += ["--size", f"{volume.size}m"]
    lvm.run(*words, volume.full_name)
    return existing(lvm, volume.group, name)
