"""OS definition ``tree``: the first disk becomes an ext4 file system with the files of a folder.

The folder is what debootstrap, a container image or a build made. The variant ``empty`` makes the
file system without it. The instance's name is in ``/etc/hostname``. Imports may be to larger disks.
"""

import shutil
import tempfile
from pathlib import Path

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import InstanceSpec, OsScriptError, hookimpl, run_command
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.plugin_api.os import DiskStream, check_variant

VARIANTS = ("folder", "empty")
FOLDER = {"type": "string", "default": "", "description": "Folder on the node with the files"}


def run(*words: object) -> None:
    try:
        run_command([str(word) for word in words], timeout=1800)
    except api.CommandFailed as exc:
        raise OsScriptError(str(exc)) from exc


def first_disk(instance: InstanceSpec) -> Path:
    if not instance.disks or not Path(instance.disks[0].path).exists():
        raise OsScriptError(f"{instance.name} has no disk to install on")
    return Path(instance.disks[0].path)


def write_name(instance: InstanceSpec) -> None:
    disk = first_disk(instance)
    with tempfile.NamedTemporaryFile("w") as hostname:
        hostname.write(f"{instance.name}\n")
        hostname.flush()
        for command in ("mkdir etc", "rm etc/hostname", f"write {hostname.name} etc/hostname"):
            run("debugfs", "-w", "-R", command, disk)


class TreeSystem:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(
            api_version=0, title="Files of a folder on ext4",
            parameters={"type": "object", "properties": {"folder": FOLDER}})

    @hookimpl
    def info(self) -> OsInfo:
        missing = [tool for tool in ("mke2fs", "debugfs", "resize2fs") if not shutil.which(tool)]
        return OsInfo(
            "tree", __file__, (20,), VARIANTS, (("folder", FOLDER["description"]),),
            problem=f"install e2fsprogs: no {', '.join(missing)}" if missing else "")

    @hookimpl
    def validate(self, variant: str, params: dict[str, str]) -> None:
        check_variant("tree", VARIANTS, variant)
        if unknown := params.keys() - {"folder"}:
            raise api.OpPrereqError(f"no parameter {', '.join(unknown)}", api.ECODE_INVAL)

    @hookimpl
    def create(self, instance: InstanceSpec, variant: str) -> None:
        folder = instance.osparams.get("folder", "") if variant == "folder" else ""
        run("mke2fs", "-q", "-F", "-t", "ext4", *(["-d", folder] if folder else []),
            first_disk(instance))
        write_name(instance)

    @hookimpl
    def rename(self, instance: InstanceSpec) -> None:
        write_name(instance)

    @hookimpl
    def import_disk(self, ctx: api.HookContext, stream: DiskStream) -> int:
        count = ctx.driver("disk_templates", stream.disk.template, "receive_data",
                           disk=stream.disk, offer=stream.offer)
        run("e2fsck", "-f", "-p", stream.disk.path)
        run("resize2fs", stream.disk.path)
        return int(count)
