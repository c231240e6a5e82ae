"""What has been read from and written to block devices of the node, counted by its kernel."""

from __future__ import annotations

import os
from pathlib import Path

from .usage import DiskUsage

DEVICES = Path("/sys/dev/block")
SECTOR = 512
_READS, _READ_SECTORS, _WRITES, _WRITTEN_SECTORS = 0, 2, 4, 6
"""Columns of a device's counts."""


def disk_usage(index: int, device: int, devices: Path = DEVICES) -> DiskUsage | None:
    """Return the counts of a block device, or of a partition; None for another file.

    :param index: of the guest's disk that lies on it, which is nobody else's
    :param device: its number, such as ``st_dev`` of a file system on it
    """
    try:
        words = (devices / f"{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return DiskUsage(index, int(words[_READS]), int(words[_READ_SECTORS]) * SECTOR,
                         int(words[_WRITES]), int(words[_WRITTEN_SECTORS]) * SECTOR)
    except (OSError, IndexError, ValueError):
        return None  # a file system without a device has no such folder
