"""The disk, kernel and first file system that all machines of the lab start from.

They are built once, in three minutes of a processor's time, and kept in a folder named after what
they are made from: who changes this recipe gets another image.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machines import kernel, ramdisk, systemd, xen
from machines.sorts import SORTS, USUAL, Sort

HERE = Path(__file__).resolve().parent
RELEASE = "bookworm"
PACKAGES = (
    "busybox-static", "dmsetup", "drbd-utils", "e2fsprogs", "iproute2", "iputils-ping", "kmod",
    "lvm2", "nftables", "openssh-client", "openssh-server", "procps", "python3",
    "python3-venv", "qemu-guest-agent", "qemu-system-x86", "qemu-utils", "socat",
    "thin-provisioning-tools", "udev")
"""What is on a machine beside Debian's smallest system."""
NOT_UNPACKED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ip": "iproute2",
          "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "depmod": "kmod",
          "busybox": "busybox-static", "cpio": "cpio", "ssh-keygen": "openssh-client"}
"""Programs that the lab uses on this host, and the packages that they are in."""
PATIENCE = "GANETI_PATIENCE=4"
"""What commands and daemons are told of the machines' speed, whoever starts them: where processors
are emulated, one call of LVM's tools can take longer than a driver would wait on a real host."""
_BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
_SSH = "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"


@dataclass(frozen=True)
class Image:
    """A built image.

    :param folder: with the files ``root.ext4``, ``vmlinux`` and ``initrd``; ``xen`` where the sort
        has that
    :param sort: of the machines that it is for
    """

    folder: Path
    sort: Sort = USUAL

    @property
    def root(self) -> Path:
        return self.folder / "root.ext4"

    def boot_words(self, command_line: str) -> list[str]:
        """Return the options of QEMU that start the kernel, and what is below it."""
        if self.sort.xen:
            return xen.boot_words(self.folder, f"console=hvc0 {command_line}")
        return ["-kernel", f"{self.folder}/vmlinux", "-initrd", f"{self.folder}/initrd",
                "-append", f"console=ttyS0 {command_line}"]


def home() -> Path:
    """Return where the lab keeps all that it has."""
    return Path(os.environ.get("GANETI_LAB") or "/var/tmp/ganeti-lab")


def why_not() -> str:
    """Return why there can be no machines here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = sorted({package for program, package in NEEDED.items()
                      if shutil.which(program) is None})
    if missing:
        return f"needs programs: apt-get install --no-install-recommends {' '.join(missing)}"
    return "" if Path("/dev/net/tun").exists() else "needs /dev/net/tun: modprobe tun"


def located(sort: Sort) -> Image:
    """Return the image of a sort of machines, whether it has been built or not."""
    recipe = hashlib.sha256()
    for file in sorted(HERE.glob("init*")):
        recipe.update(file.read_bytes())
    recipe.update(repr((RELEASE, PACKAGES, NOT_UNPACKED, kernel.UNUSED, _BOOT_MODULES)).encode())
    # Sorts that differ only in how they are started have one image.
    if sort.packages:
        recipe.update(repr((sort.packages, sort.xen)).encode())
    for name in (*(xen.FILES if sort.xen else ()), *(systemd.FILES if sort.systemd else ())):
        recipe.update((HERE / name).read_bytes())
    return Image(home() / f"image-{recipe.hexdigest()[:12]}", sort)


def ready(sort: Sort = USUAL) -> Image:
    """Return the image of a sort of machines; build it if it is not there.

    :raises subprocess.CalledProcessError: a step of building failed, such as fetching packages
    """
    image = located(sort)
    with exclusively(image.folder):
        if not image.root.exists():
            print(f"Building the lab's image in {image.folder}; once, it takes minutes.",
                  file=sys.stderr, flush=True)
            draft = image.folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            _build(draft, sort)
            draft.rename(image.folder)
    return image


@contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Let one process at a time make what is to be in `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, sort: Sort) -> None:
    root = folder / "root"
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_UNPACKED]
    with (folder / "mmdebstrap.log").open("w") as log:
        subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--aptopt=APT::Install-Recommends \"false\"",
             *excluded, f"--include={','.join(PACKAGES + sort.packages)}", RELEASE, root],
            check=True, stdout=log, stderr=log)
    linux = kernel.fetch(folder)
    shutil.copytree(linux.modules, root / "lib/modules" / linux.release)
    (folder / "vmlinux").write_bytes(linux.uncompressed())
    _configure(root)
    ramdisk.make(folder / "initrd", HERE / "initrd.sh", linux.needed(*_BOOT_MODULES))
    if sort.xen:
        xen.furnish(folder, root, linux)
    if sort.systemd:
        systemd.furnish(root)
    disk = folder / "root.ext4.draft"
    with disk.open("wb") as file:
        file.truncate(4 << 30)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,nodiscard", "-J", "size=32",
         "-d", root, disk], check=True)
    for done in (root, linux.tree):
        shutil.rmtree(done)
    disk.rename(folder / "root.ext4")


def _configure(root: Path) -> None:
    """Make a system that is a machine of the lab of one that has only been unpacked."""
    shutil.copy(HERE / "init.sh", root / "lab-init")
    shutil.copy(HERE / "inittab", root / "etc/inittab")
    (root / "lab-ready").write_text("#!/bin/sh\necho 'LAB READY' > /dev/console\n")
    for name in ("lab-init", "lab-ready"):
        (root / name).chmod(0o755)
    # All machines have one key, so that each may log in to the others.
    keys = root / "root/.ssh"
    keys.mkdir(mode=0o700, exist_ok=True)  # a provision of systemd's may be there
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "id_ed25519"],
                   check=True)
    shutil.copy(keys / "id_ed25519.pub", keys / "authorized_keys")
    (keys / "config").write_text(_SSH)
    with (root / "etc/ssh/sshd_config").open("a") as file:
        file.write(f"SetEnv {PATIENCE}\n")
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


if __name__ == "__main__":
    print(ready(SORTS[sys.argv[1] if len(sys.argv) > 1 else ""]).folder)
