"""ExtStorage provider ``folder``: volumes are sparse files in a folder that all nodes mount."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import BlockDeviceError, HookContext, hookimpl
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec

MIB = 1024**2
PARAMETERS = {"type": "object", "properties": {"folder": {
    "type": "string", "default": "/srv/ganeti/volumes", "pattern": "^/",
    "description": "Folder that all nodes mount; made at the first use"}}}


def volume_file(ctx: HookContext, volume: VolumeSpec) -> Path:
    folder = volume.params.get("folder", PARAMETERS["properties"]["folder"]["default"])
    return ctx.root / folder.lstrip("/") / Path(volume.name).name


def existing(ctx: HookContext, volume: VolumeSpec) -> Path:
    file = volume_file(ctx, volume)
    if not file.exists():
        raise BlockDeviceError(f"there is no volume {file}")
    return file


def resize(file: Path, size: int) -> None:
    with file.open("ab") as volume:
        if size * MIB - volume.tell() > shutil.disk_usage(file.parent).free:
            raise BlockDeviceError(f"{file.parent} has no room for {size} MiB")
        volume.truncate(max(size * MIB, volume.tell()))


class FolderProvider:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(
            api_version=0, title="Files in a folder of all nodes", parameters=PARAMETERS)

    @hookimpl
    def verify(self, params: dict[str, Any]) -> None:
        if not str(params.get("folder", "/")).startswith("/"):
            raise api.OpPrereqError(f"folder: {params['folder']!r} is no path", api.ECODE_INVAL)

    @hookimpl
    def create(self, ctx: HookContext, volume: VolumeSpec) -> None:
        file = volume_file(ctx, volume)
        draft = file.with_suffix(".draft")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            resize(draft, volume.size)
            # Never over a volume that exists: its data are somebody's.
            with suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)

    @hookimpl
    def remove(self, ctx: HookContext, volume: VolumeSpec) -> None:
        for file in (volume_file(ctx, volume), volume_file(ctx, volume).with_suffix(".draft")):
            file.unlink(missing_ok=True)

    @hookimpl
    def attach(self, ctx: HookContext, volume: VolumeSpec) -> Attachment:
        return Attachment(str(existing(ctx, volume)))

    @hookimpl
    def detach(self) -> None:
        """Nothing is held open."""

    @hookimpl
    def grow(self, ctx: HookContext, volume: VolumeSpec, size: int) -> None:
        resize(existing(ctx, volume), size)
