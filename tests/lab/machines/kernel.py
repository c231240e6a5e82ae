"""Debian's kernel for the machines: fetched, never installed."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

UNUSED = ("sound", "drivers/media", "drivers/gpu", "drivers/net/wireless", "drivers/staging",
          "drivers/iio", "drivers/infiniband", "drivers/usb")
"""Folders of modules that no machine needs."""
XZ = b"\xfd7zXZ\0"


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package.

    :param tree: where it was unpacked
    """

    tree: Path

    @property
    def release(self) -> str:
        return next(file.name for file in (self.tree / "lib/modules").iterdir())

    @property
    def modules(self) -> Path:
        return self.tree / "lib/modules" / self.release

    def uncompressed(self) -> bytes:
        """Return the kernel proper, which QEMU starts directly: unpacking it is slow emulated.

        :raises ValueError: it is not compressed as Debian's is
        """
        image = (self.tree / "boot" / f"vmlinuz-{self.release}").read_bytes()
        # The header of Linux' boot protocol: sectors of set-up code, then place and length.
        begin = (image[0x1F1] + 1) * 512 + int.from_bytes(image[0x248:0x24C], "little")
        packed = image[begin:begin + int.from_bytes(image[0x24C:0x250], "little")]
        if not packed.startswith(XZ):
            raise ValueError(f"the kernel is not compressed by xz: {packed[:6].hex()}")
        # Not lzma.decompress: after the stream lies the length of what is in it.
        return lzma.LZMADecompressor().decompress(packed)

    def needed(self, *names: str) -> list[Path]:
        """Return the files of modules and all that they need, in the order of loading."""
        found: dict[Path, None] = {}
        for name in names:
            said = subprocess.run(
                ["modprobe", "-d", str(self.tree), "-S", self.release, "--show-depends", name],
                check=True, capture_output=True, text=True).stdout
            found |= dict.fromkeys(Path(line.split()[1]) for line in said.splitlines()
                                   if line.startswith("insmod"))
        return list(found)


def fetch(folder: Path) -> Kernel:
    """Fetch the newest kernel package of this Debian into `folder` and unpack it there.

    :raises subprocess.CalledProcessError: there is none, or no network
    """
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True,
                             capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise ValueError(f"linux-image-amd64 names no package: {depends}")
    subprocess.run(
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", found[1]],
        check=True, cwd=folder, stdout=subprocess.DEVNULL)
    package = next(folder.glob(f"{found[1]}_*.deb"))
    kernel = Kernel(folder / "kernel")
    subprocess.run(["dpkg", "-x", package, kernel.tree], check=True)
    package.unlink()
    for name in UNUSED:
        shutil.rmtree(kernel.modules / "kernel" / name, ignore_errors=True)
    subprocess.run(["depmod", "-b", kernel.tree, kernel.release], check=True)
    return kernel
