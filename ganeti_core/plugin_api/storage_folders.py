"""Which folders of a node may hold disks: none of the system's, and those that its list names."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

LIST = "etc/ganeti/file-storage-paths"
"""One allowed folder a line; without this file every folder is that is not the system's."""
_PROGRAMS = ("bin", "lib", "lib32", "lib64", "sbin")
FORBIDDEN = frozenset(map(PurePosixPath, (
    "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/var/lib/ganeti",
    *(f"{prefix}/{name}" for prefix in ("", "/usr", "/usr/local") for name in _PROGRAMS))))


def _is_forbidden(folder: PurePosixPath) -> bool:
    return len(folder.parts) == 1 or any(folder.is_relative_to(path) for path in FORBIDDEN)


def why_not(root: Path, folder: PurePosixPath) -> str | None:
    """Return why disks may not be made in `folder` of the node below `root`; None when they may."""
    if _is_forbidden(folder):
        return f"Path '{folder}' uses a forbidden prefix"
    try:
        allowed = _listed(root)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return f"the list of allowed folders {root / LIST} cannot be read: {exc.strerror}"
    if any(path.startswith("/") and folder.is_relative_to(path) for path in allowed):
        return None
    return f"Path '{folder}' is not acceptable for file storage: {root / LIST} does not name it"


def forbidden_lines(root: Path) -> list[str]:
    """Return the lines of the node's list that allow nothing, since no disks may be there."""
    try:
        lines = _listed(root)
    except OSError:
        return []
    return [line for line in lines
            if not line.startswith("/") or _is_forbidden(PurePosixPath(os.path.normpath(line)))]


def _listed(root: Path) -> list[str]:
    lines = (root / LIST).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def device_of(folder: Path) -> str:
    """Return the `StorageSpace.device` of a storage that is a folder: the file system it lies in.

    :raises OSError: there is no such folder
    """
    return f"file system {folder.stat().st_dev}"
