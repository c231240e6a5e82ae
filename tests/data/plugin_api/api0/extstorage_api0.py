"""A plugin written for API 0 of extstorage. Frozen: it loads as long as API 0 is accepted."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import BlockDeviceError, Description, HookContext, hookimpl
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec

MIB = 1024**2


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest")

    @hookimpl
    def verify(self, ctx: HookContext, params: dict[str, Any]) -> None:
        """Raise `OpPrereqError` for parameters that cannot work."""

    @hookimpl
    def create(self, ctx: HookContext, volume: VolumeSpec) -> None:
        draft = draft_of(ctx, volume)
        draft.touch(mode=0o600)
        try:
            resize(draft, volume.size)
            # Never over a volume that is there: its data are somebody's.
            with suppress(FileExistsError):
                os.link(draft, place(ctx, volume))
        finally:
            draft.unlink()

    @hookimpl
    def remove(self, ctx: HookContext, volume: VolumeSpec) -> None:
        for path in (place(ctx, volume), draft_of(ctx, volume)):
            path.unlink(missing_ok=True)

    @hookimpl
    def attach(self, ctx: HookContext, volume: VolumeSpec) -> Attachment:
        return Attachment(str(existing(ctx, volume)))

    @hookimpl
    def detach(self, ctx: HookContext, volume: VolumeSpec) -> None:
        """Nothing is held open."""

    @hookimpl
    def grow(self, ctx: HookContext, volume: VolumeSpec, size: int) -> None:
        resize(existing(ctx, volume), size)


def place(ctx: HookContext, volume: VolumeSpec) -> Path:
    # Only the last part: a name must not lead out of the driver's folder.
    return ctx.keep / Path(volume.name).name


def draft_of(ctx: HookContext, volume: VolumeSpec) -> Path:
    return ctx.keep / f".{Path(volume.name).name}.draft"


def existing(ctx: HookContext, volume: VolumeSpec) -> Path:
    if not place(ctx, volume).exists():
        raise BlockDeviceError(f"there is no volume {volume.name}")
    return place(ctx, volume)


def resize(path: Path, size: int) -> None:
    """Make a file `size` MiB large, or leave it as large as it is."""
    have = path.stat().st_size
    if size * MIB - have > shutil.disk_usage(path.parent).free:
        raise BlockDeviceError(f"{path.parent} has no room for {size} MiB")
    os.truncate(path, max(size * MIB, have))
