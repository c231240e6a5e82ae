"""A domain's configuration, as xl.cfg(5) has it: a pure function of the instance."""

from __future__ import annotations

import shlex
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec, NicSpec
from ganeti_core.plugin_api.network import FILTER_TAGS
from ganeti_core.plugin_api.network_services import services_of

from .parameters import DEVICE_MODEL, HVMLOADER, Kind, cpu_masks

FIRST_VNC_PORT = 5900
Line = tuple[str, Any]


def text(kind: Kind, instance: InstanceSpec) -> str:
    """Return the configuration of `instance`, whose hvparams are filled.

    :raises HypervisorError: it cannot be a domain of Xen
    """
    return "".join(f"{name} = {_written(value)}\n" for name, value in _lines(kind, instance))


def _written(value: Any) -> str:
    if isinstance(value, _Raw):
        return value
    if isinstance(value, list):
        return f"[ {', '.join(map(_written, value))} ]"
    if isinstance(value, bool | int):
        return str(int(value))
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Raw(str):
    """What is written as it is."""

    __slots__ = ()


def _lines(kind: Kind, instance: InstanceSpec) -> Iterator[Line]:
    params = instance.hvparams
    yield "name", instance.name
    yield "uuid", instance.uuid
    yield "type", kind
    yield "memory", instance.memory
    yield "maxmem", int(instance.beparams["maxmem"])
    yield "vcpus", instance.vcpus
    yield from _processors(instance)
    yield from _pv(instance) if kind == "pv" else _hvm(instance)
    yield "disk", [*(_disk(disk, params) for disk in instance.disks), *_cdrom(params)]
    yield "vif", [_card(nic, params) for nic in instance.nics]
    # What powers itself off stays to be seen, so that it is told from a crash.
    yield "on_poweroff", "preserve"
    yield "on_reboot", "restart" if params["reboot_behavior"] == "reboot" else "destroy"
    yield "on_crash", "restart"


def _processors(instance: InstanceSpec) -> Iterator[Line]:
    params = instance.hvparams
    masks = cpu_masks(str(params["cpu_mask"]))
    if len(masks) > 1 and len(masks) != instance.vcpus:
        raise HypervisorError(f"{instance.name} has {instance.vcpus} virtual CPUs, and cpu_mask="
                              f"{params['cpu_mask']!r} is for {len(masks)}")
    if len(masks) > 1:
        yield "cpus", masks
    elif masks != ["all"]:
        yield "cpus", masks[0]
    yield "cpu_weight", params["cpu_weight"]
    if params["cpu_cap"]:
        yield "cap", params["cpu_cap"]
    if cpuid := str(params["cpuid"]):
        yield "cpuid", _Raw(cpuid) if cpuid.startswith("[") else cpuid


def _pv(instance: InstanceSpec) -> Iterator[Line]:
    params = instance.hvparams
    if params["use_bootloader"]:
        yield "bootloader", params["bootloader_path"]
        if params["bootloader_args"]:
            yield "bootloader_args", shlex.split(params["bootloader_args"])
    else:
        yield "kernel", params["kernel_path"]
        if params["initrd_path"]:
            yield "ramdisk", params["initrd_path"]
    if params["root_path"]:
        yield "root", params["root_path"]
    yield "extra", params["kernel_args"]


def _hvm(instance: InstanceSpec) -> Iterator[Line]:
    params = instance.hvparams
    if params["kernel_path"] != HVMLOADER:
        yield "firmware_override", params["kernel_path"]
    if params["device_model"] != DEVICE_MODEL:
        yield "device_model_override", params["device_model"]
    for name in ("acpi", "pae", "viridian"):
        yield name, params[name]
    yield "apic", True
    yield "localtime", params["use_localtime"]
    yield "boot", params["boot_order"]
    yield "usb", True
    yield "usbdevice", "tablet"
    yield "serial", "pty"
    if params["soundhw"]:
        yield "soundhw", params["soundhw"]
    if params["pci_pass"]:
        yield "pci", str(params["pci_pass"]).split(";")
    yield from _vnc(instance)


def _vnc(instance: InstanceSpec) -> Iterator[Line]:
    params, port = instance.hvparams, instance.network_port
    yield "sdl", False
    yield "vnc", True
    yield "vnclisten", params["vnc_bind_address"]
    if port is not None and port > FIRST_VNC_PORT:
        yield "vncdisplay", port - FIRST_VNC_PORT
        yield "vncunused", False
    else:
        yield "vncunused", True
    if params["vnc_password_file"]:
        try:
            yield "vncpasswd", Path(params["vnc_password_file"]).read_text().strip()
        except OSError as exc:
            raise HypervisorError(f"the VNC password of {instance.name} cannot be read from "
                                  f"{params['vnc_password_file']}: {exc.strerror}") from exc


def device_name(disk: DiskSpec, params: dict[str, Any]) -> str:
    """How the domain's configuration calls a disk."""
    return f"{params['blockdev_prefix']}{string.ascii_lowercase[disk.index]}"


def _disk(disk: DiskSpec, params: dict[str, Any]) -> str:
    if disk.index >= len(string.ascii_lowercase):
        raise HypervisorError(f"disk {disk.index}: a domain has at most "
                              f"{len(string.ascii_lowercase)} disks")
    if not disk.path:
        raise HypervisorError(f"disk {disk.index} is no device or file of the node")
    name = device_name(disk, params)
    # The target comes last: whatever follows belongs to it.
    return f"format=raw,vdev={name},access={disk.mode},target={disk.path}"


def _cdrom(params: dict[str, Any]) -> Iterator[str]:
    if image := params.get("cdrom_image_path"):
        yield f"format=raw,vdev=hdc,access=ro,devtype=cdrom,target={image}"


def _check_network(nic: NicSpec, params: dict[str, Any]) -> None:
    """:raises HypervisorError: the network of a card wants what only its back end could do"""
    tags = (nic.network or {}).get("tags") or ()
    filters = [tag for tag in tags if tag in FILTER_TAGS]
    if filters and not params["vif_script"]:
        raise HypervisorError(
            f"NIC {nic.index} ({nic.mac}): its network is tagged {', '.join(filters)}, and Xen's "
            "own script filters nothing; vif_script can name one that does, by its NETWORK_TAGS")
    if services := services_of(tags):
        raise HypervisorError(
            f"NIC {nic.index} ({nic.mac}): its network has the service {', '.join(services)}, and "
            "cards that Xen's scripts attach are not served")


def _card(nic: NicSpec, params: dict[str, Any]) -> str:
    _check_network(nic, params)
    words = [f"mac={nic.mac}"]
    if nic.ip:
        words.append(f"ip={nic.ip}")
    if not params["vif_script"] and (nic.vlan or not nic.bridge):
        raise HypervisorError(f"NIC {nic.index} ({nic.mac}): Xen's own script attaches cards to "
                              f"bridges, without VLANs; one of mode {nic.mode} needs vif_script")
    if nic.link:
        words.append(f"bridge={nic.link}{nic.vlan}")
    if "nic_type" in params:
        words += (["type=vif"] if "paravirtual" in (params["nic_type"], params["vif_type"])
                  or params["vif_type"] == "vif" else ["type=ioemu", f"model={params['nic_type']}"])
    if params["vif_script"]:
        words.append(f"script={params['vif_script']}")
    return ",".join(words)
