"""Where the parts of one disk are on a node: sockets and files, and what its processes say."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.plugin_api import HookContext

SUFFIX = ".mirror"


@dataclass(frozen=True)
class Places:
    """Of one disk on one node.

    :param state: the driver's folder that is lost at a reboot; `keep`: the one that is not
    :param uuid: of the disk
    """

    state: Path
    keep: Path
    uuid: str

    @classmethod
    def of(cls, ctx: HookContext, uuid: str) -> Places:
        return cls(ctx.state, ctx.keep, Path(uuid).name)

    @property
    def folder(self) -> Path:
        return self.state / self.uuid

    @property
    def note(self) -> Path:
        return self.keep / f"{self.uuid}{SUFFIX}"

    @property
    def qmp(self) -> Path:
        """Commands to the storage daemon."""
        return self.folder / "qmp"

    @property
    def guest(self) -> Path:
        """What is read and written by who uses the disk here."""
        return self.folder / "guest"

    @property
    def copy(self) -> Path:
        """Where the storage daemon takes the other node's writes."""
        return self.folder / "copy"

    @property
    def link(self) -> Path:
        """Where the storage daemon writes to the other node."""
        return self.folder / "link"

    @property
    def fill(self) -> Path:
        """Where it writes there what is missing."""
        return self.folder / "fill"

    @property
    def device(self) -> Path:
        """The disk as a file, by the name that the kernel has for it: `/var/run` may be a link."""
        return Path(os.path.realpath(self.folder)) / "disk"

    @property
    def front_qmp(self) -> Path:
        """Commands to the process that makes it a file."""
        return self.folder / "front-qmp"

    @property
    def wanted(self) -> Path:
        """What the keeper is to do; it has the disk's secret in it."""
        return self.folder / "wanted.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time change how the storage daemon is connected."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def live(self) -> dict[str, Any]:
        """What the keeper said last of the connection with the other node."""
        return _read(self.folder / "live.json")

    def say(self, state: str, **more: Any) -> None:
        """Write what `live` returns."""
        _write(self.folder / "live.json", {"state": state, **more})

    def forget_live(self) -> None:
        (self.folder / "live.json").unlink(missing_ok=True)

    def order(self) -> dict[str, Any]:
        """What was written by `want`."""
        return _read(self.wanted)

    def want(self, order: dict[str, Any]) -> None:
        _write(self.wanted, order)


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError):
        return {}


def _write(file: Path, content: dict[str, Any]) -> None:
    draft = file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content))
    draft.rename(file)
