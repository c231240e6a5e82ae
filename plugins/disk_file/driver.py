"""Disk templates ``file`` and ``sharedfile``: one driver with two folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, LOCAL_SPACE, SHARED
from ganeti_core.plugin_api.storage_folders import device_of

from . import files
from .files import Storage

FILE_DRIVER = "loop"
"""First part of a `logical_id`: how Ganeti would open the file. Guests here open it directly."""
PARAMETERS = {"type": "object", "properties": {"file_driver": {
    "type": "string", "enum": [FILE_DRIVER], "x-disk": True,
    "description": "How Ganeti would open the file; known for its clients' sake",
}, "file_storage_dir": {
    "type": "string", "x-disk": True,
    "description": "A folder below the cluster's, in which the instance's own folder is made",
}}}


class FileTemplate:
    """Sparse files in a folder of the instance's node."""

    name: ClassVar = "file"
    setting: ClassVar = "file_storage_dir"
    title: ClassVar = "Files on a node's local file system"
    default: ClassVar = "/srv/ganeti/file-storage"
    preference: ClassVar = 20
    capabilities: ClassVar = frozenset({GROWABLE, LOCAL_SPACE})

    @hookimpl
    def describe(self) -> Description:
        folder = {"type": "string", "default": self.default, "x-folder": True,
                  "description": f"The folder of disks of the template {self.name}"}
        return Description(
            api_version=0, title=self.title, capabilities=self.capabilities,
            parameters=PARAMETERS, preference=self.preference, id_parts=("driver", "id"), settings={
                "type": "object", "properties": {self.setting: folder},
                "required": [self.setting]})

    @hookimpl
    def layout(self, request: DiskRequest, settings: dict[str, Any]) -> DiskSpec:
        folder = PurePosixPath(str(settings.get(self.setting) or ""))
        if not folder.is_absolute() or ".." in folder.parts:
            raise OpPrereqError(
                f"disk template {self.name}: the cluster's {self.setting} is not set to an"
                f" absolute path; use gnt-cluster modify", ECODE_INVAL)
        path = folder / _below(request) / _as_folder(request.instance_name) / (
            f"{request.uuid}.{self.name}.disk{request.index}")
        return DiskSpec(
            uuid=request.uuid, index=request.index, template=self.name, size=request.size,
            logical_id=(FILE_DRIVER, str(path)), mode=request.mode, params=request.params,
            name=request.name, spindles=request.spindles, instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return _path(disk)

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        if not ctx.config.get(self.setting):
            return []
        storage = self._storage(ctx.root, ctx.config)
        return [StorageSpace(str(storage.configured), *files.room(storage.folder),
                             device=device_of(storage.folder))]

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        try:
            return self._storage(ctx.root, ctx.config).problems()
        except BlockDeviceError as exc:
            return [str(exc)]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        if not ctx.config.get(self.setting):
            return []  # a cluster that never used this template
        return self._storage(ctx.root, ctx.config).files(self.name)

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        storage, file = self._place(ctx, disk)
        files.create(storage, file, disk.size)

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        storage = self._storage(ctx.root, ctx.config)
        files.remove(storage, storage.place(_path(disk)))

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        _, file = self._place(ctx, disk)
        files.size_of(file)
        return OpenDisk(str(file))

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        # Nothing was opened: there may be no such file any more, or a link in its place.
        self._storage(ctx.root, ctx.config).place(_path(disk))

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        _, file = self._place(ctx, disk)
        if not file.exists():
            return DiskStatus(exists=False)
        # Nothing is opened or closed: whoever may read the file can use it.
        return DiskStatus(exists=True, path=str(file), size=files.size_of(file), is_open=True)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        storage, file = self._place(ctx, disk)
        files.grow(storage, file, size)

    @hookimpl
    def renamed(self, disk: DiskSpec, instance_name: str) -> DiskSpec:
        path = PurePosixPath(_path(disk))
        moved = path.parent.parent / _as_folder(instance_name) / path.name
        return replace(disk, logical_id=(*disk.logical_id[:-1], str(moved)),
                       instance=instance_name)

    @hookimpl
    def rename(self, ctx: HookContext, disk: DiskSpec, to: DiskSpec) -> None:
        storage, file = self._place(ctx, disk)
        files.rename(storage, file, storage.locate(_path(to)))

    def _place(self, ctx: HookContext, disk: DiskSpec) -> tuple[Storage, Path]:
        storage = self._storage(ctx.root, ctx.config)
        return storage, storage.locate(_path(disk))

    def _storage(self, root: Path, config: Mapping[str, Any]) -> Storage:
        return Storage.at(root, str(config.get(self.setting) or ""), self.setting)


class SharedFileTemplate(FileTemplate):
    """Sparse files in a folder that every node mounts."""

    name: ClassVar = "sharedfile"
    setting: ClassVar = "shared_file_storage_dir"
    title: ClassVar = "Files on a file system that all nodes share"
    default: ClassVar = "/srv/ganeti/shared-file-storage"
    preference: ClassVar = 30
    capabilities: ClassVar = frozenset({GROWABLE, SHARED})


def _below(request: DiskRequest) -> PurePosixPath:
    """:raises OpPrereqError: the folder that was asked for leads out of the storage"""
    asked = PurePosixPath(str(request.options.get("file_storage_dir") or ""))
    if asked.is_absolute() or any(part.startswith(".") for part in asked.parts):
        raise OpPrereqError(
            f"file_storage_dir {str(asked)!r} must be a relative path without parts that begin with"
            " a dot: it is a folder below the cluster's", ECODE_INVAL)
    return asked


def _as_folder(name: str) -> str:
    """:raises OpPrereqError: an instance of this name could have no folder of its own"""
    if not name or "/" in name or name.startswith("."):
        raise OpPrereqError(f"{name!r} cannot be the name of an instance", ECODE_INVAL)
    return name


def _path(disk: DiskSpec) -> str:
    match disk.logical_id:
        case (str(), str(path)):
            return path
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (driver, path)")
