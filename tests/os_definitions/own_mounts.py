"""What is mounted, without what tests that run at the same time have mounted."""

from __future__ import annotations

from pathlib import Path


def own_mounts(folder: Path) -> list[str]:
    """Return the lines of ``/proc/mounts`` but for those in folders of other tests.

    :param folder: this test's own
    """
    return [line for line in Path("/proc/mounts").read_text().splitlines()
            if str(folder) in line or "/pytest-of-" not in line]
