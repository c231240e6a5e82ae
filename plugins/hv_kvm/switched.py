"""Which disks guests were switched to (`mirroring`), noted where it survives them and their node;
and what is left to do of one that ended too early.

Nobody else could say of a guest that has ended which of its two disks is the newer one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Note:
    """The uuids of the disks that one instance's guest was switched to since its start."""

    file: Path

    @classmethod
    def of(cls, ctx: HookContext, uuid: str) -> Self:
        """The note about the instance of this uuid."""
        return cls(ctx.keep / "mirrors" / f"{uuid}.json")

    def has(self, disk: DiskSpec) -> bool:
        return disk.uuid in self._read()

    def add(self, disk: DiskSpec) -> None:
        """Note the disk; it is durable when this returns."""
        self._write({*self._read(), disk.uuid})

    def drop(self, disk: DiskSpec) -> None:
        self._write(self._read() - {disk.uuid})

    def _read(self) -> set[str]:
        with suppress(OSError, ValueError):
            return {str(one) for one in json.loads(self.file.read_text())}
        return set()

    def _write(self, noted: set[str]) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.file.with_suffix(".new")
        with open(draft, "w") as opened:
            json.dump(sorted(noted), opened)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(self.file)
        folder = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def forget(ctx: HookContext, uuid: str) -> None:
    """Forget it of an instance whose guest starts anew, or has left; harmless twice."""
    Note.of(ctx, uuid).file.unlink(missing_ok=True)


def complete_stopped(note: Note, disk: DiskSpec, onto: DiskSpec) -> None:
    """After the guest has ended: make `onto` what the guest had, unless it had that already.

    :raises HypervisorError: that cannot be done here
    """
    if note.has(onto):
        return
    if not disk.path or not onto.path:
        raise HypervisorError(
            f"disk {disk.index} of {disk.instance} was not copied to its end before its guest "
            "ended, and only its hypervisor reaches it: copy it by hand (qemu-img convert -n)")
    try:
        _bring_up(Path(disk.path), Path(onto.path))
    except OSError as exc:
        raise HypervisorError(f"disk {disk.index} of {disk.instance} cannot be copied from "
                              f"{disk.path} to {onto.path}: {exc.strerror or exc}") from exc
    note.add(onto)


def _bring_up(old: Path, new: Path) -> None:
    """Make a device or file like another one, writing only what differs."""
    with open(old, "rb", buffering=0) as source, open(new, "r+b", buffering=0) as target:
        length, room = (os.lseek(end.fileno(), 0, os.SEEK_END) for end in (source, target))
        if room < length:
            raise OSError(f"the latter has {room} bytes, not {length}")
        for at in range(0, length, CHUNK):
            chunk = os.pread(source.fileno(), CHUNK, at)
            if os.pread(target.fileno(), len(chunk), at) != chunk:
                os.pwrite(target.fileno(), chunk, at)
        os.fsync(target.fileno())
