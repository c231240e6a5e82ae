"""Disks and NICs as QEMU takes them, on the command line and through QMP alike.

Slots on the PCI bus follow from a device's index alone, so that the target of a migration gives the
guest the same machine: NICs fill the free slots from below, disks from above.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec, NicSpec

from .uris import protocol_node

LAST_SLOT = {"pci.0": 31, "pcie.0": 28}
"""q35 has devices of its own in the highest slots."""

BALLOON_SLOT = "0x3"

SCSI_CONTROLLERS = {
    "lsi": "lsi53c895a", "megasas": "megasas", "virtio-scsi-pci": "virtio-scsi-pci"}
BUSLESS = ("ide", "scsi-hd")
IOTHREAD_AIO = ("native", "io_uring")
LOCAL = ("file", "host_device")
OWN_ADDRESS = "kvm"
"""Under this name a disk has the address that QEMU opens itself."""

Options = dict[str, Any]


def device_id(device: DiskSpec | NicSpec) -> str:
    """The name of a device inside QEMU; block nodes are limited to 31 characters.

    Too short for a whole uuid: `check_ids` sees that no two devices of a guest share one. Guests
    that run keep theirs, so it cannot be made otherwise.
    """
    kind = "disk" if isinstance(device, DiskSpec) else "nic"
    return f"{kind}-{re.sub('[^0-9a-zA-Z]', '', device.uuid)[:24]}"


def check_ids(device: DiskSpec | NicSpec, others: Iterable[DiskSpec | NicSpec]) -> None:
    """:raises HypervisorError: another device would have the same name inside QEMU"""
    name = device_id(device)
    for other in others:
        if other.uuid != device.uuid and device_id(other) == name:
            raise HypervisorError(
                f"devices {other.uuid} and {device.uuid} cannot be told apart in one guest: both "
                f"would be {name}, which has the first 24 digits of a uuid; make one of them anew")


def pci_bus(machine: str) -> str:
    return "pcie.0" if "q35" in machine else "pci.0"


def is_q35(hvparams: Mapping[str, Any]) -> bool:
    return "q35" in hvparams["machine_version"]


def place(hvparams: Mapping[str, Any], slot: int) -> Options:
    """Where a disk or NIC is: in its slot, on q35 on the root port that has this slot. Only what is
    on a root port can be plugged in and out there."""
    if is_q35(hvparams):
        return {"bus": f"port{slot}", "addr": "0x0"}
    return {"bus": "pci.0", "addr": f"0x{slot:x}"}


def root_ports(hvparams: Mapping[str, Any]) -> list[Options]:
    """The root ports of q35 on which disks and NICs are, one for each slot that they may have."""
    if not is_q35(hvparams):
        return []
    # No room for I/O ports: there are not enough for all, and modern devices need none.
    return [{"driver": "pcie-root-port", "id": f"port{slot}", "bus": "pcie.0",
             "addr": f"0x{slot:x}", "chassis": slot, "slot": slot, "io-reserve": 0}
            for slot in room(hvparams)]


def iothreads(hvparams: Mapping[str, Any]) -> list[str]:
    """The names of the threads that serve paravirtual disks."""
    if hvparams["disk_type"] != "paravirtual" or hvparams["disk_aio"] not in IOTHREAD_AIO:
        return []
    return [f"iothread{number}" for number in range(int(hvparams["virtio_disk_iothreads"]))]


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
    devices: list[DiskSpec | NicSpec] = [*instance.nics, *instance.disks]
    for device in devices:
        check_ids(device, devices)
    found = {device.uuid: slot(device, params) for device in on_bus}
    if len(set(found.values())) < len(found) or not set(found.values()) <= set(room(params)):
        raise HypervisorError(
            f"{len(instance.disks)} disks and {len(instance.nics)} NICs do not fit into the "
            f"{len(room(params))} PCI slots that kvm_pci_reservations leaves")
    return found


def block_node(disk: DiskSpec, hvparams: Mapping[str, Any]) -> Options:
    """The block node below a disk: options of ``-blockdev`` or ``blockdev-add``.

    A disk with an address for this hypervisor is opened by it, not as a file of the host.

    :raises HypervisorError: the disk's file is not there, or its address cannot be used
    """
    protocol = _protocol(disk)
    cache, aio = hvparams["disk_cache"], hvparams["disk_aio"]
    # QEMU does native AIO only past the host's cache.
    direct = cache == "none" or aio == "native"
    discard = "unmap" if hvparams["disk_discard"] == "unmap" else "ignore"
    return {
        "driver": "raw", "node-name": device_id(disk), "read-only": disk.mode == "ro",
        "discard": discard,
        "file": {
            **({"aio": aio} if protocol["driver"] in LOCAL else {}),
            "discard": discard, "cache": {"direct": direct, "no-flush": False}, **protocol,
        },
    }


def _protocol(disk: DiskSpec) -> Options:
    if uri := disk.uris.get(OWN_ADDRESS):
        return protocol_node(uri)
    try:
        is_device = stat.S_ISBLK(Path(disk.path).stat().st_mode)
    except OSError as exc:
        raise HypervisorError(
            f"disk {disk.index} cannot be opened at {disk.path!r}: {exc.strerror}") from exc
    return {"driver": "host_device" if is_device else "file", "filename": disk.path}


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
        options |= {"driver": "virtio-blk-pci", **place(hvparams, slot or 0)}
        if threads := iothreads(hvparams):
            options["iothread"] = threads[disk.index % len(threads)]
    if hvparams["disk_cache"] == "writethrough":
        options["write-cache"] = "off"
    if boot_index is not None:
        options["bootindex"] = boot_index
    return options


def boot_index(device: DiskSpec | NicSpec, hvparams: Mapping[str, Any]) -> int | None:
    """Which device the firmware tries as which; None where it is not to try this one."""
    boots = (hvparams["boot_order"] == "disk" and not hvparams["kernel_path"]
             if isinstance(device, DiskSpec) else hvparams["boot_order"] == "network")
    return device.index + 1 if boots else None


def nic_device(
    nic: NicSpec, hvparams: Mapping[str, Any], slot: int, boot_index: int | None, queues: int = 1
) -> Options:
    """The network card that the guest sees."""
    kind = hvparams["nic_type"]
    options: Options = {
        "driver": "virtio-net-pci" if kind == "paravirtual" else kind,
        "id": device_id(nic), "netdev": f"net-{device_id(nic)}", "mac": nic.mac,
        **place(hvparams, slot),
    }
    if kind == "paravirtual" and queues > 1:
        options |= {"mq": "on", "vectors": 2 * queues + 2}
    if boot_index is not None:
        options["bootindex"] = boot_index
    return options


def balloon(hvparams: Mapping[str, Any]) -> Options:
    """The device by which the guest gives memory back, in a slot of those that are reserved."""
    return {"driver": "virtio-balloon-pci", "id": "balloon", "addr": BALLOON_SLOT,
            "bus": pci_bus(hvparams["machine_version"])}


def model(device: DiskSpec | NicSpec, hvparams: Mapping[str, Any]) -> str:
    """QEMU's name for the device that the guest sees."""
    if isinstance(device, DiskSpec):
        return str(disk_device(device, hvparams, 0, None)["driver"])
    return str(nic_device(device, hvparams, 0, None)["driver"])


def as_argument(options: Options) -> str:
    """Write options as ``-device`` takes them: ``driver,key=value,...`` with commas doubled."""
    words = [f"{key}={str(value).replace(',', ',,')}" for key, value in options.items()
             if key != "driver"]
    return ",".join([str(options["driver"]), *words])
