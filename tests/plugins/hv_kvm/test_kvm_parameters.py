"""Parameters are Ganeti's; what is not acted on is refused, never ignored."""

import json
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext, OpPrereqError
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.parameters import NEWER, PARAMETERS, UNSUPPORTED_VALUES

RECORDED = json.loads(Path(__file__).with_name("peer_hvparams.json").read_text())
TYPES = {"bool": "boolean", "int": "integer", "string": "string",
         "maybe-string": ["string", "null"]}


def test_names_types_defaults_and_scope_are_the_peers(kvm: KvmHypervisor) -> None:
    ours = kvm.describe().parameters["properties"]
    assert {name: (_type(schema), schema["default"], schema.get("x-global", False))
            for name, schema in ours.items() if name not in NEWER} == {
        name: (TYPES[told["type"]], told["default"], told["global"])
        for name, told in RECORDED.items()}
    assert set(ours) - NEWER == set(RECORDED)


def _type(schema: dict[str, Any]) -> Any:
    """A number for which a word may stand counts as one."""
    return "integer" if "pattern" in schema else schema["type"]


def test_the_tables_name_parameters_that_exist() -> None:
    assert PARAMETERS.keys() >= NEWER
    for name, values in UNSUPPORTED_VALUES.items():
        assert set(PARAMETERS[name].values) >= values


@pytest.mark.parametrize(("name", "value"), [
    (name, value) for name, values in sorted(UNSUPPORTED_VALUES.items())
    for value in sorted(values)])
def test_values_that_are_not_supported_are_refused(
    kvm: KvmHypervisor, ctx: HookContext, name: str, value: str
) -> None:
    with pytest.raises(OpPrereqError, match=f"{name}='{value}': this value is not supported"):
        kvm.validate(ctx, {"kernel_path": "", name: value})


def test_the_default_kernel_is_missed_with_a_hint(kvm: KvmHypervisor, ctx: HookContext) -> None:
    if Path(str(PARAMETERS["kernel_path"].default)).exists():
        pytest.skip("this machine has Ganeti's default kernel")
    with pytest.raises(OpPrereqError, match="set it to nothing, or boot_type=bios, to"):
        kvm.validate(ctx, {})


@pytest.mark.parametrize("params", [
    {"initrd_path": "/etc/passwd"}, {"kernel_path": "relative"}, {"cpu_mask": "0-1:x"},
    {"disk_aio": "native", "disk_cache": "writeback"}, {"vnc_password_file": "/etc/passwd"},
    {"mem_path": "/etc/passwd"}, {"cpu_cores": -1}, {"migration_downtime": 0},
    {"vnc_bind_address": "300.1.1.1"}, {"vnc_bind_address": "somewhere"},
    {"vnc_bind_address": "/no/such/folder"}, {"cpu_mask": "5-2"}, {"cpu_mask": "0,1-0"},
    {"kvm_path": "/nonexistent"}, {"migration_caps": "foo"}, {"migration_caps": "xbzrle:foo"},
    {"migration_caps": "release-ram"}, {"migration_caps": "pause-before-switchover"},
    {"migration_port": 0}, {"migration_port": 65536}, {"kvm_pci_reservations": 29},
    {"migration_downtime": 2_000_001}, {"vga": "colour"}, {"keymap": "klingon"},
    {"keymap": "../../../etc/passwd"}, {"cdrom_image_path": "/no/such.iso"},
    {"machine_version": "pc-0.0"}, {"cpu_type": "abacus"}, {"initrd_path": "/no/such"},
    {"virtio_net_queues": 0}, {"virtio_net_queues": 33}, {"virtio_net_queues": "many"},
    {"virtio_disk_iothreads": 9}, {"usb_devices": "tablet,toaster"}, {"soundhw": "gramophone"},
    {"vnc_tls": True, "vnc_bind_address": "/tmp"}, {"vnc_x509_verify": True},
    {"vnc_x509_path": "/no/such"}, {"spice_bind": "nosuch0"}, {"spice_use_tls": True},
    {"spice_bind": "127.0.0.1", "vnc_bind_address": "127.0.0.1"},
    {"spice_ip_version": 4}, {"spice_image_compression": "zip"}, {"boot_order": "floppy"},
    {"cdrom2_image_path": "gopher://x/y.iso"}, {"floppy_image_path": "/no/such"},
    {"scsi_controller_type": "aha"}, {"disk_aio": "magic"},
])
def test_contradictions_are_refused(
    kvm: KvmHypervisor, ctx: HookContext, params: dict[str, object]
) -> None:
    with pytest.raises(OpPrereqError, match=next(iter(params))):
        kvm.validate(ctx, {"kernel_path": "", **params})


@pytest.mark.needs_qemu
@pytest.mark.parametrize("params", [
    {"vnc_bind_address": "127.0.0.1"}, {"vnc_bind_address": "::1"}, {"vnc_bind_address": "/tmp"},
    {"cpu_mask": "0"}, {"migration_caps": "xbzrle:auto-converge"}, {"vga": "cirrus"},
    {"machine_version": "q35"}, {"machine_version": "pc"}, {"cpu_type": "host"},
    {"cpu_type": "qemu64,+aes"}, {"cpu_type": "max"}, {"keymap": "de"},
    {"virtio_net_queues": "auto"}, {"virtio_net_queues": "4"}, {"virtio_net_queues": 32},
    {"vnc_bind_address": "lo"}, {"cpu_mask": "0:all"}, {"virtio_disk_iothreads": 8},
    {"cdrom_image_path": "https://example.com/a.iso"},
])
def test_values_that_work_are_taken(
    kvm: KvmHypervisor, ctx: HookContext, params: dict[str, object]
) -> None:
    kvm.validate(ctx, {"kernel_path": "", **params})
