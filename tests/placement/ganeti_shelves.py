"""Disk template ``shelves``: files in one of two storages of the node, each with a size of its own.

A disk is made once a file named ``go`` lies in the driver's folder.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import BlockDeviceError, Description, DiskSpec, HookContext, hookimpl
from ganeti_core.plugin_api.data import DiskRequest, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, LOCAL_SPACE
from ganeti_core.plugin_api.file_disks import MIB, FileDisks

SIZES = {"small": 100, "large": 1000}
PATIENCE = 60.0


class Shelves(FileDisks):
    """Two storages."""

    template = "shelves"

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Two storages", {"type": "object", "properties": {"shelf": {
            "type": "string", "enum": list(SIZES), "default": "small",
            "description": "Which storage"}}}, frozenset({GROWABLE, LOCAL_SPACE}))

    def further_id(self, request: DiskRequest) -> tuple[Any, ...]:
        return ((request.params | request.options)["shelf"],)

    @hookimpl
    def storage_of(self, disk: DiskSpec) -> str:
        return str(disk.logical_id[1])

    def file_of(self, ctx: HookContext, disk: DiskSpec) -> Path:
        folder = ctx.keep / self.storage_of(disk)
        folder.mkdir(exist_ok=True)
        return folder / Path(str(disk.logical_id[0])).name

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return [StorageSpace(name, size, size - sum(
            path.stat().st_size // MIB for path in (ctx.keep / name).glob("*.shelves")))
            for name, size in SIZES.items()]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.name for path in ctx.keep.glob("*/*.shelves"))

    def make(self, disk: DiskSpec, draft: Path) -> None:
        until = time.monotonic() + PATIENCE
        while not (draft.parent.parent / "go").exists():
            if time.monotonic() > until:
                raise BlockDeviceError("nobody said go")
            time.sleep(0.02)
        with draft.open("wb") as file:
            file.truncate(disk.size * MIB)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        with self.existing(ctx, disk).open("r+b") as file:
            file.truncate(size * MIB)

    @hookimpl
    def verify(self) -> list[str]:
        return []
