"""``ganeti-drbd-helper``: the program that the kernel module calls (its ``usermode_helper``).

Of all that it is called for it does one thing. ``fence-peer`` means that a device is to be written
while the other node is not connected; until the program ends, the kernel lets writes wait. It
reports to the master that the other copy is left behind, and its exit status says what the kernel
may do.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.plugin_api.copy_reports import (
    REFUSED,
    WRITTEN,
    keep_folder,
    log_folder,
    report_left_behind,
)

from . import kernel
from .parameters import FENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("ganeti-drbd-helper")

IGNORED = 0
STAY_FROZEN, OUTDATED, UNREACHABLE = 1, 4, 5
"""What the kernel makes of it: nothing, so that writes wait on; the peer's data count as outdated;
so they do, but only where those here are known to be the newest."""
SLICE = 10.0
"""Seconds of one attempt; between two of them the kernel's state is looked at."""
PAUSE = 0.5


@dataclass(frozen=True)
class Noted:
    """What the driver wrote down of a device when it was opened."""

    disk: str
    minor: int
    peer: str
    wait: float


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``ganeti-drbd-helper``."""
    options = make_parser().parse_args(argv)
    number = re.search(r"(\d+)$", options.device)
    if options.event != "fence-peer" or number is None:
        return IGNORED
    root = Path(os.environ.get("GANETI_ROOT") or "/")
    with suppress(OSError):  # a full disk keeps nobody's writes waiting
        logging.basicConfig(filename=log_folder(root) / "drbd-helper.log", level=logging.INFO,
                            format="%(asctime)s %(message)s")
    noted = _noted(root, int(number[1]))
    if noted is None:
        log.error("%s: no disk of this cluster is known by that number", options.device)
        return STAY_FROZEN
    status = fence(root, noted)
    log.info("%s, disk %s: ends with status %d", options.device, noted.disk, status)
    return status


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(
        prog="ganeti-drbd-helper",
        description="What the kernel module drbd calls when the other copy of a disk is lost")
    parser.add_argument("event", metavar="EVENT", help="fence-peer; others are ignored")
    parser.add_argument("device", metavar="DEVICE", nargs="?", default="",
                        help="resourceN or minor-N, where N is the device's number")
    return parser


def fence(root: Path, noted: Noted) -> int:
    """Report until somebody hears it, or it is too late, or there is nothing to report any more."""
    log.info("device %d, disk %s: its peer is lost", noted.minor, noted.disk)
    began, said = time.monotonic(), ""
    while True:
        state = _state(root, noted.minor)
        if state is None or state.is_connected:
            return STAY_FROZEN  # it is gone, or the kernel goes on by itself: nothing is frozen
        # An operation waits for it and has an end: only a device in use may wait for longer.
        limit = (noted.wait or math.inf) if state.role == "Primary" else FENCE_SECONDS
        left = began + limit - time.monotonic()
        status, why = report_left_behind(
            root, noted.disk, noted.peer, min(SLICE, max(PAUSE, left)))
        if status == WRITTEN:
            return OUTDATED
        if why != said:
            log.warning("disk %s: %s", noted.disk, why)
        said = why
        if status == REFUSED:
            return STAY_FROZEN
        if time.monotonic() >= began + limit:
            log.error("disk %s: in %g s nobody could be told", noted.disk, limit)
            return UNREACHABLE if state.role == "Primary" else STAY_FROZEN
        time.sleep(PAUSE)


def _state(root: Path, minor: int) -> kernel.Minor | None:
    try:
        return kernel.minors((root / "proc/drbd").read_text()).get(minor)
    except OSError:
        return None


def _noted(root: Path, minor: int) -> Noted | None:
    """Return what is noted of a device; the newest, should several notes have its number."""
    found: list[tuple[float, Noted]] = []
    for file in keep_folder(root, "disk_templates", "drbd").glob("*.disk"):
        try:
            note = json.loads(file.read_text())
            if note["minor"] == minor and note["peer"]:
                found.append((file.stat().st_mtime, Noted(
                    file.stem, minor, str(note["peer"]), float(note["wait"]))))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return max(found, key=lambda one: one[0])[1] if found else None
