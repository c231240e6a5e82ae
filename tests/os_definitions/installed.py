"""An instance that a system is installed for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ganeti_os_definitions

from ganeti_core.plugin_api import DiskSpec, InstanceSpec, NicSpec

MIB = 1 << 20
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example.com"
NICS = (
    NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", mode="bridged",
            link="br0", ip="192.0.2.7", network={
                "name": "office", "uuid": "u", "network": "192.0.2.0/24", "gateway": "192.0.2.1",
                "tags": []}),
    NicSpec("41c00000-0000-4000-8000-000000000002", 1, "aa:00:00:11:22:34", mode="bridged",
            link="br0"))



def an_instance(definition: str, folder: Path, size: int) -> InstanceSpec:
    """An instance with an empty disk of so many bytes, and two cards, the first with an address."""
    disk = folder / "disk0"
    with disk.open("wb") as file:
        file.truncate(size)
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="web1.example.com", hypervisor="kvm",
        os=definition, beparams={"maxmem": 16, "vcpus": 1}, nics=NICS, disks=(DiskSpec(
            "d15c0000-0000-4000-8000-000000000001", 0, "file", size // MIB, path=str(disk)),))


def tar_name(given: dict[str, str]) -> str:
    """Where the scripts look for a system that was made before."""
    variables = {f"OSP_{name.upper()}": value for name, value in given.items()}
    return subprocess.run(
        ["sh", "-c", ". ./common; tar_of_system"], check=True, capture_output=True, text=True,
        timeout=20, cwd=ganeti_os_definitions.FOLDER / "debootstrap",
        env={"PATH": os.environ["PATH"], **variables}).stdout.strip()


def small_system(folder: Path) -> Path:
    """What debootstrap might have made, in a few files."""
    for path in ("etc/ssh", "root", "var"):
        (folder / path).mkdir(parents=True)
    (folder / "etc/shadow").write_text("root:*:1:0:::::\ndaemon:*:1:0:::::\n")
    (folder / "etc/shadow").chmod(0o640)
    (folder / "etc/ssh/ssh_host_rsa_key").write_text("of the image")
    (folder / "etc/machine-id").write_text("0123\n")
    (folder / "etc/debian_version").write_text("12.0\n")
    return folder
