"""A stand-in for a Gluster volume: a file system in memory, which nodes mount by binding to it.

The kernel shows its source as it shows that of a volume: ``server:/gv0``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = "server:/gv0"
# Of other volumes it says nothing and ends with 0, as mount.glusterfs was reported to.
_MOUNT = """#!/bin/sh
[ "$1 $2 $3" = "-t glusterfs -o" ] || exit 32
echo "$4 $5" >> {folder}/asked
case "$5" in
*:/gv0) exec /bin/mount --bind {folder}/gv0 "$6" ;;
esac
"""


def install(root: Path, folder: Path) -> None:
    """Give the node below `root` a program mount that reaches the volume in `folder`."""
    program = root / "usr/bin/mount"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(_MOUNT.format(folder=folder))
    program.chmod(0o755)


@contextmanager
def gluster_volume(folder: Path) -> Iterator[Path]:
    """Make the volume, of 64 MiB, for a while; give its files' folder. It ends with all mounts."""
    files = folder / "gv0"
    files.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", SOURCE, str(files)], check=True,
                   timeout=60)
    try:
        yield files
    finally:
        for where in mounts(folder.parent):
            subprocess.run(["umount", where], check=True, timeout=60)


def mounts(below: Path) -> list[str]:
    """Where the volume is mounted, the last one first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split(" ")[1] for line in reversed(lines)
            if line.startswith(f"{SOURCE} {below}/")]
