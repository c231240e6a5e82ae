"""The exports that a node stores: a folder per instance, with its disks and ``config.ini``.

An export is written under another name and takes the place of an older one at once; whatever
becomes of the writer, there is the old one or the new one. Names that begin with a dot are those of
work under way.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.paths import EXPORTS

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "config.ini"
LARGEST_CONFIG = 4 << 20
FOLDER_MODE = 0o750
LONGEST_MARK = 200
"""Characters: a file's name has at most 255, and one of an instance may be as long."""
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def mark_of(name: str) -> str:
    """What the files about an export are called by, which have more in their names than its own."""
    if len(name) <= LONGEST_MARK:
        return name
    return f"{name[:LONGEST_MARK]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Exports:
    """The exports of the node whose file tree begins at `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / EXPORTS.relative_to("/")

    def prepare(self) -> None:
        """Make the folder, so that a node that stores nothing yet is not taken for one that fails.

        :raises OSError: there is no room for it, or no right
        """
        self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """:raises OpExecError: this node has no folder for exports"""
        try:
            entries = sorted(self.folder.iterdir())
        except FileNotFoundError:
            raise OpExecError("No exports directory") from None
        except OSError as exc:
            raise OpExecError(f"{self.folder} cannot be read: {exc.strerror}") from exc
        return [entry.name for entry in entries if not entry.name.startswith(".")]

    def place(self, path: str) -> Path:
        """The folder of an export on this node, by its path or its name.

        :raises OpPrereqError: it lies elsewhere
        """
        wanted = EXPORTS / path
        if wanted == EXPORTS or ".." in wanted.parts or "\0" in path or (
                not wanted.is_relative_to(EXPORTS)):
            raise OpPrereqError(f"'{path}' does not lie in the folder of exports, "
                                f"{EXPORTS}", ECODE_INVAL)
        found = self.folder / wanted.relative_to(EXPORTS)
        if not found.resolve().is_relative_to(self.folder.resolve()):
            raise OpPrereqError(f"'{path}' leads out of the folder of exports", ECODE_INVAL)
        return found

    def file(self, path: str, name: str) -> Path:
        """A file of an export.

        :raises OpPrereqError: there is no such export, or no such file in it
        """
        folder = self.place(path)
        found = folder / name
        if "/" in name or name.startswith(".") or not found.is_file() or found.is_symlink():
            raise OpPrereqError(f"The export in {path} has no file '{name}'", ECODE_NOENT)
        return found

    def config(self, path: str) -> str:
        """What ``config.ini`` of an export says.

        :raises OpPrereqError: there is none that can be read
        """
        file = self.place(path) / CONFIG
        try:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(LARGEST_CONFIG + 1)
        except FileNotFoundError:
            raise OpPrereqError(f"No export or invalid export found in dir {path}: there is no "
                                f"{file}", ECODE_NOENT) from None
        except (OSError, ValueError) as exc:
            raise OpPrereqError(f"No export or invalid export found in dir {path}: {CONFIG} cannot "
                                f"be read: {exc}", ECODE_NOENT) from exc
        if len(text) > LARGEST_CONFIG:
            raise OpPrereqError(f"{CONFIG} in {path} is too large to be one", ECODE_INVAL)
        return text

    def draft(self, name: str) -> Path:
        """The folder in which a new export is made."""
        return self._beside(name, "new")

    def begin(self, name: str) -> None:
        """Make an empty draft; what an earlier one has left is thrown away.

        :raises OpExecError: there is no room for it, or no right
        """
        try:
            self.prepare()
            self.forget(name)
            self.draft(name).mkdir(mode=FOLDER_MODE)
        except OSError as exc:
            raise OpExecError(f"No export can be made in {self.folder}: {exc.strerror}") from exc

    def finish(self, name: str, sizes: dict[str, int], config: str) -> None:
        """Let the draft take the place of the export; one that did so already is left alone.

        :param sizes: bytes of each of its files
        :raises OpExecError: the draft is not whole; the older export is as it was
        """
        draft = self.draft(name)
        if not _is_newer(draft, self.place(name)) and _has(self.place(name), sizes, config):
            self.forget(name)
            return
        if not _has(draft, sizes, None):
            raise OpExecError(f"the export of {name} is not whole in {draft}")
        try:
            _write(draft / CONFIG, config)
            _sync(draft)
            self._swap(name)
            _sync(self.folder)
        except OSError as exc:
            raise OpExecError(f"The export of {name} cannot be finished in {self.folder}: "
                              f"{exc.strerror}") from exc
        self.forget(name)

    def _swap(self, name: str) -> None:
        draft, place = self.draft(name), self.place(name)
        if not place.exists():
            draft.rename(place)
        elif not _exchange(draft, place):
            # A file system that cannot exchange two names: `forget` knows how far this has come.
            place.rename(self._beside(name, "old"))
            draft.rename(place)

    def forget(self, name: str) -> None:
        """Take away what work on an export has left; the export itself stays."""
        place, old = self.place(name), self._beside(name, "old")
        if old.exists() and not place.exists():
            old.rename(place)
        for left in (self.draft(name), old, self._beside(name, "gone")):
            shutil.rmtree(left, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove an export; a missing one is no error.

        :raises OpExecError: it stays
        """
        gone = self._beside(name, "gone")
        try:
            shutil.rmtree(gone, ignore_errors=True)
            self.place(name).rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise OpExecError(f"Error while removing the export: {exc}") from exc

    def _beside(self, name: str, what: str) -> Path:
        place = self.place(name)
        if place.parent != self.folder:
            raise OpPrereqError(f"'{name}' is not the name of an export", ECODE_INVAL)
        return place.with_name(f".{mark_of(name)}.{what}")


def _is_newer(draft: Path, place: Path) -> bool:
    """Whether a draft has yet to take its place, where the older export now would be after that.

    Sizes and description do not tell: those of two exports of one second can be the same.
    """
    if not draft.exists():
        return False
    try:
        return (draft / CONFIG).stat().st_mtime_ns > (place / CONFIG).stat().st_mtime_ns
    except FileNotFoundError:
        return True  # one that is not described was never finished


def _has(folder: Path, sizes: dict[str, int], config: str | None) -> bool:
    """Whether an export is whole: all its files, and this ``config.ini``, where it is given."""
    try:
        return all((folder / file).stat().st_size == size for file, size in sizes.items()) and (
            folder.is_dir() if config is None else (folder / CONFIG).read_text() == config)
    except OSError:
        return False


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once; whether the system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    rename = getattr(libc, "renameat2", None)
    return rename is not None and rename(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0
