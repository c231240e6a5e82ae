"""The template plain keeps its contract on a stand-in for LVM; the lab has the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from lvm_host import FakeHost

from ganeti_core.plugin_api import DiskSpec
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_lvm import LvmTemplate


class TestPlain(DiskTemplateContract):
    kill_points = 2

    @pytest.fixture
    def driver(self, host: FakeHost) -> LvmTemplate:
        return LvmTemplate(host.program)

    @pytest.fixture
    def adopting_disk(self, host: FakeHost, disk: DiskSpec) -> DiskSpec:
        host.add("xenvg/old.data", disk.size)
        return replace(disk, params={**disk.params, "adopt": "old.data"})

    @pytest.fixture
    def more_footprint(self, host: FakeHost) -> Callable[[], Iterable[str]]:
        return lambda: host.state["lvs"]
