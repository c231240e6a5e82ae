"""One Gluster volume on a node: mounted where the cluster says, when it is needed."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, HookContext, run_command
from ganeti_core.plugin_api.storage_folders import why_not

SETTING = "gluster_storage_dir"
MOUNTING = 60.0
"""Seconds; a server that does not answer is given up after less."""
FOLDERS = ("usr/bin", "bin", "usr/sbin", "sbin")
HOST = r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?"
NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
DISK = re.compile(r"ganeti/[A-Za-z0-9][A-Za-z0-9.-]*")
"""The path of a disk within the volume: in one folder, for each brick has all folders."""
MISSING = "there is no program mount: install mount and glusterfs-client"


@dataclass(frozen=True)
class Volume:
    """A volume, and where it is mounted.

    :param folder: on this node
    :param lock: a file of the driver: one caller at a time mounts
    """

    host: str
    port: int
    name: str
    folder: Path
    root: Path
    lock: Path

    @classmethod
    def of(cls, ctx: HookContext, disk: DiskSpec) -> Volume:
        """:raises BlockDeviceError: a parameter or the cluster's setting makes no sense"""
        host, name = str(disk.params.get("host", "")), str(disk.params.get("volume", ""))
        for what, value, form in (("host", host, HOST), ("volume", name, NAME)):
            if not re.fullmatch(form, value):
                raise BlockDeviceError(
                    f"disk {disk.uuid}: {value!r} cannot be the {what} of a Gluster volume")
        folder = mount_folder(ctx)
        return cls(host, int(disk.params.get("port", 0)), name, folder, ctx.root,
                   ctx.state / "mount.lock")

    @property
    def _address(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def address(self, path: str) -> str:
        """Name a file of the volume as QEMU opens it."""
        return f"gluster://{self._address}:{self.port}/{self.name}/{path}"

    def mount(self) -> None:
        """Have the volume mounted; one that is stays.

        :raises BlockDeviceError: it is not, or another one is
        """
        if not is_mounted(self.folder):
            with self.lock.open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if not is_mounted(self.folder):
                    self._mount()
        found = mounted_on(self.folder)
        # Whichever of its servers was asked, the volume is the same.
        if found.rpartition(":")[2].removeprefix("/") != self.name:
            raise BlockDeviceError(
                f"{found} is mounted on {self.folder}, not the volume {self.name}: a node has one"
                " volume; see the parameters of the template gluster")

    def _mount(self) -> None:
        program = find_program(self.root)
        if program is None:
            raise BlockDeviceError(MISSING)
        try:
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as exc:
            raise BlockDeviceError(f"cannot make {self.folder}: {exc.strerror}") from exc
        source = f"{self._address}:/{self.name}"
        # In a folder that has one of this name, mount.glusterfs would take the arguments wrongly.
        run_command([program, "-t", "glusterfs", "-o", f"server-port={self.port}", source,
                     str(self.folder)], timeout=MOUNTING, cwd=Path("/"), error=BlockDeviceError)
        # It may end with status 0 although it has failed.
        if not is_mounted(self.folder):
            raise BlockDeviceError(
                f"{source} was not mounted on {self.folder}: see whether 'gluster volume info"
                f" {self.name}' on {self.host} shows it started, with the transport tcp, and"
                f" port {self.port} of {self.host} can be reached")

    def file(self, disk: DiskSpec) -> Path:
        """Return where the disk's file is when the volume is mounted.

        :raises BlockDeviceError: there is a link on its way
        """
        found = self.folder / path_of(disk)
        for one in (found, found.parent):
            if one.is_symlink():
                raise BlockDeviceError(
                    f"{one}: a symbolic link is not allowed on the way to a disk")
        return found


def find_program(root: Path) -> Path | None:
    """Return the program ``mount`` of the node below `root`; None where there is none."""
    paths = [root / folder / "mount" for folder in FOLDERS]
    return next((path for path in paths if path.is_file()), None)


def mount_folder(ctx: HookContext) -> Path:
    """Return where volumes are mounted on this node.

    :raises BlockDeviceError: the setting is no folder that may hold disks
    """
    configured = PurePosixPath(str(ctx.config.get(SETTING) or ""))
    if not configured.is_absolute() or ".." in configured.parts:
        raise BlockDeviceError(f"{SETTING} is {str(configured)!r}: set it to an absolute path with"
                               " gnt-cluster modify --gluster-storage-dir")
    if refused := why_not(ctx.root, configured):
        raise BlockDeviceError(refused)
    return ctx.root / configured.relative_to("/")


def is_mounted(folder: Path) -> bool:
    """Return whether something is mounted on a folder, or on what a link in its place leads to."""
    return os.path.ismount(os.path.realpath(folder))


def mounted_on(folder: Path) -> str:
    """Return what is mounted on a folder, as the kernel shows it; empty for nothing."""
    wanted = os.path.realpath(folder)
    # The last one hides the others.
    return next((what for what, where in reversed(list(_mounts())) if where == wanted), "")


def _mounts() -> Iterator[tuple[str, str]]:
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            what, where, *_ = line.split(" ")
            yield _plain(what), _plain(where)


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def path_of(disk: DiskSpec) -> str:
    """Return the path of a disk within the volume.

    :raises BlockDeviceError: it cannot be one
    """
    match disk.logical_id:
        case (str(), str(path)) if DISK.fullmatch(path):
            return path
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (driver, ganeti/NAME)")
