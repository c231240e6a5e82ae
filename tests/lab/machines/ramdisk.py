"""First file systems: busybox, some modules and one script."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_ENDS = ("poweroff", "reboot")


def make(path: Path, script: Path, modules: Sequence[Path], *, ends: bool = False) -> None:
    """Write a file system, packed as the kernel wants it, that runs `script` first.

    :param modules: files; the list of their names in this order is ``/modules/order``
    :param ends: with ``/sbin/poweroff`` and ``/sbin/reboot``, which the kernel calls when it is
        asked to end
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        tree = Path(folder)
        for name in ("bin", "sbin", "proc", "sys", "dev", "mnt", "modules"):
            (tree / name).mkdir()
        shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "bin/busybox")
        for file in modules:
            shutil.copy(file, tree / "modules")
        (tree / "modules/order").write_text("".join(f"{file.name}\n" for file in modules))
        shutil.copy(script, tree / "init")
        (tree / "init").chmod(0o755)
        for verb in _ENDS if ends else ():
            (tree / "sbin" / verb).write_text(f"#!/bin/busybox sh\nexec /bin/busybox {verb} -f\n")
            (tree / "sbin" / verb).chmod(0o755)
        os.mknod(tree / "dev/console", 0o600 | 0o020000, os.makedev(5, 1))
        names = "".join(f"{file.relative_to(tree)}\n" for file in sorted(tree.rglob("*")))
        with path.open("wb") as packed:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=tree,
                           stdout=packed, check=True)
