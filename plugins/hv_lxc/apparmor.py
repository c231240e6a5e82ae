"""Whether AppArmor lets containers start: LXC puts them under a profile of its own."""

from __future__ import annotations

from pathlib import Path

PROFILE = "lxc-container-default-cgns"
"""What LXC takes where a container's configuration names no profile (lxc.container.conf(5))."""


def problem(system: Path = Path("/sys")) -> str:
    """Return why containers cannot start under that profile; empty where they can.

    :param system: where the kernel's ``sysfs`` is, with ``securityfs`` below it
    """
    try:
        enabled = (system / "module/apparmor/parameters/enabled").read_text().strip() == "Y"
    except OSError:
        return ""
    if not enabled:
        return ""
    otherwise = ("Containers start only with 'lxc.apparmor.profile = unconfined' in the parameter "
                 "extra_config")
    try:
        loaded = (system / "kernel/security/apparmor/profiles").read_text()
    except FileNotFoundError:
        return f"AppArmor is on, and /sys/kernel/security is not mounted. {otherwise}"
    if not any(line.partition(" ")[0] == PROFILE for line in loaded.splitlines()):
        return (f"AppArmor is on, and LXC's profile {PROFILE} is not loaded (apt-get install "
                f"apparmor). {otherwise}")
    return ""
