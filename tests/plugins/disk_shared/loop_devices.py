"""A real block device of the node: a loop device."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def loop_device(file: Path, size: int) -> Iterator[str]:
    """Make a file of `size` MiB a block device for a while; give its path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as new:
        new.truncate(size << 20)
    path = subprocess.run(["losetup", "--find", "--show", str(file)], check=True, text=True,
                          capture_output=True, timeout=60).stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["losetup", "--detach", path], check=True, timeout=60)


def give_name(root: Path, path: str, to: str) -> Path:
    """Give a device of the host a name on the node below `root`, as udev does."""
    link = root / path.removeprefix("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(to, link)
    return link
