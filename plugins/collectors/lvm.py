"""Collector ``lv``: the logical volumes of the node.

The data are those of Ganeti's collector: an object per volume, sizes in bytes. Which instance a
volume is of is read from the tag that Ganeti's disk templates put on it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganeti_core.plugin_api import Description, GanetiError, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report
from ganeti_core.plugin_api.run import run_command

FIELDS = (
    "lv_uuid", "lv_name", "lv_attr", "lv_major", "lv_minor", "lv_kernel_major", "lv_kernel_minor",
    "lv_size", "seg_count", "lv_tags", "modules", "vg_uuid", "vg_name", "segtype", "seg_start",
    "seg_start_pe", "seg_size", "seg_tags", "seg_pe_ranges", "devices")
"""What `lvs` is asked for, in this order."""
_NUMBERS = frozenset({"major", "minor", "kernel_major", "kernel_minor", "size", "seg_count",
                      "seg_start", "seg_start_pe", "seg_size"})
_SEPARATOR = ";"
_INSTANCE = re.compile(r"(?:^|,)originstname\+([^,]+)")
SIZE = Metric("ganeti_lv_size_bytes", "gauge", "Size of a logical volume",
              ("volume_group", "volume", "instance"))


def lvs() -> str:
    """Return what ``lvs`` prints; a node without LVM has no volumes."""
    if shutil.which("lvs") is None:
        return ""
    return run_command(
        ["lvs", "--noheadings", "--units", "B", "--separator", _SEPARATOR, "-o",
         ",".join(FIELDS)], timeout=8.0).stdout


@dataclass(frozen=True)
class LogicalVolumes:
    """:param lvs: gives the output of the program"""

    lvs: Callable[[], str] = lvs

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Logical volumes and the instances that they are of", interval=30.0,
                           category="storage", metrics=(SIZE,))

    @hookimpl
    def collect(self) -> Collected:
        segments = [volume(line) for line in self.lvs().splitlines() if line.strip()]
        sizes = {(one["vg_name"], one["name"], one["instance"] or ""): one["size"]
                 for one in segments}
        return Collected(Report(segments, samples={
            SIZE.name: [[*labels, size] for labels, size in sizes.items()]}))


def volume(line: str) -> dict[str, Any]:
    """Read one line: a volume, or one segment of it.

    :raises GanetiError: it has other fields than were asked for
    """
    words = line.strip().split(_SEPARATOR)
    if len(words) != len(FIELDS):
        raise GanetiError(f"lvs printed a line of {len(words)} fields, not {len(FIELDS)}: "
                          f"{line.strip():.200}")
    found: dict[str, Any] = {}
    for field, word in zip(FIELDS, words, strict=True):
        name = field.removeprefix("lv_")
        found[name] = _number(word) if name in _NUMBERS else word
    tagged = _INSTANCE.search(found["tags"])
    return {**found, "instance": tagged[1] if tagged else None}


def _number(word: str) -> int:
    """Read a number that may carry the unit B.

    :raises GanetiError: it is not a number
    """
    try:
        return int(word.removesuffix("B"))
    except ValueError as exc:
        raise GanetiError(f"lvs printed {word!r} where a number is due") from exc
