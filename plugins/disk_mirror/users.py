"""Who has the file that is a disk open, and who still has one whose process is gone.

When that process is killed, those who use the disk get errors, and go on to when the file is made
anew: theirs is the one of before. Nobody else sees that, so it is noted when it is made anew.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOPS = Path("/sys/block")
Opened = list[int]
"""A process, and its descriptor of the file."""


def users_of(path: Path, proc: Path = Path("/proc")) -> list[Opened]:
    """List who has a file open, by this name."""
    found = []
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            found += [[int(process.name), int(link.name)] for link in (process / "fd").iterdir()
                      if _leads_to(link, path)]
    return found


def holders_of(path: Path, proc: Path = Path("/proc"), loops: Path = LOOPS) -> list[str]:
    """Name who uses a file, for people: processes, and loop devices."""
    found = [f"process {process} ({_name(proc / str(process))})"
             for process in sorted({process for process, _ in users_of(path, proc)})]
    for backing in sorted(loops.glob("loop*/loop/backing_file")):
        with suppress(OSError):  # it was just let go
            if backing.read_text(errors="surrogateescape").rstrip("\n") == str(path):
                found.append(f"/dev/{backing.parent.parent.name}")
    return found


def without_a_file(opened: Iterable[Opened], proc: Path = Path("/proc")) -> bool:
    """Whether any of them still has open what nobody serves any more."""
    for process, descriptor in opened:
        try:
            os.stat(proc / str(process) / "fd" / str(descriptor))
        except OSError as exc:
            if exc.errno in (errno.ENOTCONN, errno.ECONNABORTED):
                return True
    return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "it has ended"


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return os.readlink(link) == str(path)
    except OSError:
        return False
