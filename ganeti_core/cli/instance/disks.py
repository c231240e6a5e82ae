"""How ``gnt-instance info`` shows a disk, with the disks that it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.table import format_size

if TYPE_CHECKING:
    from ganeti_core.cli.document import Pairs


def _device(status: list[Any]) -> str:
    """Write where a disk is visible on a node, and how its mirroring is."""
    path, major, minor, percent, seconds, degraded, state = status
    text = f"{path} ({'N/A' if major is None else major}:{'N/A' if minor is None else minor})"
    if percent is not None:
        left = f", ETA {seconds}s" if seconds is not None else ", ETA unknown"
        text += f", RECOVERING {percent:5.2f}%{left}"
    if degraded:
        text += ", status *DEGRADED*"
    if state not in (None, 1):
        text += f", {'*MISSING DISK*' if state == 3 else '*UNCERTAIN STATE*'}"
    return text


def _identity(disk: dict[str, Any]) -> Pairs:
    if disk.get("drbd_info"):
        info = disk["drbd_info"]
        return [
            ("nodeA", "{}, minor={}".format(info["primary_node"], info["primary_minor"])),
            ("nodeB", "{}, minor={}".format(info["secondary_node"], info["secondary_minor"])),
            ("port", info["port"]),
        ]
    if not disk["logical_id"]:
        return []
    if disk["dev_type"] == "plain":
        return [("logical_id", "/".join(map(str, disk["logical_id"])))]
    return [("logical_id", str(disk["logical_id"]))]


def describe_disk(disk: dict[str, Any], title: str) -> Pairs:
    """Describe one disk; `title` is ``disk/0``, or ``child 0`` for a part of another."""
    size = disk["size"]
    size_text = format_size(size, "h") if isinstance(size, int | float) else str(size)
    shown: Pairs = [(title, f"{disk['dev_type']}, size {size_text}"),
                    ("access mode", disk["mode"]), *_identity(disk)]
    if disk["spindles"] is not None:
        shown.append(("spindles", disk["spindles"]))
    shown += [(title, _device(disk[key])) for title, key in (
        ("on primary", "pstatus"), ("on secondary", "sstatus")) if disk[key]]
    shown += [("name", disk["name"]), ("UUID", disk["uuid"])]
    if disk["children"]:
        shown.append(("child devices", [describe_disk(child, f"child {index}")
                                        for index, child in enumerate(disk["children"])]))
    return shown
