"""The distribution's OS definitions keep the contract of OS definitions."""

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest
from installed import MIB, small_system, tar_name

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.os import OsContract
from ganeti_plugins.os_scripts.driver import OsScripts


class _Shipped(OsContract):
    name = ""
    size = 4096

    def params(self, folder: Path) -> dict[str, str]:
        """The parameters of the instance, and what they tell of, below a folder."""
        return {}

    @pytest.fixture
    def driver(self) -> OsScripts:
        return OsScripts(self.name, ganeti_os_definitions.FOLDER / self.name)

    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        (tmp_path / "disk0").write_bytes(bytes(self.size))
        disk = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1,
                        path=str(tmp_path / "disk0"))
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="kvm", os=self.name, osparams=self.params(tmp_path),
            beparams={"maxmem": 16, "vcpus": 1}, disks=(disk,))

    @pytest.fixture
    def uninstallable(self, instance: InstanceSpec, tmp_path: Path) -> InstanceSpec:
        gone = replace(instance.disks[0], path=str(tmp_path / "no/such/disk"))
        return replace(instance, disks=(gone,))


class TestTiny(_Shipped):
    name = "tiny"


class TestBusybox(_Shipped):
    name = "busybox"


class TestContainer(_Shipped):
    name = "container"
    size = 8 << 20


class TestDebootstrap(_Shipped):
    name = "debootstrap"
    size = 16 * MIB

    def params(self, folder: Path) -> dict[str, str]:
        if os.geteuid() != 0:
            pytest.skip("files of a system belong to root")
        given = {"suite": "small", "cache": str(folder / "cache")}
        (folder / "cache").mkdir()
        with tarfile.open(tar_name(given), "w") as tar:
            tar.add(small_system(folder / "system"), ".")
        return given


class TestCloudimage(_Shipped):
    name = "cloudimage"
    size = MIB

    def params(self, folder: Path) -> dict[str, str]:
        (folder / "image").write_bytes(b"any".ljust(4096, b"\0"))
        return {"image": str(folder / "image"), "seed": "none"}
