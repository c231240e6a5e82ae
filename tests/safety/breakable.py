"""A node's folder of files on a disk of its own, which can break: then every access is an error.

The disk is a file that a process of QEMU's makes of another one (FUSE); without that process the
kernel answers all that is asked of it with an error, as for a disk that is dead.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from virtual_cluster import wait_until

MIB = 1 << 20
SIZE = 64 * MIB


@dataclass
class BreakableDisk:
    """The disk of one node.

    :param home: for the file that it is, outside of the cluster's folders
    :param mounted: the folder that lies on it
    """

    home: Path
    mounted: Path
    _process: subprocess.Popen[bytes] | None = None
    _loop: str = ""

    @property
    def _device(self) -> Path:
        return self.home / "device"

    def plug_in(self) -> None:
        """Be a new, empty disk."""
        self.home.mkdir(parents=True, exist_ok=True)
        image = self.home / "image"
        image.unlink(missing_ok=True)
        with image.open("wb") as made:
            made.truncate(SIZE)
        self._device.touch()
        self._process = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev", f"file,filename={image},node-name=f",
             "--export", f"fuse,id=e,node-name=f,mountpoint={self._device},writable=on"])
        wait_until(lambda: self._device.stat().st_size == SIZE, "the disk is there")
        self._loop = _do("losetup", "--find", "--show", str(self._device))
        _do("mkfs.ext4", "-q", "-O", "^has_journal", self._loop)
        _do("mount", self._loop, str(self.mounted))
        shutil.rmtree(self.mounted / "lost+found")

    def mount_again(self) -> None:
        """As its node does when it boots."""
        if not self.mounted.is_mount():
            _do("mount", self._loop, str(self.mounted))

    def break_down(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def unplug(self) -> None:
        """Take it away, broken or not."""
        with suppress(subprocess.CalledProcessError):
            _do("umount", "-l", str(self.mounted))
        if self._loop:
            with suppress(subprocess.CalledProcessError):
                _do("losetup", "--detach", self._loop)
        if self._process is not None:
            self.break_down()
        with suppress(subprocess.CalledProcessError):
            _do("umount", "-l", str(self._device))


def _do(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
