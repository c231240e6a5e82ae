"""The driver: plans files of the volume, and says how guests reach them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import ClassVar

from ganeti_core.plugin_api import (
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    hookimpl,
)
from ganeti_core.plugin_api.data import DiskRequest, OpenDisk, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, SHARED, UNLISTED
from ganeti_core.plugin_api.file_disks import FileDisks
from ganeti_core.plugin_api.storage_folders import device_of

from .volume import (
    HOST,
    MISSING,
    NAME,
    SETTING,
    Volume,
    find_program,
    is_mounted,
    mount_folder,
    path_of,
)

MIB = 1 << 20
FILE_DRIVER = "loop"
"""First part of a `logical_id`: how Ganeti would open the file. Guests here open it directly."""
USERSPACE = "userspace"
PARAMETERS = {"type": "object", "properties": {
    "host": {
        "type": "string", "pattern": f"^{HOST}$", "default": "127.0.0.1",
        "description": "A server of the volume, by its name or address"},
    "port": {
        "type": "integer", "minimum": 1, "maximum": 65535, "default": 24007,
        "description": "The port on which the server listens"},
    "volume": {
        "type": "string", "pattern": f"^{NAME}$", "default": "gv0",
        "description": "The volume in which the disks are; a node has one mounted"},
    "access": {
        "type": "string", "enum": ["kernelspace", USERSPACE], "default": "kernelspace",
        "description": "Whether guests use the file on the mounted volume, or the hypervisor opens"
                       " it itself (kvm)"},
}}
SETTINGS = {"type": "object", "required": [SETTING], "properties": {SETTING: {
    "type": "string", "default": "/var/run/ganeti/gluster", "x-folder": True,
    "description": "Where nodes mount the volume of the template gluster"}}}


class GlusterTemplate(FileDisks):
    """Sparse files in a Gluster volume."""

    template: ClassVar = "gluster"

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Files in a Gluster volume", parameters=PARAMETERS,
            settings=SETTINGS, capabilities=frozenset({GROWABLE, SHARED, UNLISTED}),
            id_parts=("driver", "id"))

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        return DiskSpec(
            uuid=request.uuid, index=request.index, template=self.template, size=request.size,
            logical_id=(FILE_DRIVER, f"ganeti/{request.uuid}.{request.index}"),
            mode=request.mode, params={**request.params, **request.options}, name=request.name,
            spindles=request.spindles, instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return path_of(disk)

    # Which volume counts is said by parameters of disks, not by a setting of the cluster: without a
    # disk nothing is mounted, and what lies in the volume cannot be listed.

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        folder = mount_folder(ctx)
        if not is_mounted(folder):
            return []
        total, _, free = (number // MIB for number in shutil.disk_usage(folder))
        return [StorageSpace(str(ctx.config[SETTING]), total, free, device=device_of(folder))]

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        try:
            folder = mount_folder(ctx)
        except BlockDeviceError as exc:
            return [exc.message]
        if folder.exists() and not folder.is_dir():
            return [f"{folder} is no folder: remove it, or correct the cluster's {SETTING} with"
                    " gnt-cluster modify"]
        return [] if find_program(ctx.root) else [MISSING]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return []

    def file_of(self, ctx: HookContext, disk: DiskSpec) -> Path:
        """The file of a disk, on the volume, which is mounted for it."""
        volume = Volume.of(ctx, disk)
        volume.mount()
        return volume.file(disk)

    def existing(self, ctx: HookContext, disk: DiskSpec) -> Path:
        file = super().existing(ctx, disk)
        if not file.is_file():
            raise BlockDeviceError(f"disk file {file} is no regular file")
        return file

    def make(self, disk: DiskSpec, draft: Path) -> None:
        try:
            draft.parent.mkdir(mode=0o750, exist_ok=True)
            _check_room(draft.parent, disk.size)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.truncate(disk.size * MIB)
        except OSError as exc:
            raise BlockDeviceError(
                f"cannot create {draft} ({disk.size} MiB): {exc.strerror}") from exc

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        path = str(self.existing(ctx, disk))
        if disk.params.get("access") != USERSPACE:
            return OpenDisk(path)
        # The path too: OS definitions and copies read and write the file.
        return OpenDisk(path, {"kvm": Volume.of(ctx, disk).address(path_of(disk))})

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        file = self.existing(ctx, disk)
        have = file.stat().st_size // MIB
        if have >= size:
            return
        _check_room(file.parent, size - have)
        try:
            os.truncate(file, size * MIB)
        except OSError as exc:
            raise BlockDeviceError(f"cannot grow {file} to {size} MiB: {exc.strerror}") from exc


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free // MIB
    if size > free:
        raise BlockDeviceError(
            f"the volume on {folder.parent} has {free} MiB free, {size} MiB are needed: add a"
            " brick, or remove something")
