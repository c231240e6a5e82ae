"""What a machine of Xen has beside others: Xen itself, its daemons, and a guest for tests.

The guest is Debian's kernel, as the machine itself has it, with a system of a few files:
``/srv/guest/kernel`` and ``/srv/guest/initrd``.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from machines import kernel, ramdisk

HERE = Path(__file__).resolve().parent
FILES = ("dom0.sh", "xen-block.sh", "xen-vif.sh", "xen-guest.sh", "xen.py")
"""What the image depends on."""
FIRST_DOMAIN = 640
"""MiB of the machine's own system; the rest is for other domains."""
XEN_COMMAND_LINE = (f"dom0_mem={FIRST_DOMAIN}M,max:{FIRST_DOMAIN}M dom0_max_vcpus=1 com1=115200,8n1"
                    " console=com1 loglvl=warning guest_loglvl=warning sched=credit xpti=false"
                    " spec-ctrl=no")
GUEST = "srv/guest"


def furnish(folder: Path, root: Path, linux: kernel.Kernel) -> None:
    """Make the system in `root` a first domain; put what QEMU loads into `folder`."""
    (found,) = (root / "boot").glob("xen-*.gz")
    (folder / "xen").write_bytes(gzip.decompress(found.read_bytes()))
    shutil.copy(HERE / "dom0.sh", root / "lab-dom0")
    # They take the place of Xen's own, which are what configurations without a script use.
    shutil.copy(HERE / "xen-block.sh", root / "etc/xen/scripts/block")
    shutil.copy(HERE / "xen-vif.sh", root / "etc/xen/scripts/vif-bridge")
    for name in ("lab-dom0", "etc/xen/scripts/block", "etc/xen/scripts/vif-bridge"):
        (root / name).chmod(0o755)
    (root / "lab-ready").write_text(
        "#!/bin/sh\n/lab-dom0 > /dev/console 2>&1\necho 'LAB READY' > /dev/console\n")
    guest = root / GUEST
    guest.mkdir(parents=True)
    shutil.copy(folder / "vmlinux", guest / "kernel")
    ramdisk.make(guest / "initrd", HERE / "xen-guest.sh",
                linux.needed("xen_blkfront", "xen_netfront"), ends=True)


def boot_words(folder: Path, command_line: str) -> list[str]:
    """Return the options of QEMU that start Xen and the system as its first domain."""
    # A comma ends one of several modules of multiboot, and two are one that does not.
    linux = f"{folder}/vmlinux {command_line}".replace(",", ",,")
    return ["-kernel", f"{folder}/xen", "-append", XEN_COMMAND_LINE,
            "-initrd", f"{linux},{folder}/initrd"]
