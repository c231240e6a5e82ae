"""The driver: names devices, and looks whether they are there."""

from __future__ import annotations

from pathlib import Path

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    ECODE_STATE,
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk, StorageSpace
from ganeti_core.plugin_api.disk import ADOPTED_ONLY, ADOPTION, SHARED, UNLISTED

from .devices import checked_path, device_of, in_use, size_of

DRIVER = "manual"
"""First part of a `logical_id`, as Ganeti has it."""
PARAMETERS = {"type": "object", "properties": {"adopt": {
    "type": "string", "x-disk": True,
    "description": "The path below /dev/disk of the device that becomes the disk, with its data"}}}


class BlockdevTemplate:
    """Block devices that every node has under the same name."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Block devices that are there already", parameters=PARAMETERS,
            capabilities=frozenset({SHARED, UNLISTED, ADOPTION, ADOPTED_ONLY}),
            id_parts=("driver", "id"))

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        asked = request.options.get("adopt")
        if not asked:
            raise OpPrereqError(
                f"disk {request.index} names no device: the disk template blockdev makes none, say"
                " adopt=/dev/disk/...", ECODE_INVAL)
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="blockdev", size=request.size,
            logical_id=(DRIVER, checked_path(str(asked))), mode=request.mode,
            params={**request.params, **request.options}, name=request.name,
            spindles=request.spindles, instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return _path(disk)

    @hookimpl
    def space(self) -> list[StorageSpace]:
        return []

    @hookimpl
    def verify(self) -> list[str]:
        return []

    @hookimpl
    def devices(self) -> list[str]:
        return []

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Nothing is made: the device is there, or the disk cannot be."""
        size_of(self._device(ctx, disk))

    @hookimpl
    def remove(self, disk: DiskSpec) -> None:
        """The device and its data are the administrator's."""
        _path(disk)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        device = self._device(ctx, disk)
        if (size := size_of(device)) < disk.size:
            raise BlockDeviceError(
                f"{device} has {size} MiB, and the disk {disk.size} MiB: this is not the device"
                " that was adopted")
        return OpenDisk(str(device))

    @hookimpl
    def close(self, disk: DiskSpec) -> None:
        # Nothing was opened.
        _path(disk)

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        device = self._device(ctx, disk)
        if not device.is_block_device():
            return DiskStatus(exists=False)
        return DiskStatus(True, str(device), size_of(device), is_open=True)

    # Devices become disks

    @hookimpl
    def adopts(self, disk: DiskSpec) -> str:
        return _path(disk)

    @hookimpl
    def adoptable(self, ctx: HookContext, disk: DiskSpec) -> int:
        device = self._device(ctx, disk)
        try:
            size = size_of(device)
        except BlockDeviceError as exc:
            raise OpPrereqError(f"{exc.message}: it cannot be adopted", ECODE_INVAL) from exc
        if in_use(device):
            raise OpPrereqError(
                f"{device} is used on {ctx.node}, by a mount or another device on it: it cannot be"
                " adopted", ECODE_STATE)
        return size

    @hookimpl
    def adopt(self, ctx: HookContext, disk: DiskSpec) -> None:
        size_of(self._device(ctx, disk))

    @hookimpl
    def give_back(self, disk: DiskSpec) -> None:
        # Nothing was done to it.
        _path(disk)

    def _device(self, ctx: HookContext, disk: DiskSpec) -> Path:
        return device_of(ctx.root, _path(disk))


def _path(disk: DiskSpec) -> str:
    """:raises BlockDeviceError: the disk names no device that could be one of this template"""
    match disk.logical_id:
        case (str(), str(path)):
            try:
                return checked_path(path)
            except OpPrereqError as exc:
                raise BlockDeviceError(f"disk {disk.uuid}: {exc.message}") from exc
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (driver, path)")
