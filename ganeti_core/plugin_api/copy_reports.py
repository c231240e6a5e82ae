"""For the helper program that a kernel calls when it has lost the other copy of a mirrored disk.

Such a kernel lets writes wait until its helper has ended. `report_left_behind` ends when the master
has in writing that the other copy misses what is written from now on: from then on no operation
promotes that copy, whatever becomes of this node.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ganeti_core.paths import ROOT_VARIABLE, Paths

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN, REFUSED, UNHEARD = 0, 3, 4
"""It is durable; the copy here misses something itself and must not be written; nobody heard it."""
_PROGRAM = "ganeti_core.daemons.copy_report"
_GRACE = 30.0
"""Seconds beyond the limit for a program that starts on a busy host and has one call under way."""


def report_left_behind(root: Path, disk: str, copy: str, seconds: float) -> tuple[int, str]:
    """Report from this node, which writes to a disk, that another copy of it does not follow.

    Needs no daemon on this node. The master may be any master candidate by now.

    :param root: of the node's file tree
    :param disk: its uuid
    :param copy: uuid of the node with the other copy
    :param seconds: how long to try while nobody can be reached
    :returns: `WRITTEN`, `REFUSED` or `UNHEARD`, and why
    """
    argv = [sys.executable, "-m", _PROGRAM, disk, copy, str(seconds)]
    environment = {ROOT_VARIABLE: str(root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        ran = subprocess.run(argv, env=environment, timeout=seconds + _GRACE, check=False,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return UNHEARD, str(exc)
    status = ran.returncode if ran.returncode in (WRITTEN, REFUSED) else UNHEARD
    return status, ran.stderr.strip()[-1000:]


def keep_folder(root: Path, kind: str, driver: str) -> Path:
    """Where a driver's hooks on this node keep files: their `HookContext.keep`."""
    return Paths(root).plugin_keep(kind, driver)


def log_folder(root: Path) -> Path:
    """Where the helper may write its log."""
    return Paths(root).log
