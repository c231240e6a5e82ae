"""What the conformance kit needs to know of this OS."""

from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.contracts import OsContract

from . import TreeSystem


class TestTreeSystem(OsContract):
    variant = "folder"
    faithful = False  # an import notes when it has checked the file system

    @pytest.fixture
    def driver(self) -> TreeSystem:
        return TreeSystem()

    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        disk, folder = tmp_path / "disk", tmp_path / "files"
        with disk.open("wb") as file:
            file.truncate(8 * 1024**2)
        (folder / "etc").mkdir(parents=True)
        (folder / "etc/motd").write_text("Welcome\n")
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="none", os="tree+folder", osparams={"folder": str(folder)},
            disks=(DiskSpec("d15c", 0, "file", 8, path=str(disk)),))

    @pytest.fixture
    def uninstallable(self, instance: InstanceSpec) -> InstanceSpec:
        return replace(instance, disks=(replace(instance.disks[0], path="/no/such/disk"),))
