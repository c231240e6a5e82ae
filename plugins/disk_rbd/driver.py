"""The driver: plans images, and says how guests reach them."""

from __future__ import annotations

from ganeti_core.plugin_api import Description, DiskSpec, HookContext, hookimpl
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, SHARED, SNAPSHOTS, UNLISTED

from .images import MISSING, NAME, Image, find_program, parts

USERSPACE = "userspace"
PARAMETERS = {"type": "object", "properties": {
    "pool": {
        "type": "string", "pattern": f"^{NAME}$", "default": "rbd",
        "description": "The pool in which the images are; an image stays in the one in which it was"
                       " made, so this is changed only while no disk depends on it"},
    "access": {
        "type": "string", "enum": ["kernelspace", USERSPACE], "default": "kernelspace",
        "description": "Whether guests use the node's block device, or the hypervisor opens the"
                       " image itself (kvm)"},
    "user-id": {
        "type": "string", "pattern": f"^({NAME})?$", "default": "",
        "description": "The user of Ceph's, without 'client.', whose key the nodes use; empty for"
                       " the admin's"},
}}


class RbdTemplate:
    """Images in a pool of a Ceph cluster."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Images of a Ceph cluster (RBD)", parameters=PARAMETERS,
            capabilities=frozenset({GROWABLE, SHARED, SNAPSHOTS, UNLISTED}),
            id_parts=("driver", "id"))

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="rbd", size=request.size,
            logical_id=("rbd", f"{request.uuid}.rbd.disk{request.index}"), mode=request.mode,
            params={**request.params, **request.options}, name=request.name,
            spindles=request.spindles, instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        pool, image, _ = parts(disk)
        return f"{pool}/{image}"

    # The node. Which pools count is said by parameters of disks, not by a setting of the cluster:
    # neither their room nor what lies in them can be told without a disk.

    @hookimpl
    def space(self) -> list[StorageSpace]:
        return []

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return [] if find_program(ctx.root) else [MISSING]

    @hookimpl
    def devices(self) -> list[str]:
        return []

    # One image

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        Image.of(ctx, disk).create(disk.size)

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        Image.of(ctx, disk).remove()

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        image = Image.of(ctx, disk)
        image.existing()
        # Mapped in both cases: OS definitions and copies read and write a device.
        return OpenDisk(image.map(), {"kvm": address(image)} if _is_userspace(disk) else {})

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        Image.of(ctx, disk).unmap("")

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        image = Image.of(ctx, disk)
        size = image.size()
        if size is None:
            return DiskStatus(exists=False)
        path = next(iter(image.devices()), "")
        return DiskStatus(True, path, size, is_open=bool(path))

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        Image.of(ctx, disk).resize(size)

    # Copies of a moment

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        image = Image.of(ctx, disk)
        image.make_snapshot(name)
        return image.map(name)

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        Image.of(ctx, disk).remove_snapshot(name)


def address(image: Image) -> str:
    """Name the image as QEMU opens it."""
    return f"rbd:{image.spec()}" + (f":id={image.user}" if image.user else "")


def _is_userspace(disk: DiskSpec) -> bool:
    return bool(disk.params.get("access") == USERSPACE)
