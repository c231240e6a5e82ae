"""Replace a file durably and at once: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.readers import admit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DRAFT = re.compile(r"\..+\.(?:(?P<pid>[0-9]+)-)?[a-z0-9_]{8}")


def write_private(file: Path, content: bytes) -> None:
    """Write a secret so that no other user can read it at any moment, but its `readers`."""
    write_atomically(file, content, 0o600)


def write_atomically(file: Path, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Replace `file`; its content is on the disk when this returns, if it is to be `durable`.

    :raises OSError: nothing was changed
    """
    _replace(file, content, mode, durable=durable)
    if durable:
        sync_folder(file.parent)


def write_all_atomically(folder: Path, contents: Mapping[str, bytes], mode: int) -> None:
    """Replace files of one folder, by name, each as `write_atomically` does.

    The folder is made durable once, and not for each of them.

    :raises OSError: those before the one that could not be written were changed
    """
    for name, content in contents.items():
        _replace(folder / name, content, mode, durable=True)
    if contents:
        sync_folder(folder)


def _replace(file: Path, content: bytes, mode: int, *, durable: bool) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.name}.{os.getpid()}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            admit(stream.fileno(), file)
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Let one thread of one process at a time read `file` and replace it by what follows from that.

    Replacing is atomic, but what was read before it may be old by then. The lock lies beside the
    file, because `write_atomically` exchanges the file itself.
    """
    lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def drafts(folder: Path) -> list[Path]:
    """What writers that were killed have left in `folder`; the drafts of those that live are not
    among them."""
    return [file for file in folder.glob(".*")
            if (name := _DRAFT.fullmatch(file.name)) is not None
            and not Path("/proc", name["pid"] or "none").exists()]


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
