"""Guests that are files: one JSON document each, replaced atomically, so no reader sees a part."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ganeti_core.plugin_api import HypervisorError
from ganeti_core.plugin_api.codec import decode

STATE_VERSION = 1
SUFFIX = ".guest"
_NO_FILE = (errno.ENOENT, errno.ENAMETOOLONG)
LISTED = ("running", "paused", "user-down", "stuck", "crashed")
"""States of a guest that runs here; ``receiving`` and ``migrated-out`` are the two ends of a
migration. The latter runs until its transfer is complete."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True)
class Guest:
    """What a node remembers of a guest.

    :param memory: MiB
    :param started: seconds since the epoch
    :param before: the state to go back to when a migration fails
    :param migration: how the last migration away stands: ``none``, ``active``, ``cancelled``
    :param is_quiet: whether it was asked to write nothing to its disks
    :param until: when an active transfer is complete, seconds since the epoch
    :param ends: when a helper guest shuts itself down, seconds since the epoch; 0 for never
    :param grown: the sizes of disks that have grown while it ran, MiB, by uuid
    :param mirrors: disks onto which others are copied, by uuid, and whether the guest has them
    """

    name: str
    uuid: str
    state: str
    memory: int
    vcpus: int
    started: float
    before: str = "running"
    migration: str = "none"
    until: float = 0.0
    is_quiet: bool = False
    ends: float = 0.0
    mirrors: dict[str, bool] = field(default_factory=dict)
    grown: dict[str, int] = field(default_factory=dict)
    version: int = STATE_VERSION

    @property
    def is_sending(self) -> bool:
        return self.state == "migrated-out" and self.until > time.time()

    @property
    def listed(self) -> str:
        """The state in which others see it; empty when it does not run here."""
        if self.is_sending:
            return self.before
        if self.state == "running" and 0.0 < self.ends <= time.time():
            return "user-down"
        return self.state if self.state in LISTED else ""


class GuestFiles:
    """The guests of one node, kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep others from changing guests of this node while the body looks and acts."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def find(self, name: str) -> Guest | None:
        """Read one guest; None when there is none of this name."""
        try:
            return _read(self._path(name))
        except OSError as exc:
            if exc.errno not in _NO_FILE:
                raise
            return None

    def all(self) -> list[Guest]:
        """Read all guests, by name."""
        found = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                found.append(_read(path))
            except FileNotFoundError:
                continue  # it ended since the folder was listed
        return found

    def put(self, guest: Guest) -> None:
        """Write a guest, new or changed."""
        path = self._path(guest.name)
        draft = path.with_name(f".{guest.name}.{os.getpid()}.{threading.get_ident()}.draft")
        try:
            draft.write_text(json.dumps(asdict(guest)))
        except OSError as exc:  # such as a name that is too long for a file's
            raise HypervisorError(f"cannot write {draft}: {exc.strerror}") from exc
        draft.replace(path)

    def drop(self, name: str) -> None:
        """Forget a guest; an unknown one is no error, nor one that can never have been."""
        if not _NAME.fullmatch(name):
            return
        try:
            self._path(name).unlink()
        except OSError as exc:
            if exc.errno not in _NO_FILE:
                raise

    def clean(self) -> list[str]:
        """Remove drafts of dead writers and what is no guest; tell of each."""
        done = []
        for path in sorted(self.folder.glob(".*.draft")):
            if not Path(f"/proc/{path.name.split('.')[-3]}").exists():
                path.unlink(missing_ok=True)
                done.append(f"removed {path.name}, left by a writer that died")
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                _read(path)
            except HypervisorError as exc:
                path.unlink(missing_ok=True)
                done.append(f"removed {exc}")
        return done

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise HypervisorError(f"{name!r} cannot be the name of an instance")
        return self.folder / f"{name}{SUFFIX}"


def _read(path: Path) -> Guest:
    try:
        guest: Guest = decode(Guest, json.loads(path.read_text()))
    except (TypeError, ValueError) as exc:
        raise HypervisorError(f"{path}: this is no guest: {exc}") from exc
    if guest.version > STATE_VERSION:
        raise HypervisorError(f"{path}: written by a newer version ({guest.version})")
    return guest
