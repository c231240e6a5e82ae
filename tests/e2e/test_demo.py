"""The demo is a test too: a real guest is made, migrated, crashed and failed over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from virtual_cluster import processes_of, wait_until

TOP = Path(__file__).resolve().parents[2]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "demo", *words], cwd=TOP, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)


@pytest.mark.needs_qemu
@pytest.mark.timeout(900)
def test_the_demo_runs_and_leaves_a_clean_cluster(tmp_path):
    root = tmp_path / "demo"
    try:
        ran = demo("--quick", "--root", str(root))
        assert ran.returncode == 0, ran.stdout
        for line in ("Its console says: count ", "On node2 it counted from ", "it goes on at "):
            assert line in ran.stdout
        assert "counter.example.com kvm        tiny node2.example.com running" in ran.stdout
        assert "ERROR" not in ran.stdout
    finally:
        ended = demo("--down", "--root", str(root))
    assert ended.returncode == 0, ended.stdout
    assert not root.exists()
    wait_until(lambda: processes_of(root) == [], "no process outlives the demo")
