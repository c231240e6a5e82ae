"""The program ``lvm``: what it reports, as values, and how its refusals are passed on.

Reports are read as JSON, with sizes in bytes, and never sorted out of a table for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ganeti_core.plugin_api import BlockDeviceError, patience, run_command
from ganeti_core.plugin_api.run import DEFAULT_PATH

MIB = 1 << 20
READING = 7.0
"""Seconds for a report: listings ask for it, and give up after eight."""
CHANGING = 240.0
_ENVIRONMENT = {"PATH": DEFAULT_PATH, "LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
_THIN_POOL, _THIN_VOLUME, _VIRTUAL, _SNAPSHOTS, _MIRRORED = "t", "V", "v", "sS", "rRmM"


@dataclass(frozen=True)
class Group:
    """A volume group; MiB.

    :param missing: how many of its physical volumes are lost
    """

    name: str
    size: int
    free: int
    missing: int


@dataclass(frozen=True)
class Physical:
    """A physical volume; MiB.

    :param group: empty where it belongs to none yet
    """

    name: str
    group: str
    size: int
    free: int
    used: int
    allocatable: bool
    missing: bool

    @property
    def is_empty(self) -> bool:
        return not self.used and not self.missing


@dataclass(frozen=True)
class Logical:
    """A logical volume; MiB.

    :param path: of its device
    :param attributes: as ``lvs`` shows them; the first letter is what kind of volume it is
    :param health: empty for a whole one
    :param physical: the physical volumes that it lies on
    :param percent: of a thin pool: how much of its room is taken
    """

    group: str
    name: str
    path: str
    size: int
    attributes: str
    pool: str = ""
    origin: str = ""
    tags: tuple[str, ...] = ()
    health: str = ""
    physical: tuple[str, ...] = ()
    percent: float = 0.0

    @property
    def full_name(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def is_pool(self) -> bool:
        return self.attributes[0] == _THIN_POOL

    @property
    def is_thin(self) -> bool:
        return self.attributes[0] == _THIN_VOLUME

    @property
    def is_snapshot(self) -> bool:
        return self.attributes[0] in _SNAPSHOTS

    @property
    def is_active(self) -> bool:
        return self.attributes[4] == "a"

    @property
    def is_open(self) -> bool:
        """Whether somebody has opened its device."""
        return self.attributes[5] == "o"

    @property
    def reads_as_zeros(self) -> bool:
        """Whether what nobody has written to it reads as zeros, also beside what somebody has."""
        return self.is_thin and self.attributes[7] == "z"

    @property
    def is_faulty(self) -> bool:
        """Whether data of it are lost: with a disk, or since room for a snapshot ran out.

        LVM says of RAID that lacks a disk, or is to be refreshed, what it says of other volumes
        that are lost. RAID may have all data even so, and LVM refuses to activate one that has not.
        """
        return self.attributes[0] == _VIRTUAL or (
            bool(self.health) and self.attributes[0] not in _MIRRORED)

    @property
    def is_degraded(self) -> bool:
        return self.is_faulty or bool(self.health)


@dataclass(frozen=True)
class Lvm:
    """The program on this node; every call reads anew."""

    program: str = "lvm"

    def groups(self) -> dict[str, Group]:
        """Return all volume groups by name."""
        rows = self._report("vgs", "vg", "vg_name", "vg_size", "vg_free", "vg_missing_pv_count")
        return {row["vg_name"]: Group(
            row["vg_name"], _mib(row["vg_size"]), _mib(row["vg_free"]),
            int(row["vg_missing_pv_count"])) for row in rows}

    def group(self, name: str) -> Group:
        """:raises BlockDeviceError: there is no such group"""
        found = self.groups()
        if name not in found:
            raise BlockDeviceError(no_group(name, found))
        return found[name]

    def physical(self, group: str = "") -> list[Physical]:
        """List the physical volumes, of one group or all, in the order of their names."""
        rows = self._report("pvs", "pv", "pv_name", "vg_name", "pv_size", "pv_free", "pv_used",
                            "pv_attr")
        found = [Physical(
            row["pv_name"], row["vg_name"], _mib(row["pv_size"]), _mib(row["pv_free"]),
            _mib(row["pv_used"]), row["pv_attr"].startswith("a"), "m" in row["pv_attr"][2:])
            for row in rows]
        return sorted((one for one in found if group in ("", one.group)),
                      key=lambda one: one.name)

    def logical(self) -> list[Logical]:
        """List all logical volumes, without the hidden parts of pools and mirrors."""
        rows = self._report(
            "lvs", "lv", "vg_name", "lv_name", "lv_path", "lv_size", "lv_attr", "pool_lv",
            "origin", "lv_tags", "lv_health_status", "data_percent", "devices")
        found: dict[tuple[str, str], Logical] = {}
        for row in rows:
            # A volume has a row for each stretch of room that it lies in.
            key = row["vg_name"], row["lv_name"]
            one = found.get(key) or _logical(row)
            found[key] = replace(one, physical=(*one.physical, *_devices(row["devices"])))
        return [replace(one, physical=tuple(dict.fromkeys(one.physical)))
                for one in found.values()]

    def find(self, group: str, name: str) -> Logical | None:
        """Return a logical volume; None if there is none of this name."""
        return next((one for one in self.logical()
                     if (one.group, one.name) == (group, name)), None)

    def run(self, *words: str) -> None:
        """Let it change something.

        :raises BlockDeviceError: it refused, or took too long
        """
        run_command([self.program, *words], timeout=CHANGING * patience(), env=_ENVIRONMENT,
                    error=BlockDeviceError)

    def _report(self, command: str, what: str, *fields: str) -> list[dict[str, Any]]:
        done = run_command(
            [self.program, command, "--reportformat", "json", "--units", "b", "--nosuffix",
             "-o", ",".join(fields)], timeout=READING * patience(), env=_ENVIRONMENT,
            error=BlockDeviceError)
        try:
            return [row for part in json.loads(done.stdout)["report"] for row in part.get(what, ())]
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise BlockDeviceError(
                f"{self.program} {command} printed no report in JSON, as LVM does from version"
                f" 2.02.158 on: {done.stdout[:200]!r}") from exc


def no_group(name: str, groups: Iterable[str]) -> str:
    """Say that a group is missing, and what to do about it."""
    return (f"there is no volume group '{name}' on this node (there are:"
            f" {', '.join(sorted(groups)) or 'none'}): make it with vgcreate, or name another one"
            " with gnt-cluster modify --vg-name or the disk's parameter vg")


def _mib(size: str) -> int:
    return int(size) // MIB


def _devices(text: str) -> list[str]:
    """Return the physical volumes of ``/dev/sdb(0),/dev/sdc(12)``."""
    return [one.rpartition("(")[0] for one in text.split(",") if one.startswith("/")]


def _logical(row: dict[str, Any]) -> Logical:
    return Logical(
        row["vg_name"], row["lv_name"], row["lv_path"], _mib(row["lv_size"]),
        row["lv_attr"].ljust(10, "-"), row["pool_lv"], row["origin"],
        tuple(filter(None, row["lv_tags"].split(","))), row["lv_health_status"], (),
        float(row["data_percent"] or 0))
