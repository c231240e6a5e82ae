"""Physical volumes that one disk has for itself: nodes with ``exclusive_storage`` set.

There a disk is given a number of physical volumes, its spindles, and nothing else lies on them.
"""

from __future__ import annotations

from ganeti_core.plugin_api import BlockDeviceError

from .lvm import Logical, Physical

MARGIN = 1.03
"""A physical volume is counted as so much smaller: disks of one make differ by a hundredth, and two
are kept for what is no data. Ganeti reckons so, and its spindles are to be ours."""
ALIKE = 0.01
"""Physical volumes that differ by so much at most are of one size: disks of one make do."""


def standard_size(physical: list[Physical]) -> int:
    """Return how many MiB of a disk a physical volume of this group holds, whichever it is."""
    return int(min((one.size for one in physical), default=0) // MARGIN)


def choose(group: str, physical: list[Physical], size: int, wanted: int) -> list[str]:
    """Choose empty physical volumes for a disk of `size` MiB.

    :raises BlockDeviceError: there are not enough, or more are needed for this size
    """
    usable = [one for one in physical if one.allocatable]
    standard = standard_size(usable)
    needed = -(-size // standard) if standard else wanted
    if wanted < needed or wanted < 1:
        raise BlockDeviceError(
            f"a disk of {size} MiB in volume group '{group}' needs {max(needed, 1)} spindles of"
            f" {standard} MiB each, and is to have {wanted}: ask for more")
    empty = [one.name for one in sorted(usable, key=lambda one: -one.free) if one.is_empty]
    if len(empty) < wanted:
        raise BlockDeviceError(
            f"volume group '{group}' has {len(empty)} empty physical volumes, and the disk is to"
            f" have {wanted} spindles of its own: add some with vgextend, or ask for fewer")
    return empty[:wanted]


def room_to_grow(volume: Logical, physical: list[Physical]) -> int:
    """Return how many MiB a volume can get on the physical volumes that it has."""
    standard = standard_size([one for one in physical if one.allocatable])
    return sum(max(0, one.free - max(0, one.size - standard))
               for one in physical if one.name in volume.physical)
