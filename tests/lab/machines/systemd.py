"""What a machine has whose first process is systemd: its own names and addresses as units."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = ("systemd.py", "systemd.sh", "systemd.units")
"""What the image depends on."""
_NO_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
             "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service",
             "serial-getty@ttyS0.service", "systemd-networkd.service", "systemd-pstore.service")
"""Units of Debian's that no machine needs; each costs a second of its boot."""


def furnish(root: Path) -> None:
    """Let systemd be the first process of the system in `root`."""
    (root / "lab-init").rename(root / "lab-identify")
    shutil.copy(HERE / "systemd.sh", root / "lab-init")
    (root / "lab-init").chmod(0o755)
    units = root / "etc/systemd/system"
    for text in (HERE / "systemd.units").read_text().split("--- ")[1:]:
        name, _, unit = text.partition("\n")
        (units / name).write_text(unit)
        _systemctl(root, "enable", name)
    _systemctl(root, "mask", *_NO_UNITS)
    _systemctl(root, "set-default", "multi-user.target")


def _systemctl(root: Path, *words: str) -> None:
    subprocess.run(["chroot", root, "systemctl", "-q", *words], check=True)
