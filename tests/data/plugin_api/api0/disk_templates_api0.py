"""A plugin written for API 0 of disk_templates. Frozen: it loads as long as API 0 is accepted."""

import os
import shutil
from pathlib import Path

from ganeti_core.plugin_api import (
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    hookimpl,
)
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk, StorageSpace

MIB = 1024**2
SUFFIX = ".disk"


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest",
                           capabilities=frozenset({"growable", "local_space"}))

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="oldest", size=request.size,
            logical_id=(f"{request.uuid}{SUFFIX}",), mode=request.mode, name=request.name,
            params=request.params, instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return str(disk.logical_id[0])

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        total, _, free = (number // MIB for number in shutil.disk_usage(ctx.keep))
        return [StorageSpace(str(ctx.keep), total, free)]

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return [] if os.access(ctx.keep, os.W_OK) else [f"{ctx.keep} cannot be written"]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.name for path in ctx.keep.glob(f"*{SUFFIX}"))

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        if not place(ctx, disk).exists():
            # A disk is there whole or not at all, whenever this process is killed.
            draft = draft_of(ctx, disk)
            draft.touch(mode=0o600)
            try:
                resize(draft, disk.size)
            except BlockDeviceError:
                draft.unlink()
                raise
            draft.rename(place(ctx, disk))

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        for path in (place(ctx, disk), draft_of(ctx, disk)):
            path.unlink(missing_ok=True)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        return OpenDisk(str(existing(ctx, disk)))

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Nothing is held open."""

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        path = place(ctx, disk)
        if not path.exists():
            return DiskStatus(exists=False)
        return DiskStatus(True, str(path), path.stat().st_size // MIB, is_open=True)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        resize(existing(ctx, disk), size)


def place(ctx: HookContext, disk: DiskSpec) -> Path:
    # Only the last part: what the config says must not lead out of the driver's folder.
    return ctx.keep / Path(str(disk.logical_id[0])).name


def draft_of(ctx: HookContext, disk: DiskSpec) -> Path:
    return place(ctx, disk).with_suffix(".draft")


def existing(ctx: HookContext, disk: DiskSpec) -> Path:
    if not place(ctx, disk).exists():
        raise BlockDeviceError(f"there is no disk {place(ctx, disk)}")
    return place(ctx, disk)


def resize(path: Path, size: int) -> None:
    """Make a file `size` MiB large, or leave it as large as it is."""
    have = path.stat().st_size
    if size * MIB - have > shutil.disk_usage(path.parent).free:
        raise BlockDeviceError(f"{path.parent} has no room for {size} MiB")
    os.truncate(path, max(size * MIB, have))
