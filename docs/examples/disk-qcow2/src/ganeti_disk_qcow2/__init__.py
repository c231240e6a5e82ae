"""Disk template ``qcow2``: thin images on top of a shared base image.

An open image is shown as a plain file (FUSE), so no hypervisor needs to know the format.
"""

import shutil
from pathlib import Path

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import DiskSpec, HookContext, NodeRef, hookimpl
from ganeti_core.plugin_api.data import DeviceStep, DiskPlan, DiskRequest, DiskStatus, StorageSpace

from . import images, plain
from .images import image_of
from .plain import MIB

PARAMETERS = {"type": "object", "properties": {"base_image": {
    "type": "string", "default": "",
    "description": "Raw image that new disks start as, a path on every node; empty: none"}}}


class Qcow2Template:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(
            api_version=0, title="Thin qcow2 images", parameters=PARAMETERS,
            capabilities=frozenset({"growable", "local_space"}))

    @hookimpl
    def layout(self, request: DiskRequest, nodes: tuple[NodeRef, ...]) -> DiskPlan:
        base = request.options.get("base_image") or request.params.get("base_image", "")
        disk = DiskSpec(
            uuid=request.uuid, index=request.index, template="qcow2", size=request.size,
            logical_id=(f"{request.uuid}.qcow2", base), mode=request.mode, name=request.name,
            params=request.params, instance=request.instance_name)
        return DiskPlan(disk, (DeviceStep(nodes[0].name, disk),))

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return str(disk.logical_id[0])

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        total, _, free = (number // MIB for number in shutil.disk_usage(ctx.keep))
        return [StorageSpace(str(ctx.keep), total, free)]

    @hookimpl
    def verify(self) -> list[str]:
        found = [f"install qemu-utils: no {tool}" for tool in ("qemu-img", "qemu-storage-daemon")
                 if not shutil.which(tool)]
        return found if Path("/dev/fuse").exists() else [*found, "no /dev/fuse: load fuse"]

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.name for path in ctx.keep.glob("*.qcow2"))

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        images.create(image_of(ctx, disk), disk.size, str(disk.logical_id[1]))

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        images.remove(ctx, image_of(ctx, disk))

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> str:
        return plain.show(ctx, image_of(ctx, disk))

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        plain.hide(ctx, image_of(ctx, disk))

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        return images.status(ctx, image_of(ctx, disk))

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        images.grow(ctx, image_of(ctx, disk), size)
