"""The fake hypervisor keeps its contract."""

from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.hypervisor import HypervisorContract
from ganeti_plugins.hv_fake import FakeHypervisor


class TestFakeHypervisor(HypervisorContract):
    @pytest.fixture
    def driver(self) -> FakeHypervisor:
        return FakeHypervisor()

    @pytest.fixture
    def instance(self) -> InstanceSpec:
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="fake", beparams={"maxmem": 256, "minmem": 128, "vcpus": 2})

    @pytest.fixture
    def mirrored_disk(self, tmp_path: Path) -> DiskSpec:
        path = tmp_path / "disk"
        path.write_bytes(bytes(range(256)) * 16)
        return DiskSpec("d15c0000-0000-4000-8000-0000000000f1", 0, "file", 1, path=str(path))

    @pytest.fixture
    def unbootable(self) -> InstanceSpec:
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000003", name="../etc/passwd",
            hypervisor="fake", beparams={"maxmem": 256, "vcpus": 2})

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [{"migration_mode": "sideways"}]
