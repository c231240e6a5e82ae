"""Debian's definitions run unchanged: installed ones, or those unpacked in GANETI_DEBIAN_OS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from installed import MIB, an_instance

from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.os_scripts.driver import OsScripts

ROOT = Path(os.environ.get("GANETI_DEBIAN_OS") or "/")
FOLDER = ROOT / "usr/share/ganeti/os"
SETTINGS = "etc/default/ganeti-instance-debootstrap"
CACHE = "/var/cache/ganeti-instance-debootstrap"
NEEDED = ("busybox", "losetup", "mke2fs", "unshare", "dpkg", "udevadm")


def definition(name: str, package: str) -> OsScripts:
    if not (FOLDER / name / "create").exists():
        pytest.skip(f"Debian's package {package} is not installed")
    return OsScripts(name, FOLDER / name)


def test_noop_runs_unchanged(tmp_path: Path) -> None:
    found = definition("noop", "ganeti-os-noop")
    instance = an_instance("noop", tmp_path, MIB)
    Path(instance.disks[0].path).write_bytes(b"mine".ljust(MIB, b"\0"))
    ctx = make_context(tmp_path / "node1")
    assert found.info(ctx).problem == ""
    found.validate(ctx, "", {}, force_variant=False)
    found.create(ctx, instance, "", reinstall=True)
    found.rename(ctx, instance, "", "old.example.com")
    assert Path(instance.disks[0].path).read_bytes()[:4] == b"mine"


def small_system(tar: Path, tmp_path: Path) -> None:
    """A system of busybox: the scripts change its root's password in it."""
    root = tmp_path / "system"
    for path in ("bin", "etc/network", "usr/bin", "tmp"):
        (root / path).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", root / "bin/busybox")
    for name in ("sh", "passwd", "true"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/shadow").write_text("root:*:1:0:::::\n")
    if "passwd" not in subprocess.run(["busybox", "--list"], check=True, capture_output=True,
                                      text=True, timeout=10).stdout.split():
        (root / "bin/passwd").unlink()
        (root / "bin/passwd").write_text("#!/bin/sh\nexit 0\n")
        (root / "bin/passwd").chmod(0o755)
    tar.parent.mkdir(parents=True)
    with tarfile.open(tar, "w") as file:
        file.add(root, ".")


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for loop devices")
@pytest.mark.skipif(any(not shutil.which(one) for one in NEEDED), reason=f"needs {NEEDED}")
def test_debootstrap_runs_unchanged_from_a_system_of_its_cache(tmp_path: Path) -> None:
    definition("debootstrap", "ganeti-instance-debootstrap")
    arch = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True,
                          text=True, timeout=10).stdout.strip()
    small_system(tmp_path / "cache" / f"cache-small-{arch}.tar", tmp_path)
    (tmp_path / "settings").write_text(
        "PARTITION_STYLE=none\nSUITE=small\nGENERATE_CACHE=no\nCUSTOMIZE_DIR=/none\n")
    # Settings and cache have one place: this test's are there in a mount namespace only.
    program = ("mount -t tmpfs none /etc/default; mount -t tmpfs none /var/cache; "
               f"cp {tmp_path}/settings /{SETTINGS}; cp -r {tmp_path}/cache {CACHE}; "
               f"exec {sys.executable} {Path(__file__).with_name('debian_debootstrap.py')} "
               f"{FOLDER / 'debootstrap'} {tmp_path}")
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-ec", program], capture_output=True,
        text=True, timeout=200, check=False)
    if "failed to set up loop device" in done.stderr + done.stdout:
        pytest.skip("there are no loop devices here")
    assert done.returncode == 0, done.stdout + done.stderr
    hostname = subprocess.run(
        ["debugfs", "-R", "cat /etc/hostname", tmp_path / "disk0"], check=True,
        capture_output=True, text=True, timeout=20).stdout
    assert hostname == "web2.example.com\n"
