"""What a helper guest needs to install an OS: an archive that is one of its disks.

A tar archive with the folder ``os``, which is the definition's, and ``environment``, a file for a
shell: ``tar -xf DEVICE && . ./environment && cd os && ./create_untrusted``.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ganeti_core.plugin_api import OsScriptError

from .definition import Definition

FOLDER, ENVIRONMENT = "os", "environment"


def write(found: Definition, environment: Mapping[str, str], path: Path) -> None:
    """Write the archive.

    :raises OsScriptError: there is no room for it, or the definition cannot be read
    """
    lines = "".join(f"export {name}={shlex.quote(value)}\n"
                    for name, value in sorted(environment.items()))
    about = tarfile.TarInfo(ENVIRONMENT)
    about.size, about.mode = len(lines.encode()), 0o600
    try:
        with path.open("wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(about, io.BytesIO(lines.encode()))
            archive.add(found.folder.resolve(), FOLDER)
    except OSError as exc:
        raise OsScriptError(
            f"OS {found.name} cannot be packed into {path}: {exc.strerror}") from exc
