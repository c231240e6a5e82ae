"""The file with a daemon's pid, which is locked as long as the daemon lives.

Who wants to know whether the daemon runs tries the lock: a pid alone may be somebody else's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass

_LOCK_TRIES = 20
_LOCK_PAUSE = 0.01


class AlreadyRunning(GanetiError):
    """Another process of this daemon holds the pid file."""


@dataclass
class PidFile:
    """This process's own pid file, locked."""

    file: Path
    _descriptor: int

    @classmethod
    def lock(cls, file: Path) -> PidFile:
        """Take the file and write our pid.

        :raises AlreadyRunning: another process has it
        """
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not _locked(descriptor):
                other = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                raise AlreadyRunning(f"another process holds {file}: pid {other or 'unknown'}")
            if _is_at(descriptor, file):
                break
            # Who held it has removed it meanwhile: nobody would find our lock.
            os.close(descriptor)
        os.ftruncate(descriptor, 0)
        # On a full disk the lock must do, see `running_pid`: a daemon must start even then.
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(file, descriptor)

    def release(self) -> None:
        """Remove the file, at a clean end; who may not do so any more leaves an empty one."""
        try:
            self.file.unlink(missing_ok=True)
        except PermissionError:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _locked(descriptor: int) -> bool:
    """Try for a moment: who only asks whether the daemon runs holds the lock just as long."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOCK_PAUSE)
        else:
            return True
    return False


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def is_held(file: Path) -> bool:
    """Whether the daemon runs."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def running_pid(file: Path) -> int | None:
    """The pid of the daemon that holds `file`; None when none runs, or it has not told yet."""
    if not is_held(file):
        return None
    with contextlib.suppress(ValueError, FileNotFoundError):
        return int(file.read_text() or _holder(file))
    return None


def _holder(file: Path) -> str:
    """The pid of who has locked `file`, as the kernel lists locks; empty for nobody."""
    wanted = file.stat()
    inode = str(wanted.st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        # 1: FLOCK  ADVISORY  WRITE 4711 00:2d:1234 0 EOF
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, where, *_] if (
                    where.rpartition(":")[2] == inode and _has_open(pid, wanted)):
                return pid
    return ""


def _has_open(pid: str, wanted: os.stat_result) -> bool:
    """Whether a process has this very file open: other file systems have the same inodes."""
    try:
        return any(os.path.samestat(link.stat(), wanted)
                   for link in Path("/proc", pid, "fd").iterdir() if link.exists())
    except OSError:
        return False
