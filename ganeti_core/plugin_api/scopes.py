"""A scope of systemd for a program that outlives the daemon whose hook begins it.

A guest that lived in the node daemon's control group would count as a left-over of it at each
restart, and its memory as the daemon's.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from .run import DEFAULT_PATH

SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the init system, see `sd_booted(3)`."""
SLICE = "ganeti-guests.slice"
_STRANGE = re.compile(r"[^A-Za-z0-9.]+")


def own_scope(title: str) -> list[str]:
    """Return the words before a program that make it, and what it starts, a scope of its own.

    There are none where systemd does not run the host. The program keeps its descriptors and its
    environment, and its pid is that of the command. Without the scope it would run as well: when
    the command fails, try it without.

    :param title: for people, and in the scope's name
    """
    program = shutil.which("systemd-run", path=DEFAULT_PATH)
    if not SYSTEMD.is_dir() or os.geteuid() != 0 or program is None:
        return []
    # A name is never taken: that of a guest which is being stopped may still be.
    name = f"ganeti-{_STRANGE.sub('-', title)[:150].strip('-')}-{secrets.token_hex(4)}"
    return [program, "--quiet", "--scope", "--collect", f"--slice={SLICE}", f"--unit={name}",
            f"--description=Ganeti: {title}", "--"]
