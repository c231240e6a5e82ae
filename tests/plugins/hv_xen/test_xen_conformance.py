"""xen-pvm and xen-hvm keep the contracts of hypervisors, with a program that stands in for xl."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.testing.calls import CallMode, Calls
from ganeti_core.plugin_api.testing.hypervisor import HypervisorContract
from ganeti_plugins.hv_xen import XenHvmHypervisor, XenPvmHypervisor


class _Xen(HypervisorContract):
    stop_timeout = 10.0
    kill_points = 6

    @pytest.fixture
    def restarted(
        self, driver: object, call_mode: CallMode, fake_xl: str
    ) -> Calls[Any]:
        return Calls.to(self.kind, type(driver)(fake_xl), call_mode)  # type: ignore[call-arg]

    @pytest.fixture
    def unbootable(self, instance: InstanceSpec, tmp_path: Path) -> InstanceSpec:
        return replace(instance, name="unbootable.example.com",
                       hvparams={"kernel_path": str(tmp_path / "gone")},
                       uuid="c0ffee00-0000-4000-8000-000000000003")


class TestXenPvmHypervisor(_Xen):
    @pytest.fixture
    def driver(self, fake_xl: str) -> XenPvmHypervisor:
        return XenPvmHypervisor(fake_xl)

    @pytest.fixture
    def instance(self, domain_instance: InstanceSpec) -> InstanceSpec:
        return domain_instance

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [
            {"kernel_path": "/no/such/kernel"}, {"kernel_path": ""}, {"initrd_path": "initrd"},
            {"cpu_mask": "x"}, {"cpu_weight": 0}, {"xen_cmd": "xm"}, {"soundhw": "es1370"},
            {"reboot_behavior": "fly"}, {"migration_port": 0}, {"cpuid": "xen\nname"},
            {"blockdev_prefix": "/dev/"}, {"vif_script": "/no/such/script"}, {"acpi": True},
            {"kernel_args": "a\nb"}, {"bootloader_args": "'"}]


class TestXenHvmHypervisor(_Xen):
    @pytest.fixture
    def driver(self, fake_xl: str) -> XenHvmHypervisor:
        return XenHvmHypervisor(fake_xl)

    @pytest.fixture
    def instance(self, domain_instance: InstanceSpec) -> InstanceSpec:
        return replace(domain_instance, hypervisor="xen-hvm", hvparams={"vnc_password_file": ""},
                       network_port=11000)

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [
            {"boot_order": "x"}, {"cdrom_image_path": "/no/such.iso"}, {"nic_type": "paper"},
            {"pci_pass": "sda"}, {"vnc_bind_address": "here"}, {"vnc_password_file": "/no/such"},
            {"disk_type": "ioemu", "blockdev_prefix": "xvd"}, {"device_model": "/no/such/qemu"},
            {"use_bootloader": True}, {"migration_mode": "sideways"}]
