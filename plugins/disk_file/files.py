"""Where disk files lie, and the few things done with them; no path outside the storage is touched.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ganeti_core.plugin_api import BlockDeviceError

MIB = 1024 * 1024


@dataclass(frozen=True)
class Storage:
    """One storage folder on this node.

    :param configured: its path as in the config
    :param folder: the same below this node's root
    :param setting: the name of the cluster's setting, for messages
    """

    configured: PurePosixPath
    folder: Path
    setting: str

    @classmethod
    def at(cls, root: Path, configured: str, setting: str) -> Storage:
        """Place a configured folder below `root`.

        :raises BlockDeviceError: nothing is configured, or a path that is not absolute
        """
        path = PurePosixPath(configured)
        if not configured or not path.is_absolute() or ".." in path.parts:
            raise BlockDeviceError(
                f"{setting} is {configured!r}: set it to an absolute path with gnt-cluster modify")
        return cls(path, root / path.relative_to("/"), setting)

    def locate(self, path: str) -> Path:
        """Tell where the disk file with this `path` of the config lies on this node.

        :raises BlockDeviceError: it is not a file of an instance's folder in this storage
        """
        wanted = PurePosixPath(path)
        if len(wanted.parts) != len(self.configured.parts) + 2 or ".." in wanted.parts or (
                not wanted.is_relative_to(self.configured)):
            raise BlockDeviceError(
                f"disk file {path} does not lie in an instance's folder of {self.configured}, the"
                f" cluster's {self.setting}")
        found = self.folder / wanted.relative_to(self.configured)
        # The storage folder may be a link of the administrator; what lies in it may not.
        if found.parent.is_symlink() or found.is_symlink():
            raise BlockDeviceError(f"{found}: a symbolic link is not allowed on the way to a disk")
        return found

    def files(self, suffix: str) -> list[str]:
        """List disk files with this part of the name, as their paths in the config."""
        if not self.folder.is_dir():
            return []
        return sorted(
            str(self.configured / path.relative_to(self.folder))
            for path in self.folder.glob(f"*/[!.]*.{suffix}.disk*")
            if not path.is_symlink() and not path.parent.is_symlink() and path.is_file())

    def problems(self) -> list[str]:
        """Tell what keeps this node from holding disks here."""
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
            draft.unlink(missing_ok=True)
            _drop_folder(file.parent)
            raise BlockDeviceError(f"cannot create {file} ({size} MiB): {exc.strerror}") from exc


def remove(storage: Storage, file: Path) -> None:
    """Remove a disk file, and the folder of its instance with the last one."""
    if not storage.folder.is_dir():
        raise BlockDeviceError(f"{storage.folder} is no folder: is the storage mounted?")
    with _locked(storage.folder):
        try:
            file.unlink(missing_ok=True)
            file.with_name(f".{file.name}.draft").unlink(missing_ok=True)
        except OSError as exc:
            raise BlockDeviceError(f"cannot remove {file}: {exc.strerror}") from exc
        _drop_folder(file.parent)


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
    """Tell the size of a disk file, MiB.

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
        folder.mkdir(mode=0o750, exist_ok=True)
    except OSError as exc:
        raise BlockDeviceError(f"cannot create {folder}: {exc.strerror}") from exc


def _drop_folder(folder: Path) -> None:
    with suppress(OSError):  # other disks of the instance lie in it, or it is gone
        folder.rmdir()
