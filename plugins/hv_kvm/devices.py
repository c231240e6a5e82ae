"""Disks and NICs as QEMU takes them, on the command line and through QMP alike.

Slots on the PCI bus follow from a device's index alone, so that the target of a migration gives the
guest the same machine: NICs fill the free slots from below, disks from above.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec, NicSpec

LAST_SLOT = {"pci.0": 31, "pcie.0": 28}
"""q35 has devices of its own in the highest slots."""

SCSI_CONTROLLERS = {
    "lsi": "lsi53c895a", "megasas": "megasas", "virtio-scsi-pci": "virtio-scsi-pci"}
BUSLESS = ("ide", "scsi-hd")

Options = dict[str, Any]


def device_id(device: DiskSpec | NicSpec) -> str:
    """The name of a device inside QEMU; block nodes are limited to 31 characters."""
    kind = "disk" if isinstance(device, DiskSpec) else "nic"
    return f"{kind}-{re.sub('[^0-9a-zA-Z]', '', device.uuid)[:24]}"


def pci_bus(machine: str) -> str:
    return "pcie.0" if "q35" in machine else "pci.0"


def room(hvparams: Mapping[str, Any]) -> range:
    """The PCI slots that disks and NICs may have."""
    last = LAST_SLOT[pci_bus(hvparams["machine_version"])]
    return range(int(hvparams["kvm_pci_reservations"]), last + 1)


def slot(device: DiskSpec | NicSpec, hvparams: Mapping[str, Any]) -> int:
    """The slot that a device's index gives it; may lie outside of `room`."""
    slots = room(hvparams)
    return slots.stop - 1 - device.index if isinstance(device, DiskSpec) else (
        slots.start + device.index)


def slots(instance: InstanceSpec) -> dict[str, int]:
    """PCI slot of each of the instance's disks and NICs, by uuid.

    :raises HypervisorError: there are more devices than slots
    """
    params = instance.hvparams
    on_bus: list[DiskSpec | NicSpec] = [*instance.nics]
    if params["disk_type"] not in BUSLESS:
        on_bus += instance.disks
    found = {device.uuid: slot(device, params) for device in on_bus}
    if len(set(found.values())) < len(found) or not set(found.values()) <= set(room(params)):
        raise HypervisorError(
            f"{len(instance.disks)} disks and {len(instance.nics)} NICs do not fit into the "
            f"{len(room(params))} PCI slots that kvm_pci_reservations leaves")
    return found


def block_node(disk: DiskSpec, hvparams: Mapping[str, Any]) -> Options:
    """The block node below a disk: options of ``-blockdev`` or ``blockdev-add``.

    :raises HypervisorError: the disk's file is not there
    """
    try:
        is_device = stat.S_ISBLK(Path(disk.path).stat().st_mode)
    except OSError as exc:
        raise HypervisorError(
            f"disk {disk.index} cannot be opened at {disk.path!r}: {exc.strerror}") from exc
    cache, aio = hvparams["disk_cache"], hvparams["disk_aio"]
    # QEMU does native AIO only past the host's cache.
    direct = cache == "none" or aio == "native"
    discard = "unmap" if hvparams["disk_discard"] == "unmap" else "ignore"
    return {
        "driver": "raw", "node-name": device_id(disk), "read-only": disk.mode == "ro",
        "discard": discard,
        "file": {
            "driver": "host_device" if is_device else "file", "filename": disk.path, "aio": aio,
            "discard": discard, "cache": {"direct": direct, "no-flush": False},
        },
    }


def disk_device(
    disk: DiskSpec, hvparams: Mapping[str, Any], slot: int | None, boot_index: int | None
) -> Options:
    """The device that the guest sees: options of ``-device`` or ``device_add``."""
    name, kind = device_id(disk), hvparams["disk_type"]
    options: Options = {"id": name, "drive": name}
    if kind == "ide":
        options |= {"driver": "ide-hd", "bus": f"ide.{disk.index // 2}", "unit": disk.index % 2}
    elif kind == "scsi-hd":
        options |= {"driver": "scsi-hd", "bus": "scsi.0", "scsi-id": disk.index}
    else:
        options |= {"driver": "virtio-blk-pci", "addr": f"0x{slot:x}",
                    "bus": pci_bus(hvparams["machine_version"])}
    if hvparams["disk_cache"] == "writethrough":
        options["write-cache"] = "off"
    if boot_index is not None:
        options["bootindex"] = boot_index
    return options


def nic_device(
    nic: NicSpec, hvparams: Mapping[str, Any], slot: int, boot_index: int | None
) -> Options:
    """The network card that the guest sees."""
    kind = hvparams["nic_type"]
    options: Options = {
        "driver": "virtio-net-pci" if kind == "paravirtual" else kind,
        "id": device_id(nic), "netdev": f"net-{device_id(nic)}", "mac": nic.mac,
        "bus": pci_bus(hvparams["machine_version"]), "addr": f"0x{slot:x}",
    }
    if boot_index is not None:
        options["bootindex"] = boot_index
    return options


def as_argument(options: Options) -> str:
    """Write options as ``-device`` takes them: ``driver,key=value,...`` with commas doubled."""
    words = [f"{key}={str(value).replace(',', ',,')}" for key, value in options.items()
             if key != "driver"]
    return ",".join([str(options["driver"]), *words])
