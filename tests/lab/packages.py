"""The project's package as another version of it, made in seconds: it is not built again."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

MARK = "usr/share/doc/ganeti-core/UPGRADED"
"""A file that only the other version has."""


def as_version(package: Path, version: str, folder: Path) -> Path:
    """Make a package with the same code and another version, in `folder`; return its file."""
    root = folder / f"root-{version}"
    subprocess.run(["dpkg-deb", "-R", package, root], check=True)
    (root / MARK).write_text(f"{version}\n")
    (found,) = root.glob("usr/lib/ganeti-core/lib/python3*/site-packages/ganeti_core-*.dist-info")
    metadata = found.with_name(f"ganeti_core-{version}.dist-info")
    found.rename(metadata)
    for file in (metadata / "METADATA", root / "DEBIAN/control"):
        text = re.sub(r"(?m)^(Version: )[^-\n]+", rf"\g<1>{version}", file.read_text(), count=1)
        file.write_text(text)
    made = folder / re.sub(r"_[^_]+_", f"_{version}-1_", package.name)
    # Not compressed: it is installed once.
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, made],
                   check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return made
