"""The program ``rbd``: what it reports, as values, and what is done with one image.

Reports are read as JSON. Ceph's cluster is asked in the name of the disk's user; what the node's
kernel has mapped needs no cluster, and is found even where that is out of reach.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    BlockDeviceError,
    DiskSpec,
    HookContext,
    patience,
    run_command,
)

MIB = 1 << 20
NAME = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
"""Of pools, images, snapshots and users: what means nothing else in a specification or address."""
READING = 7.0
"""Seconds for a report: listings ask for it, and give up after eight."""
CHANGING = 100.0
"""Seconds for a change; the hooks that make one have more."""
FOLDERS = ("usr/bin", "usr/local/bin", "usr/sbin", "bin")
_NO_SNAPSHOT = ("-", "")


def find_program(root: Path) -> Path | None:
    """Return the program ``rbd`` of the node below `root`; None where there is none."""
    paths = [root / folder / "rbd" for folder in FOLDERS]
    return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Image:
    """One image, and the snapshots of it, as a node reaches them.

    :param program: of the node
    :param user: of Ceph's, without ``client.``; empty for the program's own choice, the admin
    """

    program: Path
    pool: str
    name: str
    user: str

    @classmethod
    def of(cls, ctx: HookContext, disk: DiskSpec) -> Image:
        """:raises BlockDeviceError: the node has no program for it, or the disk no proper names"""
        program = find_program(ctx.root)
        if program is None:
            raise BlockDeviceError(f"node {ctx.node}: {MISSING}")
        return cls(program, *parts(disk))

    def spec(self, snapshot: str = "") -> str:
        """Name the image, or a snapshot of it, as the program wants it."""
        return f"{self.pool}/{self.name}" + (f"@{snapshot}" if snapshot else "")

    # Ceph's cluster

    def size(self) -> int | None:
        """Return the size of the image, MiB; None where there is no such image.

        :raises BlockDeviceError: that cannot be found out
        """
        try:
            found = self._report("info", self.spec())
        except BlockDeviceError:
            # Its status tells a missing image not from a missing pool: the pool is asked.
            if self.exists():
                raise
            return None
        return int(found["size"]) // MIB

    def exists(self) -> bool:
        """:raises BlockDeviceError: that cannot be found out"""
        return self.name in self._report("ls", self.pool)

    def existing(self) -> int:
        """Return the size of the image, MiB.

        :raises BlockDeviceError: there is no such image
        """
        size = self.size()
        if size is None:
            raise BlockDeviceError(f"there is no image {self.spec()} in Ceph's cluster")
        return size

    def create(self, size: int) -> None:
        """Make the image, of `size` MiB; one that exists is left as it is."""
        if not self.exists():
            self._change("create", "--size", str(size), self.spec())

    def resize(self, size: int) -> None:
        """Make the image `size` MiB large, if it is smaller."""
        if self.existing() < size:
            self._change("resize", "--no-progress", "--size", str(size), self.spec())

    def remove(self) -> None:
        """Remove the image with its snapshots; a missing one is no error."""
        self.unmap()
        if self.exists():
            self._change("snap", "purge", "--no-progress", self.spec())
            self._change("rm", "--no-progress", self.spec())

    def make_snapshot(self, name: str) -> None:
        """Keep the data of this moment under a name; those of an earlier one stay."""
        if name not in self._snapshots():
            self._change("snap", "create", self.spec(name))

    def remove_snapshot(self, name: str) -> None:
        """Remove a snapshot; a missing one is no error."""
        self.unmap(name)
        if self.exists() and name in self._snapshots():
            self._change("snap", "rm", self.spec(name))

    def _snapshots(self) -> list[str]:
        return [str(one["name"]) for one in self._report("snap", "ls", self.spec())]

    # The node's kernel

    def devices(self, snapshot: str | None = "") -> list[str]:
        """Return the devices that the image, or a snapshot of it, has on this node.

        :param snapshot: None for those of the image and of all its snapshots
        """
        return [one["device"] for one in self._mapped()
                if (one["pool"], one.get("namespace", ""), one["name"]) == (
                    self.pool, "", self.name)
                and snapshot in (None, "" if one["snap"] in _NO_SNAPSHOT else one["snap"])]

    def map(self, snapshot: str = "") -> str:
        """Let the image, or a snapshot of it, have a device on this node; return its path."""
        found = self.devices(snapshot)
        if not found:
            self._change("map", self.spec(snapshot))
            found = self.devices(snapshot)
        if not found:
            raise BlockDeviceError(f"{self.spec(snapshot)} was mapped, and the kernel shows no"
                                   " device of it: look at the kernel's log")
        return found[0]

    def unmap(self, snapshot: str | None = None) -> None:
        """Take the devices away that `devices` finds.

        :raises BlockDeviceError: somebody uses one
        """
        for device in self.devices(snapshot):
            self._change("unmap", device)

    def _mapped(self) -> list[dict[str, Any]]:
        found = self._report("showmapped")
        # Up to version 12 an object by number, since then a list.
        return list(found.values()) if isinstance(found, dict) else list(found)

    def _report(self, *words: str) -> Any:
        printed = self._run(READING, *words, "--format", "json")
        try:
            return json.loads(printed or "[]")
        except ValueError as exc:
            raise BlockDeviceError(
                f"{self.program} {words[0]} printed no JSON: {printed[:200]!r}") from exc

    def _change(self, *words: str) -> None:
        self._run(CHANGING, *words)

    def _run(self, seconds: float, *words: str) -> str:
        user = ("--id", self.user) if self.user else ()
        return run_command([self.program, *words, *user], timeout=seconds * patience(),
                           error=BlockDeviceError).stdout


MISSING = "there is no program rbd: install ceph-common"


def parts(disk: DiskSpec) -> tuple[str, str, str]:
    """Return the pool, the name and the user of a disk's image.

    :raises BlockDeviceError: they cannot be those of one
    """
    match disk.logical_id:
        case (str(), str(image)):
            pool, user = str(disk.params.get("pool", "")), str(disk.params.get("user-id", ""))
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (driver, image)")
    for what, name in (("pool", pool), ("image", image), ("user", user or "admin")):
        if not re.fullmatch(NAME, name):
            raise BlockDeviceError(f"disk {disk.uuid}: {name!r} cannot be the name of its {what}")
    return pool, image, user
