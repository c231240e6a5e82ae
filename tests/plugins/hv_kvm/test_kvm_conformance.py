"""kvm keeps the contracts of hypervisors and of live migration, with real guests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.testing.hypervisor import HypervisorContract
from ganeti_plugins.hv_kvm import KvmHypervisor

pytestmark = pytest.mark.needs_qemu


class TestKvmHypervisor(HypervisorContract):
    @pytest.fixture
    def driver(self) -> KvmHypervisor:
        return KvmHypervisor()

    @pytest.fixture
    def instance(self, guest_instance: InstanceSpec) -> InstanceSpec:
        return guest_instance

    @pytest.fixture
    def unbootable(self, instance: InstanceSpec, tmp_path: Path) -> InstanceSpec:
        gone = replace(instance.disks[0], path=str(tmp_path / "gone.raw"))
        return replace(instance, name="unbootable.example.com", disks=(gone,),
                       uuid="c0ffee00-0000-4000-8000-000000000003")

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [
            {"kernel_path": "/no/such/kernel"}, {"disk_type": "paper"}, {"spice_bind": "nosuch0"},
            {"cpu_mask": "4096"}, {"migration_bandwidth": 0}, {"kvm_extra": "'"},
            {"boot_order": "cdrom"}, {"no_such_parameter": 1}]
