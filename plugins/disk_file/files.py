"""Where disk files lie, and the few things done with them; no path outside the storage is touched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ganeti_core.plugin_api import BlockDeviceError
from ganeti_core.plugin_api.storage_folders import why_not

MIB = 1024 * 1024
_NO_FILE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""Why a name cannot be removed when there is no file of that name, and never was."""


@dataclass(frozen=True)
class Storage:
    """One storage folder on this node.

    :param configured: its path as in the config
    :param folder: the same below this node's root
    :param setting: the name of the cluster's setting, for messages
    :param root: of the node
    """

    configured: PurePosixPath
    folder: Path
    setting: str
    root: Path

    @classmethod
    def at(cls, root: Path, configured: str, setting: str) -> Storage:
        """Place a configured folder below `root`.

        :raises BlockDeviceError: nothing is configured, or a path that is not absolute
        """
        path = PurePosixPath(configured)
        if not configured or not path.is_absolute() or ".." in path.parts:
            raise BlockDeviceError(
                f"{setting} is {configured!r}: set it to an absolute path with gnt-cluster modify")
        return cls(path, root / path.relative_to("/"), setting, root)

    def place(self, path: str) -> Path:
        """Return where the disk file with this `path` of the config lies on this node.

        :raises BlockDeviceError: it is not a file of an instance's folder in this storage
        """
        wanted = PurePosixPath(path)
        if len(wanted.parts) < len(self.configured.parts) + 2 or ".." in wanted.parts or (
                not wanted.is_relative_to(self.configured)):
            raise BlockDeviceError(
                f"disk file {path} does not lie in an instance's folder of {self.configured}, the"
                f" cluster's {self.setting}")
        return self.folder / wanted.relative_to(self.configured)

    def locate(self, path: str) -> Path:
        """As `place`, of a file that is to be used.

        :raises BlockDeviceError: as `place`; or there is a link, or a name that no file can have
        """
        found = self.place(path)
        try:
            # The storage folder may be a link of the administrator; what lies in it may not.
            is_link = any(one.is_symlink() for one in self.way(found))
        except OSError as exc:
            raise BlockDeviceError(f"disk file {found}: {exc.strerror}") from exc
        if is_link:
            raise BlockDeviceError(f"{found}: a symbolic link is not allowed on the way to a disk")
        return found

    def way(self, found: Path) -> list[Path]:
        """A file, and the folders between it and the storage folder."""
        return [found, *(one for one in found.parents if self.folder in one.parents)]

    def files(self, suffix: str) -> list[str]:
        """List disk files with this part of the name, as their paths in the config."""
        if not self.folder.is_dir():
            return []
        return sorted(
            str(self.configured / path.relative_to(self.folder))
            for path in self.folder.rglob(f"[!.]*.{suffix}.disk*")
            if path.parent != self.folder and path.is_file()
            and not any(one.is_symlink() for one in self.way(path)))

    def problems(self) -> list[str]:
        """Return what keeps this node from holding disks here."""
        if refused := why_not(self.root, self.configured):
            return [refused]
        if not self.folder.is_dir():
            return [f"{self.folder} is no folder: create it on this node, or correct the cluster's"
                    f" {self.setting} with gnt-cluster modify"]
        if not os.access(self.folder, os.R_OK | os.W_OK | os.X_OK):
            return [f"{self.folder} cannot be written: correct its owner and mode, or mount it"
                    f" writable"]
        return []


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one caller at a time change what lies in the storage `folder`."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        raise BlockDeviceError(f"{folder}: {exc.strerror}; create it on this node") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def create(storage: Storage, file: Path, size: int) -> None:
    """Make a sparse file of `size` MiB, and its instance's folder; an existing file stays.

    :raises BlockDeviceError: nothing new is left
    """
    if refused := why_not(storage.root, storage.configured):
        raise BlockDeviceError(refused)
    with _locked(storage.folder):
        if file.exists():
            _check_regular(file)
            return
        _check_room(storage.folder, size)
        _ensure_folder(file.parent)
        # The name appears with the full size only, so a kill leaves no short disk behind.
        draft = file.with_name(f".{file.name}.draft")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            try:
                os.ftruncate(handle, size * MIB)
            finally:
                os.close(handle)
            draft.rename(file)
        except OSError as exc:
            _unlink(draft)
            _drop_folders(storage, file)
            raise BlockDeviceError(f"cannot create {file} ({size} MiB): {exc.strerror}") from exc


def remove(storage: Storage, file: Path) -> None:
    """Remove a disk file, and the folder of its instance with the last one.

    What is no disk file stays: a folder in its place, or whatever a linked folder leads to. Of a
    link in its place only the link goes.

    :raises BlockDeviceError: it is there, and cannot be removed
    """
    if not storage.folder.is_dir():
        raise BlockDeviceError(f"{storage.folder} is no folder: is the storage mounted?")
    with _locked(storage.folder):
        if os.path.islink(file.parent):
            return
        _unlink(file)
        _unlink(file.with_name(f".{file.name}.draft"))
        _drop_folders(storage, file)


def rename(storage: Storage, file: Path, to: Path) -> None:
    """Move a disk file into another folder; one that is there already, or missing, is no error.

    :raises BlockDeviceError: nothing was moved
    """
    if refused := why_not(storage.root, storage.configured):
        raise BlockDeviceError(refused)
    with _locked(storage.folder):
        if not file.exists():
            return
        _check_regular(file)
        if to.exists():
            raise BlockDeviceError(f"cannot move {file}: there is {to} already")
        _ensure_folder(to.parent)
        try:
            file.rename(to)
        except OSError as exc:
            _drop_folders(storage, to)
            raise BlockDeviceError(f"cannot move {file} to {to}: {exc.strerror}") from exc
        _drop_folders(storage, file)


def _unlink(file: Path) -> None:
    """Remove a file, if it is one.

    :raises BlockDeviceError: it stays
    """
    try:
        file.unlink()
    except OSError as exc:
        if exc.errno not in _NO_FILE:
            raise BlockDeviceError(f"cannot remove {file}: {exc.strerror}") from exc


def grow(storage: Storage, file: Path, size: int) -> None:
    """Make a disk file `size` MiB large, or leave it as large as it is.

    :raises BlockDeviceError: its size is as before
    """
    with _locked(storage.folder):
        have = size_of(file)
        if have >= size:
            return
        _check_room(storage.folder, size - have)
        try:
            os.truncate(file, size * MIB)
        except OSError as exc:
            raise BlockDeviceError(f"cannot grow {file} to {size} MiB: {exc.strerror}") from exc


def size_of(file: Path) -> int:
    """Return the size of a disk file, MiB.

    :raises BlockDeviceError: it does not exist or is no regular file
    """
    _check_regular(file)
    return file.stat().st_size // MIB


def _check_regular(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except OSError as exc:
        raise BlockDeviceError(f"disk file {file}: {exc.strerror}") from exc
    if not stat.S_ISREG(mode):
        raise BlockDeviceError(f"disk file {file} is no regular file")


def _check_room(folder: Path, size: int) -> None:
    """Refuse what cannot be filled: a sparse file would promise room that is not there."""
    free = room(folder)[1]
    if size > free:
        raise BlockDeviceError(
            f"{folder} has {free} MiB free, {size} MiB are needed: remove something or use"
            f" another node")


def room(folder: Path) -> tuple[int, int]:
    """Tell total and free MiB of the file system of `folder`.

    :raises BlockDeviceError: it cannot be asked
    """
    try:
        facts = os.statvfs(folder)
    except OSError as exc:
        raise BlockDeviceError(f"{folder}: {exc.strerror}; create it on this node") from exc
    return facts.f_blocks * facts.f_frsize // MIB, facts.f_bavail * facts.f_frsize // MIB


def _ensure_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as exc:
        raise BlockDeviceError(f"cannot create {folder}: {exc.strerror}") from exc


def _drop_folders(storage: Storage, file: Path) -> None:
    """Remove the folders in which nothing lies any more, from that of `file` up to the storage."""
    with suppress(OSError):  # other disks of the instance lie in it, or it is gone
        for folder in storage.way(file)[1:]:
            folder.rmdir()
