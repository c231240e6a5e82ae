"""The logrotate file that is shipped: what it covers, and what its script makes the daemons do."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

TEXT = (files("ganeti_core.daemons") / "ganeti.logrotate").read_text()
PATTERNS = [pattern for line in TEXT.splitlines() if line.startswith("/var/log")
            for pattern in line.removesuffix("{").split()]
SCRIPT = re.findall(r"(?s)postrotate\n(.*?)endscript", TEXT)[0]


def covered(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root / "var/log/ganeti"))
                  for pattern in PATTERNS for path in root.glob(pattern.lstrip("/")))


def test_each_log_is_covered_once_and_those_of_os_scripts_not_at_all(tmp_path):
    names = ["allocators.log", "disk_templates/ext/volume.log", "kvm/inst1.example.com.log",
             "master-daemon.log", "node-daemon.log", "openstack/inst1.example.com.log",
             "oscar/inst1.example.com.log"]
    for name in (*names, "os/add-noop-inst1.example.com-2026-01-01_00_00_00.log"):
        path = tmp_path / "var/log/ganeti" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert covered(tmp_path) == names


@pytest.mark.skipif(shutil.which("start-stop-daemon") is None, reason="there is no dpkg here")
def test_daemons_let_go_of_rotated_files(make_cluster):
    cluster: VirtualCluster = make_cluster("--nodes", "1")
    paths = cluster.paths()
    assert {"master-daemon.log", "node-daemon.log"} <= set(covered(paths.root))
    old = []
    for name in ("master-daemon.log", "node-daemon.log"):
        old.append(paths.log / f"{name}.1")
        (paths.log / name).rename(old[-1])
    pids = {daemon["pid"] for daemon in cluster.status()["node1"]["daemons"].values()}
    assert held(pids) >= set(map(str, old))

    subprocess.run(["sh", "-e", "-c", SCRIPT.replace("/var/run/ganeti", str(paths.run))],
                   check=True, timeout=60)

    wait_until(lambda: not held(pids) & set(map(str, old)), "the old files are let go of")
    told = {daemon["pid"] for daemon in cluster.status()["node1"]["daemons"].values()}
    assert told == pids, "the daemons go on"
    cluster.gnt("gnt-cluster", "info")
    cluster.tool("stop")
    for file in old:
        fresh = file.with_suffix("")
        assert "INFO" in fresh.read_text()
        assert stat.S_IMODE(fresh.stat().st_mode) == 0o600


def held(pids: set[int]) -> set[str]:
    """The files that processes have open."""
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.add(os.readlink(link))
    return found
