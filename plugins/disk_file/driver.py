"""Disk templates ``file`` and ``sharedfile``: one driver with two folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    NodeRef,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import DeviceStep, DiskPlan, DiskRequest, DiskStatus, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, LOCAL_SPACE, SHARED

from . import files
from .files import Storage

FILE_DRIVER = "loop"
"""First part of a `logical_id`: how the peer would open the file. Guests here open it directly."""


class FileTemplate:
    """Sparse files in a folder of the instance's node."""

    name: ClassVar = "file"
    setting: ClassVar = "file_storage_dir"
    title: ClassVar = "Files on a node's local file system"
    capabilities: ClassVar = frozenset({GROWABLE, LOCAL_SPACE})

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title=self.title, capabilities=self.capabilities)

    @hookimpl
    def layout(
        self, request: DiskRequest, nodes: tuple[NodeRef, ...], settings: dict[str, Any]
    ) -> DiskPlan:
        folder = PurePosixPath(str(settings.get(self.setting) or ""))
        if not folder.is_absolute() or ".." in folder.parts:
            raise OpPrereqError(
                f"disk template {self.name}: the cluster's {self.setting} is not set to an"
                f" absolute path; use gnt-cluster modify", ECODE_INVAL)
        path = folder / _folder_name(request) / (
            f"{request.uuid}.{self.name}.disk{request.index}")
        disk = DiskSpec(
            uuid=request.uuid, index=request.index, template=self.name, size=request.size,
            logical_id=(FILE_DRIVER, str(path)), mode=request.mode, params=request.params,
            name=request.name, spindles=request.spindles, instance=request.instance_name)
        return DiskPlan(disk, tuple(DeviceStep(node.name, disk) for node in nodes[:1]))

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return _path(disk)

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        if not ctx.config.get(self.setting):
            return []
        storage = self._storage(ctx.root, ctx.config)
        return [StorageSpace(str(storage.configured), *files.room(storage.folder))]

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
        storage, file = self._place(ctx, disk)
        files.remove(storage, file)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> str:
        _, file = self._place(ctx, disk)
        files.size_of(file)
        return str(file)

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        self._place(ctx, disk)

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
    capabilities: ClassVar = frozenset({GROWABLE, SHARED})


def _folder_name(request: DiskRequest) -> str:
    name = request.instance_name
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
