"""Programs that the administrator of a node allows, by putting them where nobody else can write."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

ALLOWED_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
"""``PATH`` of such programs."""
ALLOWED_NAME = re.compile(r"[a-zA-Z0-9_-]+")
"""Names that they can have: no others, such as backups and what leads elsewhere."""


def why_not_run(program: Path) -> str:
    """Say why a program is not run; empty when it may be.

    It runs as the daemon's user: whoever can change it, or the two folders above it, can do all
    that the daemon can.

    :raises OSError: it cannot be looked at
    """
    if not (program.is_file() and os.access(program, os.X_OK)):
        return "it is no program"
    for path in (program, program.parent, program.parent.parent):
        found = path.stat()
        if found.st_uid not in (0, os.geteuid()):
            return f"{path} belongs to user {found.st_uid}, not to root"
        others = found.st_mode & stat.S_IWOTH
        if others or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid())):
            return f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):o})"
    return ""
