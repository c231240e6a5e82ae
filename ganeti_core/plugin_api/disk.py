"""The contract of disk templates: where an instance's disks come from."""

from __future__ import annotations

from typing import Any

from .context import HookContext
from .data import Description, DiskPlan, DiskRequest, DiskSpec, DiskStatus, NodeRef, StorageSpace
from .kinds import Kind, hookspec, where

SHARED = "shared"
"""Every node sees the same data: an instance can move without copying its disks."""
MIRRORED = "mirrored"
"""A secondary node holds a copy."""
GROWABLE = "growable"
SNAPSHOTS = "snapshots"
NO_DISKS = "no_disks"
"""Instances of this template have no disks at all."""
LOCAL_SPACE = "local_space"
"""Disks take room in a storage of the node: free space is checked before creation."""
UNLISTED = "unlisted"
"""The storage cannot list its devices: `devices` is empty, orphans cannot be found."""


class DiskTemplateSpec:
    """What the core may ask of a disk template.

    On the master it plans; on a node each hook acts on the one device it is given, with the role,
    peers and children that it has there. Errors are `BlockDeviceError`.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the template: parameters (`diskparams`) as JSON Schema, capabilities.

        Capabilities known to the core: ``shared``, ``mirrored``, ``growable``, ``snapshots``,
        ``no_disks``, ``local_space``, ``unlisted``. Pools it draws from (``minor`` per node,
        ``port``, ``secret``) are capabilities ``pool:minor`` ...; what is granted is passed to
        `layout`.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master")
    def layout(
        self, request: DiskRequest, nodes: tuple[NodeRef, ...], granted: dict[str, Any],
        settings: dict[str, Any],
    ) -> DiskPlan:
        """Plan one disk, purely: no I/O.

        :param nodes: the instance's primary node, then its secondaries
        :param granted: what the core allocated from the declared pools
        :param settings: the cluster's storage settings (``file_storage_dir``,
            ``shared_file_storage_dir``, ``volume_group_name``)
        :raises OpPrereqError: the request's options make no sense
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        """Tell the room in each storage of this template on this node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verify(self, ctx: HookContext) -> list[str]:
        """Tell what is wrong with this node for this template; empty when it can hold disks."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def devices(self, ctx: HookContext) -> list[str]:
        """List identities (`identity`) of all devices of this template found on this node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master")
    def identity(self, disk: DiskSpec) -> str:
        """Name a device as `devices` does, to find orphans; unique on a node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Make the device. One that exists with this identity is left as it is.

        :raises BlockDeviceError: nothing of it is left on this node
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Remove the device and its data; a missing one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> str:
        """Make the device usable and answer its path; an open one stays open.

        `exclusive` is False while two nodes use it, during a migration.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        """Stop using the device on this node, its data stay; a closed one is no error."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        """Tell how the device is."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        """Make the device `size` MiB large; one that is as large or larger is left alone.

        :raises BlockDeviceError: its size is as before
        """
        raise NotImplementedError


class SnapshotSpec:
    """Point-in-time copies of a device."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        """Make a read-only copy named `name`; answers its path."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        """Remove the copy; a missing one is no error."""
        raise NotImplementedError


DISK_TEMPLATES = Kind(
    "disk_templates", DiskTemplateSpec, extensions=((SNAPSHOTS, SnapshotSpec),),
    optional=frozenset({"grow"}),
)
