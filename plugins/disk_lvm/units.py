"""Storage of a node as administrators see it: volume groups, and the physical volumes in them."""

from __future__ import annotations

import shutil

from ganeti_core.plugin_api import ECODE_INVAL, BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api.data import JsonDict, StorageSpace, StorageUnit, Volume
from ganeti_core.plugin_api.node_findings import Agreement, NodeProblem
from ganeti_core.plugin_api.run import DEFAULT_PATH

from . import spindles, volumes
from .lvm import Lvm, no_group

GROUPS, PHYSICAL = "lvm-vg", "lvm-pv"
"""Types of storage units, as Ganeti calls them."""


def spaces(lvm: Lvm, first: str) -> list[StorageSpace]:
    """List the room in volume groups and thin pools, beginning with the group called `first`."""
    groups, physical = lvm.groups(), lvm.physical()
    found = []
    for group in sorted(groups.values(), key=lambda one: (one.name != first, one.name)):
        own = [one for one in physical if one.group == group.name and one.allocatable]
        found.append(StorageSpace(
            group.name, group.size, volumes.usable_room(own), spindles=len(own),
            free_spindles=sum(1 for one in own if one.is_empty),
            spindle_size=spindles.standard_size(own)))
    pools = [one for one in lvm.logical() if one.is_pool]
    return found + [StorageSpace(one.full_name, one.size, volumes.room_in_pool(one))
                    for one in sorted(pools, key=lambda one: one.full_name)]


def listed(lvm: Lvm, storage_type: str) -> list[StorageUnit]:
    """List units of one type."""
    if storage_type == PHYSICAL:
        return [StorageUnit(one.name, one.size, one.used, one.free, one.allocatable)
                for one in lvm.physical()]
    return [StorageUnit(one.name, one.size, one.size - one.free, one.free)
            for one in sorted(lvm.groups().values(), key=lambda one: one.name)]


def modify(lvm: Lvm, storage_type: str, name: str, changes: JsonDict) -> None:
    """:raises OpPrereqError: there is no such unit, or it cannot be changed so"""
    unknown = sorted(set(changes) - {"allocatable"})
    if storage_type != PHYSICAL or unknown:
        what = ", ".join(unknown) or "allocatable"
        raise OpPrereqError(
            f"{what} of {storage_type} {name} cannot be changed: of storage of type {PHYSICAL}"
            " whether it is allocatable can", ECODE_INVAL)
    known = {one.name: one for one in lvm.physical()}
    if name not in known:
        raise OpPrereqError(
            f"There is no physical volume '{name}' on this node (there are:"
            f" {', '.join(known) or 'none'})", ECODE_INVAL)
    if not known[name].group:
        raise OpPrereqError(
            f"Physical volume '{name}' is in no volume group: add it to one with vgextend",
            ECODE_INVAL)
    wanted = bool(changes["allocatable"])
    if known[name].allocatable != wanted:
        lvm.run("pvchange", "--allocatable", "y" if wanted else "n", name)


def repair(lvm: Lvm, storage_type: str, name: str) -> None:
    """Take physical volumes that are lost out of a volume group, with what lay on them.

    :raises OpPrereqError: there is no such group
    :raises BlockDeviceError: it still lacks some
    """
    groups = lvm.groups()
    if storage_type != GROUPS:
        raise OpPrereqError(f"Storage of type {storage_type} cannot be repaired: {GROUPS} can",
                            ECODE_INVAL)
    if name not in groups:
        raise OpPrereqError(no_group(name, groups), ECODE_INVAL)
    if not groups[name].missing:
        return
    lvm.run("vgreduce", "--removemissing", "--force", name)
    if left := lvm.group(name).missing:
        raise BlockDeviceError(f"volume group '{name}' still lacks {left} physical volumes")


def listed_volumes(lvm: Lvm) -> list[Volume]:
    """List all logical volumes of the node, once for each physical one that they lie on."""
    return [Volume(one.group, one.name, below, one.size, one.full_name)
            for one in lvm.logical() for below in one.physical or (one.pool or "-",)]


def sizes_of_spindles(lvm: Lvm, group: str) -> list[Agreement]:
    """Return how large the least and the largest physical volume of a volume group are.

    :raises BlockDeviceError: LVM does not answer
    """
    sizes = [one.size for one in lvm.physical(group) if one.allocatable]
    return [Agreement(
        f"size of physical volumes in volume group '{group}' (MiB)", size,
        "EGROUPDIFFERENTPVSIZE", margin=spindles.ALIKE, exclusive=True, broken=True)
        for size in sorted({min(sizes), max(sizes)})] if sizes else []


def problems(lvm: Lvm, group: str) -> list[str | NodeProblem]:
    """Return what keeps the node from holding disks in a volume group."""
    if shutil.which(lvm.program, path=DEFAULT_PATH) is None:
        return [f"{lvm.program} not found: install lvm2"]
    try:
        groups = lvm.groups()
        if group not in groups:
            return [no_group(group, groups)]
        physical = lvm.physical(group)
    except BlockDeviceError as exc:
        return [exc.message]
    found: list[str | NodeProblem] = [
        f"physical volume {one.name} of volume group '{group}' has a ':' in its name, which"
        " LVM's options end at: filter it out in lvm.conf" for one in physical if ":" in one.name]
    if lost := groups[group].missing:
        found.append(
            f"volume group '{group}' lacks {lost} of its physical volumes: bring them back, or give"
            f" up what lay on them with gnt-node repair-storage NODE {GROUPS} {group}")
    return found
