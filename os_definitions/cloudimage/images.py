"""Images: found or fetched, checked, unpacked, and written onto a disk."""

from __future__ import annotations

import fcntl
import hashlib
import json
import lzma
import os
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.request import urlopen

from parameters import REMOTE, Parameters, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QCOW2, XZ = b"QFI\xfb", b"\xfd7zXZ\0"
CHUNK = 1 << 20
SECONDS = 60.0
"""Patience with a server that says nothing."""


def write(given: Parameters, disk: Path) -> None:
    """Write the image onto the disk, which may be larger.

    :raises Refused: it is not what was promised, does not fit, or cannot be read
    """
    path = _unpacked(given, _fetched(given) if given.scheme in REMOTE else _checked(given))
    form = "qcow2" if _begins(path, QCOW2) else "raw"
    about = _info(path, form)
    if backing := about.get("backing-filename") or _data_file(about):
        # It would let whoever makes an image read any file of the node.
        raise Refused(f"{given.image} refers to another file, {backing}: only images that are whole"
                      " are taken")
    room, needed = _size(disk), int(about["virtual-size"])
    if needed > room:
        raise Refused(f"{given.image} has {needed} bytes, disk 0 only {room}: make the disk larger")
    subprocess.run(["qemu-img", "convert", "-n", "-f", form, "-O", "raw", path, disk],
                   check=True, capture_output=True)
    print(f"{given.image} ({form}, {needed} bytes) is on {disk}")


def _checked(given: Parameters) -> Path:
    if given.checksum:
        kind, _, wanted = given.checksum.partition(":")
        with given.path.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != wanted:
            raise Refused(f"{given.image} has the checksum {kind}:{found}, not {given.checksum}")
    return given.path


def _fetched(given: Parameters) -> Path:
    """The image in the cache, where it is fetched to once."""
    kind, _, wanted = given.checksum.partition(":")
    kept = given.cache / f"{kind}-{wanted}"
    with _locked(given.cache):
        if kept.exists():
            print(f"{given.image} is in the cache, {kept}")
            return kept
        digest = hashlib.new(kind)
        with _draft(kept) as draft, urlopen(given.image, timeout=SECONDS) as source:  # noqa: S310  # http or https
            while data := source.read(CHUNK):
                digest.update(data)
                draft.write(data)
            if (found := digest.hexdigest()) != wanted:
                raise Refused(f"{given.image} has the checksum {kind}:{found}, not "
                              f"{given.checksum}")
        print(f"{given.image} was fetched to {kept}")
    return kept


def _unpacked(given: Parameters, path: Path) -> Path:
    """The image itself: of a packed one the unpacked, in the cache."""
    if not _begins(path, XZ):
        return path
    about = path.stat()
    name = given.checksum.replace(":", "-") or hashlib.sha256(
        f"{path.resolve()}\0{about.st_mtime_ns}\0{about.st_size}".encode()).hexdigest()
    kept = given.cache / f"{name}.unpacked"
    with _locked(given.cache):
        if kept.exists():
            return kept
        try:
            with _draft(kept) as draft, lzma.open(path) as source:
                while data := source.read(CHUNK):
                    # What is empty takes no room.
                    if data.count(0) == len(data):
                        draft.seek(len(data), os.SEEK_CUR)
                    else:
                        draft.write(data)
                draft.truncate()
        except (lzma.LZMAError, EOFError) as exc:
            raise Refused(f"{given.image} cannot be unpacked: {exc}") from exc
    return kept


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have the cache alone: two instances must not fetch one image twice."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".draft-*"):
            left.unlink()  # of somebody who was killed
        yield


@contextmanager
def _draft(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name only when all is in it."""
    descriptor, name = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _info(path: Path, form: str) -> dict[str, Any]:
    done = subprocess.run(["qemu-img", "info", "--output=json", "-f", form, path], check=True,
                          capture_output=True)
    about: dict[str, Any] = json.loads(done.stdout)
    return about


def _data_file(about: dict[str, Any]) -> str | None:
    found = about.get("format-specific", {}).get("data", {}).get("data-file")
    return str(found) if found else None


def _size(disk: Path) -> int:
    about = disk.stat()
    if not stat.S_ISBLK(about.st_mode):
        return about.st_size
    with disk.open("rb") as device:
        return device.seek(0, os.SEEK_END)
