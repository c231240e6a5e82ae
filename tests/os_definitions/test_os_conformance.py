"""The distribution's OS definitions keep the contract of OS definitions."""

from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.os import OsContract
from ganeti_plugins.os_scripts.driver import OsScripts


class _Shipped(OsContract):
    name = ""

    @pytest.fixture
    def driver(self) -> OsScripts:
        return OsScripts(self.name, ganeti_os_definitions.FOLDER / self.name)

    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        (tmp_path / "disk0").write_bytes(bytes(4096))
        disk = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1,
                        path=str(tmp_path / "disk0"))
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="kvm", os=self.name, beparams={"maxmem": 16, "vcpus": 1}, disks=(disk,))

    @pytest.fixture
    def uninstallable(self, instance: InstanceSpec, tmp_path: Path) -> InstanceSpec:
        gone = replace(instance.disks[0], path=str(tmp_path / "no/such/disk"))
        return replace(instance, disks=(gone,))


class TestTiny(_Shipped):
    name = "tiny"


class TestBusybox(_Shipped):
    name = "busybox"
