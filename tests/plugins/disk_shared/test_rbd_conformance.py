"""The template rbd keeps its contract on a stand-in for Ceph; no real cluster was ever asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import fake_rbd
import pytest
from rbd_world import images, install

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_rbd import RbdTemplate


class TestRbd(DiskTemplateContract):
    kill_points = 2

    @pytest.fixture
    def driver(self) -> RbdTemplate:
        return RbdTemplate()

    @pytest.fixture
    def world(self, tmp_path: Path) -> Path:
        fake_rbd.World.make(str(tmp_path / "ceph"))
        return tmp_path / "ceph"

    @pytest.fixture
    def ctx(self, tmp_path: Path, world: Path) -> HookContext:
        install(tmp_path / "node1", world)
        return make_context(tmp_path / "node1")

    @pytest.fixture
    def disk_request(self) -> DiskRequest:
        return DiskRequest(
            uuid="d15c0000-0000-4000-8000-000000000000", index=0, size=self.size, name="root",
            instance_name="inst1.example.com",
            params={"pool": "vms", "user-id": "vms", "access": "kernelspace"})

    @pytest.fixture
    def more_footprint(self, world: Path) -> Callable[[], Iterable[str]]:
        return lambda: images(world)
