"""Fields of an instance's parameters: of the back end, the hypervisor, the OS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.model.params import filled_beparams, filled_osparams
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.fields import Absent, Field, Kind
from ganeti_core.query.instance_row import InstanceRow, hvparams

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.plugins import PluginHost

_BEPARAM_TITLES = {
    "auto_balance": "Auto_balance", "maxmem": "ConfigMaxMem", "minmem": "ConfigMinMem",
    "vcpus": "ConfigVCPUs",
}
_BEPARAM_KINDS: Mapping[str, Kind] = {
    "always_failover": "bool", "auto_balance": "bool", "maxmem": "unit", "minmem": "unit",
    "spindle_use": "number", "vcpus": "number",
}
_HVPARAM_TITLES = {
    "acpi": "ACPI", "boot_order": "Boot_order", "cdrom_image_path": "CDROM_image_path",
    "cpu_type": "cpu_type", "disk_type": "Disk_type", "initrd_path": "Initrd_path",
    "kernel_path": "Kernel_path", "nic_type": "NIC_type", "pae": "PAE", "pci_pass": "pci_pass",
    "vnc_bind_address": "VNC_bind_address",
}

# Parameters that clients may ask for by name although no driver here has them: scripts written
# for other hypervisors get "makes no sense for this instance" and not "no such field".
_FOREIGN_BOOLS = (
    "acpi", "pae", "serial_console", "spice_playback_compression", "spice_use_tls",
    "spice_use_vdagent", "use_bootloader", "use_chroot", "use_guest_agent", "use_localtime",
    "user_shutdown", "vhost_net", "viridian", "vnc_tls", "vnc_x509_verify", "vnet_hdr",
)
_FOREIGN_NUMBERS = (
    "cpu_cap", "cpu_cores", "cpu_sockets", "cpu_threads", "cpu_weight", "kvm_pci_reservations",
    "migration_downtime", "num_ttys", "serial_speed", "spice_ip_version", "startup_timeout",
    "virtio_net_queues",
)
_FOREIGN_TEXTS = (
    "blockdev_prefix", "boot_order", "bootloader_args", "bootloader_path", "cdrom2_image_path",
    "cdrom_disk_type", "cdrom_image_path", "cpu_mask", "cpu_type", "cpuid", "device_model",
    "devices", "disk_aio", "disk_cache", "disk_discard", "disk_type", "drop_capabilities",
    "extra_cgroups", "extra_config", "floppy_image_path", "init_script", "initrd_path",
    "kernel_args", "kernel_path", "keymap", "kvm_extra", "kvm_flag", "kvm_path",
    "machine_version", "mem_path", "migration_caps", "nic_type", "pci_pass", "reboot_behavior",
    "root_path", "scsi_controller_type", "security_domain", "security_model", "soundhw",
    "spice_bind", "spice_image_compression", "spice_jpeg_wan_compression",
    "spice_password_file", "spice_streaming_video", "spice_tls_ciphers",
    "spice_zlib_glz_wan_compression", "usb_devices", "usb_mouse", "vga", "vif_script",
    "vif_type", "vnc_bind_address", "vnc_password_file", "vnc_x509_path",
)
_SCHEMA_KINDS: Mapping[object, Kind] = {
    "boolean": "bool", "integer": "number", "number": "number"}


def _beparam(name: str) -> Field[InstanceRow]:
    return Field(f"be/{name}", _BEPARAM_TITLES.get(name, f"be/{name}"),
                 _BEPARAM_KINDS.get(name, "other"), f'The "{name}" backend parameter',
                 lambda row: filled_beparams(row.cluster, row.instance)[name])


def _hvparam(name: str, kind: Kind) -> Field[InstanceRow]:
    return Field(f"hv/{name}", _HVPARAM_TITLES.get(name, f"hv/{name}"), kind,
                 f'The "{name}" hypervisor parameter',
                 lambda row: hvparams(row).get(name, Absent.UNAVAIL))


def hvparam_fields(host: PluginHost) -> Iterable[Field[InstanceRow]]:
    """A field for each parameter that an instance of some loaded hypervisor can have."""
    kinds: dict[str, Kind] = {
        **dict.fromkeys(_FOREIGN_TEXTS, "other"),
        **dict.fromkeys(_FOREIGN_NUMBERS, "number"),
        **dict.fromkeys(_FOREIGN_BOOLS, "bool"),
    }
    for driver in host.names(HYPERVISORS):
        properties: dict[str, Any] = host.describe(HYPERVISORS, driver).parameters.get(
            "properties", {})
        for name, schema in properties.items():
            if name not in kinds and not schema.get("x-global"):
                kinds[name] = _SCHEMA_KINDS.get(schema.get("type"), "other")
    return [_hvparam(name, kind) for name, kind in kinds.items()]


PARAMETER_FIELDS: list[Field[InstanceRow]] = [
    Field("beparams", "BackendParameters", "other", "Backend parameters (merged)",
          lambda row: filled_beparams(row.cluster, row.instance)),
    Field("hvparams", "HypervisorParameters", "other", "Hypervisor parameters (merged)",
          hvparams),
    Field("osparams", "OpSysParameters", "other", "Operating system parameters (merged)",
          lambda row: filled_osparams(row.cluster, row.instance)),
    Field("custom_beparams", "CustomBackendParameters", "other", "Custom backend parameters",
          lambda row: row.instance.beparams),
    Field("custom_hvparams", "CustomHypervisorParameters", "other",
          "Custom hypervisor parameters", lambda row: row.instance.hvparams),
    Field("custom_nicparams", "CustomNicParameters", "other",
          "Custom network interface parameters",
          lambda row: [nic.nicparams for nic in row.instance.nics]),
    Field("custom_osparams", "CustomOpSysParameters", "other",
          "Custom operating system parameters", lambda row: row.instance.osparams),
    *map(_beparam, BEPARAMS_DEFAULTS),
]
