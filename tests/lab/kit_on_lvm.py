"""The conformance of disk template plain on the real LVM of the machine on which this runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from ganeti_core.plugin_api import DiskSpec
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_lvm import LvmTemplate


def lvm(*words: str) -> str:
    return subprocess.run(["lvm", *words], check=True, capture_output=True, text=True).stdout


class TestPlain(DiskTemplateContract):
    kill_points = 2

    @pytest.fixture
    def call_mode(self) -> str:
        """One way is enough: what the other adds has nothing to do with LVM."""
        return "direct"

    @pytest.fixture
    def driver(self) -> LvmTemplate:
        return LvmTemplate()

    @pytest.fixture
    def more_footprint(self) -> Callable[[], Iterable[str]]:
        return lambda: lvm("lvs", "--noheadings", "-o", "vg_name,lv_name").split()

    @pytest.fixture
    def adopting_disk(self, disk: DiskSpec) -> DiskSpec:
        lvm("lvcreate", "-q", "-y", "-W", "n", "-L", f"{disk.size}m", "-n", "old.data", "xenvg")
        return replace(disk, params={**disk.params, "adopt": "old.data"})
