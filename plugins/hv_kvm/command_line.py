"""QEMU's command line for an instance: a pure function of the instance and of what was opened."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganeti_core.plugin_api import InstanceSpec

from . import devices
from .accelerator import Accelerator
from .guests import Guest

FIRST_VNC_PORT = 5900

Mode = Literal["running", "paused", "incoming"]


@dataclass(frozen=True)
class Opened:
    """Descriptors that QEMU inherits: listening sockets by name, tap devices by NIC's uuid."""

    sockets: Mapping[str, int]
    taps: Mapping[str, int] = field(default_factory=dict)

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.sockets.values(), *self.taps.values())


@dataclass(frozen=True)
class Engine:
    """What runs the guest."""

    binary: Path
    accelerator: Accelerator


def build(
    engine: Engine, guest: Guest, instance: InstanceSpec, opened: Opened, mode: Mode
) -> list[str]:
    """Make the argument list that starts `instance`, whose hvparams are filled.

    :raises HypervisorError: a disk is missing, or there are too many devices
    """
    return [
        *_machine(engine, guest, instance, mode),
        *_processors(engine, instance),
        *_channels(instance, opened),
        *_boot(instance),
        *_disks(instance),
        *_nics(instance, opened),
        *_screen(instance),
        *shlex.split(instance.hvparams["kvm_extra"]),
    ]


def _machine(engine: Engine, guest: Guest, instance: InstanceSpec, mode: Mode) -> list[str]:
    params = instance.hvparams
    machine = params["machine_version"] or "pc"
    words = [
        str(engine.binary), "-name", f"guest={instance.name},debug-threads=on",
        "-uuid", instance.uuid, "-daemonize", "-pidfile", str(guest.pid_file),
        "-nodefaults", "-no-user-config", "-monitor", "none", "-parallel", "none",
        "-machine", f"{machine},acpi={'on' if params['acpi'] else 'off'}",
        "-accel", engine.accelerator, "-m", str(instance.memory),
    ]
    if params["mem_path"]:
        words += ["-mem-path", params["mem_path"], "-mem-prealloc"]
    if params["use_localtime"]:
        words += ["-rtc", "base=localtime"]
    if params["reboot_behavior"] == "exit":
        words += ["-action", "reboot=shutdown"]
    if params["user_shutdown"]:
        # QEMU stays, stopped, so that a power-off from inside can be told from a crash.
        words += ["-action", "shutdown=pause"]
    if mode == "paused":
        words += ["-S"]
    if mode == "incoming":
        words += ["-incoming", "defer"]
    return words


def _processors(engine: Engine, instance: InstanceSpec) -> list[str]:
    params = instance.hvparams
    smp = [str(instance.vcpus)]
    smp += [f"{part}={params[f'cpu_{part}']}" for part in ("sockets", "cores", "threads")
            if params[f"cpu_{part}"]]
    words = ["-smp", ",".join(smp)]
    model, comma, flags = params["cpu_type"].partition(",")
    if engine.accelerator == "tcg" and model == "host":
        model = "max"  # only KVM can pass the host's CPU on
    return [*words, "-cpu", model + comma + flags] if model else words


def _channels(instance: InstanceSpec, opened: Opened) -> list[str]:
    words = []
    for name in ("control", "query"):
        words += ["-chardev", _listening(name, opened), "-mon", f"chardev={name},mode=control"]
    if instance.hvparams["serial_console"]:
        words += ["-chardev", _listening("serial", opened), "-serial", "chardev:serial"]
    else:
        words += ["-serial", "none"]
    return words


def _listening(name: str, opened: Opened) -> str:
    return f"socket,id={name},fd={opened.sockets[name]},server=on,wait=off"


def _boot(instance: InstanceSpec) -> list[str]:
    params = instance.hvparams
    words = []
    if params["kernel_path"]:
        arguments = [f"root={params['root_path']}"] if params["root_path"] else []
        arguments += [params["kernel_args"]] if params["kernel_args"] else []
        if params["serial_console"]:
            arguments += [f"console=ttyS0,{params['serial_speed']}"]
        words += ["-kernel", params["kernel_path"], "-append", " ".join(arguments)]
        if params["initrd_path"]:
            words += ["-initrd", params["initrd_path"]]
    if params["cdrom_image_path"]:
        node = {"driver": "raw", "node-name": "cdrom", "read-only": True,
                "file": {"driver": "file", "filename": params["cdrom_image_path"]}}
        device: devices.Options = {"driver": "ide-cd", "id": "cdrom-drive", "drive": "cdrom"}
        if params["boot_order"] == "cdrom":
            device["bootindex"] = 1
        words += ["-blockdev", json.dumps(node), "-device", devices.as_argument(device)]
    return words


def _disks(instance: InstanceSpec) -> list[str]:
    params, words = instance.hvparams, []
    slots = devices.slots(instance)
    if params["disk_type"] == "scsi-hd" and instance.disks:
        controller = devices.SCSI_CONTROLLERS[params["scsi_controller_type"]]
        words += ["-device", f"{controller},id=scsi"]
    boots = params["boot_order"] == "disk" and not params["kernel_path"]
    for disk in instance.disks:
        order = disk.index + 1 if boots else None
        device = devices.disk_device(disk, params, slots.get(disk.uuid), order)
        words += ["-blockdev", json.dumps(devices.block_node(disk, params)),
                  "-device", devices.as_argument(device)]
    return words


def _nics(instance: InstanceSpec, opened: Opened) -> list[str]:
    params, words = instance.hvparams, []
    slots = devices.slots(instance)
    for nic in instance.nics:
        order = nic.index + 1 if params["boot_order"] == "network" else None
        device = devices.nic_device(nic, params, slots[nic.uuid], order)
        words += ["-netdev", f"tap,id={device['netdev']},fd={opened.taps[nic.uuid]}",
                  "-device", devices.as_argument(device)]
    return words


def _screen(instance: InstanceSpec) -> list[str]:
    params = instance.hvparams
    where = vnc_address(params, instance)
    words = ["-vga", params["vga"] or ("std" if where else "none")]
    if params["usb_mouse"]:
        words += ["-usb", "-device", f"usb-{params['usb_mouse']}"]
    if not where:
        return [*words, "-display", "none"]
    if params["vnc_password_file"]:
        where += ",password=on"
    if params["keymap"]:
        words += ["-k", params["keymap"]]
    return [*words, "-vnc", where]


def vnc_address(params: Mapping[str, Any], instance: InstanceSpec) -> str:
    """Where the VNC screen is, in QEMU's words; empty for none."""
    bind = str(params["vnc_bind_address"])
    if bind.startswith("/"):
        return "unix:" + str(Path(bind) / f"{instance.name}.vnc").replace(",", ",,")
    if not bind or instance.network_port is None:
        return ""
    return f"{f'[{bind}]' if ':' in bind else bind}:{instance.network_port - FIRST_VNC_PORT}"
