"""What a client asks of an instance's disks and size, checked; its network cards: see `nics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, OpPrereqError
from ganeti_core.model import new_uuid
from ganeti_core.operations.parameters import mebibytes
from ganeti_core.plugin_api.data import DiskRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_DISKS = 16
SMALLEST_DISK = 1


def disk_requests(
    name: str, asked: Sequence[Mapping[str, Any]], *, no_disks: bool
) -> list[DiskRequest]:
    """Check the disks that were asked for; no plugin has planned them yet.

    :raises OpPrereqError: a size or mode is wrong, or there are disks where none may be
    """
    if no_disks:
        if asked:
            raise OpPrereqError("Diskless instances cannot have disks", ECODE_INVAL)
        return []
    if not asked:
        raise OpPrereqError("No disk information specified", ECODE_INVAL)
    if len(asked) > MOST_DISKS:
        raise OpPrereqError(f"At most {MOST_DISKS} disks are possible", ECODE_INVAL)
    return [_disk_request(name, index, disk) for index, disk in enumerate(asked)]


def _disk_request(name: str, index: int, asked: Mapping[str, Any]) -> DiskRequest:
    if not isinstance(asked, dict):
        raise OpPrereqError(f"Invalid description of disk {index}", ECODE_INVAL)
    options = dict(asked)
    if "size" not in options:
        raise OpPrereqError(f"Missing disk size for disk {index}", ECODE_INVAL)
    size = mebibytes(options.pop("size"), f"disk {index}")
    if size < SMALLEST_DISK:
        raise OpPrereqError(f"Disk {index} must have at least {SMALLEST_DISK} MiB", ECODE_INVAL)
    mode = options.pop("mode", "rw")
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    label = options.pop("name", None)
    spindles = options.pop("spindles", None)
    if spindles is not None:
        spindles = _count(spindles, f"spindles of disk {index}")
    return DiskRequest(
        new_uuid(), index, size, name, "ro" if mode == "ro" else "rw",
        None if label in (None, "none", "") else str(label),
        spindles, options)


def _count(asked: Any, what: str) -> int:
    try:
        number = int(asked)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise OpPrereqError(f"Invalid number of {what}: {asked!r}", ECODE_INVAL)
    return number


def check_policy(
    policy: Mapping[str, Any], beparams: Mapping[str, Any], template: str,
    counts: tuple[Sequence[int], int],
) -> None:
    """Check an instance against the limits of its node group.

    :param counts: the sizes of its disks, and the number of its network cards
    :raises OpPrereqError: it lies outside every allowed range (`ECODE_NORES`)
    """
    sizes, cards = counts
    if template not in policy["disk-templates"]:
        raise OpPrereqError(f"Instance allocation to group violates policy: disk template "
                            f"'{template}' is not allowed", ECODE_INVAL)
    have: dict[str, list[int]] = {
        "memory-size": [beparams["minmem"], beparams["maxmem"]], "cpu-count": [beparams["vcpus"]],
        "disk-count": [len(sizes)], "disk-size": list(sizes), "nic-count": [cards],
        "spindle-use": [beparams["spindle_use"]]}
    ranges = policy.get("minmax") or []
    problems = [_outside(have, limits) for limits in ranges]
    if ranges and all(problems):
        raise OpPrereqError(
            "Instance allocation to group violates policy: " + "; ".join(problems[0]), ECODE_NORES)


def _outside(have: Mapping[str, Sequence[int]], limits: Mapping[str, Any]) -> list[str]:
    low, high = limits["min"], limits["max"]
    return [
        f"{name} value {value} is not in range [{low[name]}, {high[name]}]"
        for name, values in have.items() for value in values
        if name in low and not low[name] <= value <= high[name]]
