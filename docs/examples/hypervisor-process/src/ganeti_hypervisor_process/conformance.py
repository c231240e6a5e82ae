"""What the conformance kit needs to know of this hypervisor."""

from dataclasses import replace

import pytest

from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.testing.contracts import HypervisorContract

from . import ProcessHypervisor


class TestProcessHypervisor(HypervisorContract):
    @pytest.fixture
    def driver(self) -> ProcessHypervisor:
        return ProcessHypervisor()

    @pytest.fixture
    def instance(self) -> InstanceSpec:
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="process", beparams={"maxmem": 64, "minmem": 64, "vcpus": 1},
            hvparams={"command": "sleep infinity"})

    @pytest.fixture
    def unbootable(self, instance: InstanceSpec) -> InstanceSpec:
        return replace(instance, name="broken.example.com", hvparams={"command": "/no/such"})

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, str]]:
        return [{"command": "/no/such/program"}, {"command": ""}]
