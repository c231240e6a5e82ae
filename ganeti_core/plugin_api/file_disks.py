"""Disk templates whose disks are one file each, in the driver's own folder of the node."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from ganeti_core.errors import BlockDeviceError

from .context import HookContext
from .data import (
    DiskRequest,
    DiskSpec,
    DiskStatus,
    OpenDisk,
    StorageSpace,
)
from .kinds import hookimpl
from .storage_folders import device_of

MIB = 1024**2
DRAFT = ".draft"


class FileDisks:
    """All hooks of such a template but `describe`, `verify` and `grow`.

    A subclass says what a file holds: `template`, the name of its entry point, and `make`. Where a
    file is not what a guest gets, it also has its own `open`, `close` and `status`.
    """

    template: ClassVar[str]

    def make(self, disk: DiskSpec, draft: Path) -> None:
        """Write the file of a new disk; killed or failed, what is there is thrown away.

        :raises BlockDeviceError: it cannot be made
        """
        raise NotImplementedError

    def further_id(self, request: DiskRequest) -> tuple[Any, ...]:
        """What a disk's `logical_id` keeps besides the name of its file."""
        return ()

    def file_of(self, ctx: HookContext, disk: DiskSpec) -> Path:
        """The file of a disk, whether it is there or not."""
        # Only the last part: a path in the configuration must not lead out of the folder.
        return ctx.keep / Path(str(disk.logical_id[0])).name

    def existing(self, ctx: HookContext, disk: DiskSpec) -> Path:
        """:raises BlockDeviceError: the disk is not there"""
        file = self.file_of(ctx, disk)
        if not file.exists():
            raise BlockDeviceError(f"there is no {file}")
        return file

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        return DiskSpec(
            uuid=request.uuid, index=request.index, template=self.template, size=request.size,
            logical_id=(f"{request.uuid}.{self.template}", *self.further_id(request)),
            mode=request.mode, name=request.name, params=request.params,
            instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return str(disk.logical_id[0])

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        total, _, free = (number // MIB for number in shutil.disk_usage(ctx.keep))
        return [StorageSpace(str(ctx.keep), total, free, device=device_of(ctx.keep))]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.name for path in ctx.keep.glob(f"*.{self.template}"))

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        file = self.file_of(ctx, disk)
        if file.exists():
            return
        draft = file.with_suffix(DRAFT)
        draft.unlink(missing_ok=True)
        try:
            self.make(disk, draft)
            draft.rename(file)  # the name appears when the file is whole
        finally:
            draft.unlink(missing_ok=True)

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        self.close(ctx, disk)
        file = self.file_of(ctx, disk)
        for path in (file, file.with_suffix(DRAFT)):
            path.unlink(missing_ok=True)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        return OpenDisk(str(self.existing(ctx, disk)))

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Nothing is held open."""

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        file = self.file_of(ctx, disk)
        if not file.exists():
            return DiskStatus(exists=False)
        return DiskStatus(True, str(file), file.stat().st_size // MIB, is_open=True)
