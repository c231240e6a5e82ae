"""Disk template ``diskless``: instances without disks."""

from __future__ import annotations

from typing import NoReturn

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
from ganeti_core.plugin_api.disk import NO_DISKS, SHARED


class DisklessTemplate:
    """No disks: nothing to plan, nothing to create, and so nothing that keeps from moving."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="No disks at all", capabilities=frozenset({NO_DISKS, SHARED}),
            preference=10)

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        raise OpPrereqError(
            f"instance {request.instance_name} is diskless and cannot have disks", ECODE_INVAL)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return disk.uuid

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return []

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return []

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return []

    @hookimpl
    def create(self, disk: DiskSpec) -> None:
        _refuse(disk)

    @hookimpl
    def remove(self, disk: DiskSpec) -> None:
        """A missing device is no error, and all are missing."""

    @hookimpl
    def open(self, disk: DiskSpec) -> OpenDisk:
        _refuse(disk)

    @hookimpl
    def close(self, disk: DiskSpec) -> None:
        """A closed device is no error."""

    @hookimpl
    def status(self, disk: DiskSpec) -> DiskStatus:
        return DiskStatus(exists=False)


def _refuse(disk: DiskSpec) -> NoReturn:
    raise BlockDeviceError(f"disk {disk.uuid} belongs to a diskless instance: it cannot exist")
