"""Disk template ``qcow2``: thin images on one base image; an open one is shown as a plain file."""

import functools
import json
import shutil
from pathlib import Path

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import DiskSpec, HookContext, hookimpl, processes
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk
from ganeti_core.plugin_api.file_disks import MIB, FileDisks

PARAMETERS = {"type": "object", "properties": {"base_image": {
    "type": "string", "default": "",
    "description": "Raw image that new disks start as, a path on every node; empty: none"}}}
FUSE = Path("/dev/fuse")
run = functools.partial(api.run_command, timeout=60, error=api.BlockDeviceError)


class Qcow2Template(FileDisks):
    template = "qcow2"

    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(
            api_version=0, title="Thin qcow2 images", parameters=PARAMETERS,
            capabilities=frozenset({"growable", "local_space"}))

    @hookimpl
    def verify(self) -> list[str]:
        tools = [shutil.which(tool) for tool in ("qemu-img", "qemu-storage-daemon")]
        return [] if all(tools) and FUSE.exists() else [f"install qemu-utils, load {FUSE}"]

    def shown_at(self, ctx: HookContext, disk: DiskSpec) -> Path:
        return ctx.state / f"{disk.uuid}.plain"

    def further_id(self, request: DiskRequest) -> tuple[str]:
        return (request.options.get("base_image") or request.params.get("base_image", ""),)

    def make(self, disk: DiskSpec, draft: Path) -> None:
        base = ["-F", "raw", "-b", disk.logical_id[1]] if disk.logical_id[1] else []
        run(["qemu-img", "create", "-q", "-f", "qcow2", *base, draft, f"{disk.size}M"])

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec) -> OpenDisk:
        image, shown = self.existing(ctx, disk), self.shown_at(ctx, disk)
        if disk.uuid not in processes.kept(ctx):
            self.close(ctx, disk)  # what one that died may have left
            shown.touch(0o600)
            run(["qemu-storage-daemon", "--daemonize",
                 "--blockdev", f"driver=file,node-name=file,filename={image}",
                 "--blockdev", "driver=qcow2,node-name=disk,file=file", "--export",
                 f"fuse,id=plain,node-name=disk,mountpoint={shown},writable=on"],
                env=processes.mark(ctx, disk.uuid))
        return OpenDisk(str(shown))

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        processes.end(ctx, disk.uuid, patience=60)
        shown = self.shown_at(ctx, disk)
        if str(shown) in Path("/proc/self/mounts").read_text():
            run(["umount", "--lazy", shown])
        shown.unlink(missing_ok=True)

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        image, is_open = self.file_of(ctx, disk), disk.uuid in processes.kept(ctx)
        if not image.exists():
            return DiskStatus(exists=False)
        told = json.loads(run(["qemu-img", "info", "-U", "--output=json", image]).stdout)
        path = str(self.shown_at(ctx, disk)) if is_open else ""
        return DiskStatus(True, path, told["virtual-size"] // MIB, is_open)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        self.existing(ctx, disk)
        if size > (have := self.status(ctx, disk)).size:
            run(["truncate", "-s", f"{size}M", have.path] if have.is_open else
                ["qemu-img", "resize", "-q", self.file_of(ctx, disk), f"{size}M"])
