"""Images of helper guests: each run has a copy of its own, to which the guest may write.

An image is raw, a file of the node or fetched from a URL, and becomes a file of the instance's uuid
in `HELPERS`. A draft gets its name when all is in it. Beside it is an empty file, which an OS
definition may fill.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from ganeti_core.errors import ECODE_ENVIRON, ECODE_INVAL, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.paths import HELPERS
from ganeti_core.plugin_api.run import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
SILENCE = 60.0
"""Patience with a server that says nothing, seconds."""
_REMOTE = ("http://", "https://", "ftp://")
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_FORMATS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"\xfd7zXZ": "xz", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True)
class HelperImages:
    """The copies on the node whose file tree begins at `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / HELPERS.relative_to("/")

    def make(self, instance: str, image: str, deadline: float) -> Path:
        """Copy an image for a helper guest of the instance with this uuid.

        :param deadline: on the monotonic clock
        :raises OpPrereqError: it cannot be used
        :raises OpExecError: it cannot be copied or fetched; nothing is left
        """
        place = self._place(instance)
        try:
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            with _draft(place) as draft:
                if image.startswith(_REMOTE):
                    _fetch(image, draft, deadline)
                else:
                    _copy(image, draft, deadline)
                _check_format(draft, image)
                _pad(draft)
            package = package_of(place)
            package.unlink(missing_ok=True)
            os.close(os.open(package, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as exc:
            raise OpExecError(f"The image {image} cannot be copied to {self.folder}: "
                              f"{exc.strerror or exc}") from exc
        return place

    def check(self, image: str) -> None:
        """See whether an image is there, where that can be seen at once.

        :raises OpPrereqError: it cannot be used
        """
        if not image.startswith(_REMOTE):
            _check_file(image)
            _check_format(Path(image), image)

    def forget(self, instance: str) -> None:
        """Remove what `make` has made, or had begun to; a missing copy is no error.

        :raises OpExecError: it stays
        """
        place = self._place(instance)
        try:
            place.unlink(missing_ok=True)
            package_of(place).unlink(missing_ok=True)
            _draft_of(place).unlink(missing_ok=True)
        except OSError as exc:
            raise OpExecError(f"{place} cannot be removed: {exc.strerror}") from exc

    def _place(self, instance: str) -> Path:
        if not _UUID.fullmatch(instance):
            raise OpPrereqError(f"'{instance}' is not the uuid of an instance", ECODE_INVAL)
        return self.folder / instance


def package_of(place: Path) -> Path:
    """The file beside an image for what its guest is to be told, as a disk of its own."""
    return place.with_name(f"{place.name}.package")


def _draft_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.draft")


@contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """A file that gets its name when the body has filled it, and else is gone."""
    draft = _draft_of(place)
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        draft.rename(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _check_file(image: str) -> Path:
    source = Path(image)
    if not source.is_absolute() or not source.is_file():
        raise OpPrereqError(f"The image {image} is not a file of this node", ECODE_ENVIRON)
    return source


def _copy(image: str, draft: Path, deadline: float) -> None:
    source = _check_file(image)
    _check_room(image, source.stat().st_blocks * 512, draft)
    # It keeps holes, shares blocks where the file system can, and is killed at its deadline.
    run_command(["cp", "--reflink=auto", "--sparse=always", "--", source, draft],
                timeout=max(1.0, deadline - time.monotonic()))


def _fetch(image: str, draft: Path, deadline: float) -> None:
    try:
        with urlopen(image, timeout=SILENCE) as source, draft.open("r+b") as file:  # noqa: S310  # one of _REMOTE
            promised = int(source.headers.get("Content-Length") or 0)
            _check_room(image, promised, draft)
            _write(source, file, image, deadline)
            # A connection that ends too early is no error to who reads it piece by piece.
            if (got := file.tell()) < promised:
                raise OpExecError(f"The image {image} cannot be fetched: the connection ended after"
                                  f" {got} of {promised} bytes")
    except (URLError, HTTPException, ValueError) as exc:
        raise OpExecError(f"The image {image} cannot be fetched: {exc}") from exc


def _write(source: IO[bytes], file: IO[bytes], image: str, deadline: float) -> None:
    while data := source.read(MIB):
        if time.monotonic() > deadline:
            raise OpExecError(f"The image {image} could not be fetched in time")
        if data.count(0) == len(data):
            file.seek(len(data), os.SEEK_CUR)
        else:
            file.write(data)
    file.truncate()


def _check_room(image: str, needed: int, draft: Path) -> None:
    free = shutil.disk_usage(draft.parent).free
    if needed > free:
        raise OpPrereqError(f"The image {image} has {needed} bytes, and {draft.parent} only room "
                            f"for {free}", ECODE_ENVIRON)


def _check_format(draft: Path, image: str) -> None:
    with draft.open("rb") as file:
        begin = file.read(8)
    if not begin:
        raise OpPrereqError(f"The image {image} is empty", ECODE_ENVIRON)
    for magic, name in _FORMATS.items():
        if begin.startswith(magic):
            raise OpPrereqError(f"The image {image} is in the format {name}: a helper guest is "
                                "booted from a raw image", ECODE_ENVIRON)


def _pad(draft: Path) -> None:
    """Let it end on a whole MiB, as disks do."""
    size = draft.stat().st_size
    os.truncate(draft, -(-size // MIB) * MIB)
