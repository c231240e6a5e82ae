"""Names that others give to mounts, files and programs of a node need not be UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ODD = b"caf\xe9"
IN_OWN_NAMESPACE = """
import os, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
from ganeti_core.plugin_api.root_file_systems import mounts_below
from ganeti_plugins.disk_lvm.volumes import users
from ganeti_plugins.disk_mirror.stores import Store
from ganeti_plugins.hv_lxc.cgroups import hierarchies

folder = os.fsencode(sys.argv[1]) + b"/caf\\xe9"
os.mkdir(folder)
subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
assert mounts_below(Path(sys.argv[1])) == [os.fsdecode(folder)]
hierarchies()
places = SimpleNamespace(device=Path(os.fsdecode(folder)))
assert Store(None, places)._is_mounted()
print(users(SimpleNamespace(path="/dev/null")))
"""


@pytest.mark.needs_root
def test_a_mount_of_any_name_hides_no_other_one(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", IN_OWN_NAMESPACE, str(tmp_path)],
        capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_who_uses_a_disk_is_named_whatever_it_calls_itself(tmp_path: Path) -> None:
    from ganeti_plugins.disk_mirror.users import holders_of

    disk, loops, processes = tmp_path / "disk", tmp_path / "block", tmp_path / "proc"
    for number, name in enumerate((ODD + b".iso", os.fsencode(disk))):
        (loops / f"loop{number}/loop").mkdir(parents=True)
        (loops / f"loop{number}/loop/backing_file").write_bytes(name + b"\n")
    (processes / "7/fd").mkdir(parents=True)
    (processes / "7/fd/3").symlink_to(disk)
    (processes / "7/comm").write_bytes(ODD + b"\n")
    assert holders_of(disk, processes, loops) == ["process 7 (caf\N{REPLACEMENT CHARACTER})",
                                                  "/dev/loop1"]


def test_another_loop_device_of_any_name_holds_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganeti_core.plugin_api import root_file_systems

    monkeypatch.setattr(root_file_systems, "LOOPS", tmp_path)
    (tmp_path / "loop0/loop").mkdir(parents=True)
    (tmp_path / "loop0/loop/backing_file").write_bytes(b"/" + ODD + b"\n")
    assert not root_file_systems.is_held(str(tmp_path / "disk"))
