"""Build the guest's initial RAM disk: busybox, kernel modules in load order, and `init`.

Written as a cpio archive by ourselves, so no root is needed for the console's device file.
"""

from __future__ import annotations

import lzma
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MODULES = (
    "virtio_pci", "virtio_blk", "virtio_net", "button", "evdev", "ata_piix", "ahci", "sd_mod")
"""What the guest needs, if the kernel does not have it built in."""

FOLDERS = ("bin", "dev", "proc", "sys", "tmp", "modules")
DIRECTORY, REGULAR, CHARACTER = 0o040755, 0o100755, 0o020600
CONSOLE = (5, 1)


@dataclass(frozen=True)
class Entry:
    """A file of the archive; `device` is the major and minor number of a device file."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def build(kernel_tree: Path, busybox: Path, init: Path) -> bytes:
    """Make the archive; `kernel_tree` is an unpacked kernel package."""
    modules = list(load_order(kernel_tree, MODULES))
    order = "".join(f"{name}.ko\n" for name, _ in modules)
    return archive([
        *(Entry(folder, DIRECTORY) for folder in FOLDERS),
        Entry("dev/console", CHARACTER, device=CONSOLE),
        Entry("bin/busybox", REGULAR, busybox.read_bytes()),
        Entry("init", REGULAR, init.read_bytes()),
        Entry("modules/order", REGULAR, order.encode()),
        *(Entry(f"modules/{name}.ko", REGULAR, data) for name, data in modules),
    ])


def load_order(kernel_tree: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the modules `wanted` with all that they need, each after what it needs.

    Names that the kernel has no module for are left out: they are built in.
    """
    files = {re.sub(r"\.ko.*", "", path.name).replace("-", "_"): path
             for path in kernel_tree.rglob("*.ko*")}
    done: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, bytes]]:
        if name in done or name not in files:
            return
        done.add(name)
        data = _read_module(files[name])
        for needed in _depends(data):
            yield from visit(needed)
        yield name, data

    for name in wanted:
        yield from visit(name)


def _read_module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(module: bytes) -> list[str]:
    # One of the zero-terminated "key=value" texts that the kernel build puts into every module.
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found.group(1).decode().split(",") if found else []
    return [name.replace("-", "_") for name in names if name]


def archive(entries: Iterable[Entry]) -> bytes:
    """Write entries in cpio's ``newc`` form."""
    body = b"".join(_record(number, entry) for number, entry in enumerate(entries, 1))
    return body + _record(0, Entry("TRAILER!!!", 0))


def _record(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if entry.mode == DIRECTORY else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device,
              len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
