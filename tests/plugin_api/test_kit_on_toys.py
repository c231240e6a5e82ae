"""The kit is content with drivers that keep their contracts in the simplest way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit_toys import Allocator, Collector, Door, Provider, System

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.contracts import (
    AuthenticatorContract,
    CollectorContract,
    ExtStorageContract,
    IallocatorContract,
    OsContract,
)


class TestAllocator(IallocatorContract):
    @pytest.fixture
    def driver(self) -> Allocator:
        return Allocator()


class TestDoor(AuthenticatorContract):
    @pytest.fixture
    def driver(self) -> Door:
        return Door()

    @pytest.fixture
    def user(self) -> tuple[str, str]:
        return "jill", "sesame"


class TestCollector(CollectorContract):
    @pytest.fixture
    def driver(self) -> Collector:
        return Collector()

    def rate(self, data: Any) -> float:
        return float(data["calls"])


class TestProvider(ExtStorageContract):
    @pytest.fixture
    def driver(self) -> Provider:
        return Provider()

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, str]]:
        return [{"anything": "x"}]


class TestSystem(OsContract):
    variant = "short"

    @pytest.fixture
    def driver(self) -> System:
        return System()

    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        path = tmp_path / "disk"
        path.write_bytes(bytes(64))
        disk = DiskSpec(uuid="d1", index=0, template="file", size=1, path=str(path))
        return InstanceSpec(uuid="u1", name="inst1.example.com", hypervisor="fake", disks=(disk,))

    @pytest.fixture
    def uninstallable(self, instance: InstanceSpec) -> InstanceSpec:
        gone = replace(instance.disks[0], path="/nonexistent/disk")
        return replace(instance, disks=(gone,))
