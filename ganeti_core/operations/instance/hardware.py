"""What a client asks of an instance's disks and size, checked; its network cards: see `nics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model import new_uuid
from ganeti_core.model.names import device_name
from ganeti_core.operations.disks import check_disk_names
from ganeti_core.operations.parameters import given, mebibytes
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.opcodes.instance import InstanceCreate, InstanceSetParams
    from ganeti_core.operations.context import OpContext

MOST_DISKS = 16
SMALLEST_DISK = 1


def options_beside(op: InstanceCreate | InstanceSetParams) -> dict[str, Any]:
    """What Ganeti's clients give beside the disks, though it is an option of each of them."""
    beside = {"file_driver": op.file_driver, "file_storage_dir": op.file_storage_dir}
    return {name: value for name, value in beside.items() if value is not None}


def check_disk_count(ctx: OpContext, hypervisor: str, count: int) -> None:
    """See that a hypervisor's instances can have so many disks.

    :raises OpPrereqError: they cannot
    """
    bounds = ctx.host.describe(HYPERVISORS, hypervisor).disk_counts
    if bounds is not None and not bounds[0] <= count <= bounds[1]:
        fewest, most = bounds
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise OpPrereqError(f"An instance of hypervisor {hypervisor} has {wanted} "
                            f"disk{'' if wanted == '1' else 's'}, not {count}", ECODE_INVAL)


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
    requests = [_disk_request(name, index, disk) for index, disk in enumerate(asked)]
    check_disk_names(request.name for request in requests)
    return requests


def _disk_request(name: str, index: int, asked: Mapping[str, Any]) -> DiskRequest:
    if not isinstance(asked, dict):
        raise OpPrereqError(f"Invalid description of disk {index}", ECODE_INVAL)
    options = given(asked)
    if "size" not in options and "adopt" not in options:
        raise OpPrereqError(f"Missing disk size for disk {index}", ECODE_INVAL)
    # What is adopted has a size of its own, whatever is said here.
    size = mebibytes(options.pop("size", 0), f"disk {index}")
    if size < SMALLEST_DISK and "adopt" not in options:
        raise OpPrereqError(f"Disk {index} must have at least {SMALLEST_DISK} MiB", ECODE_INVAL)
    mode = options.pop("mode", "rw")
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    label = options.pop("name", None)
    spindles = options.pop("spindles", None)
    if spindles is not None:
        spindles = count_of(spindles, f"spindles of disk {index}")
    return DiskRequest(
        new_uuid(), index, size, name, "ro" if mode == "ro" else "rw",
        disk_name(label),
        spindles, options)


def disk_name(asked: Any) -> str | None:
    """Return the name that was asked for a disk; ``none`` and an empty one take it off.

    :raises OpPrereqError: it cannot be a name (`ECODE_INVAL`)
    """
    if asked is None or asked == "" or str(asked).lower() == "none":
        return None
    return device_name("disk", str(asked))


def count_of(asked: Any, what: str) -> int:
    """:raises OpPrereqError: it is not a number of 0 or more (`ECODE_INVAL`)"""
    try:
        number = int(asked)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise OpPrereqError(f"Invalid number of {what}: {asked!r}", ECODE_INVAL)
    return number
