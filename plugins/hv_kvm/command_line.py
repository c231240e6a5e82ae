"""QEMU's command line for an instance: a pure function of the instance and of what was opened."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ganeti_core.plugin_api import InstanceSpec

from . import devices, firmware, media, screen
from .accelerator import Accelerator
from .confinement import Confined
from .guests import Guest
from .hardware import Hardware, Start
from .network import Ends
from .parameters import queues

AGENT, AGENT_PORT = "agent", "org.qemu.guest_agent.0"


@dataclass(frozen=True)
class Opened:
    """Descriptors that QEMU inherits: listening sockets by name, ends of network cards; and what it
    may do.
    """

    sockets: Mapping[str, int]
    ends: Ends = field(default_factory=dict)
    confined: Confined = field(default_factory=Confined)

    @property
    def all(self) -> tuple[int, ...]:
        taps = [item for end in self.ends.values() if end is not None for item in end.all]
        return (*self.sockets.values(), *taps, *self.confined.descriptors)


@dataclass(frozen=True)
class Facts:
    """What a QEMU says of itself. `sandbox`: the system call filter that it can have, or nothing.
    """

    version: str
    sandbox: str = ""

    def is_since(self, *version: int) -> bool:
        """Whether its version is that or a newer one."""
        return tuple(map(int, re.findall(r"\d+", self.version)[:2])) >= version


@dataclass(frozen=True)
class Engine:
    """What runs the guest."""

    binary: Path
    accelerator: Accelerator
    facts: Facts


def build(
    engine: Engine, guest: Guest, start: Start, opened: Opened
) -> list[str]:
    """Make the argument list of a QEMU.

    :raises HypervisorError: a disk is missing
    """
    instance, hardware = start.instance, start.hardware
    return [
        *_machine(engine, guest, start),
        *_confinement(engine.facts, opened),
        *_processors(engine, instance),
        *_channels(instance, opened),
        *_boot(instance),
        *media.controllers(instance),
        *media.drives(instance),
        *_disks(instance, hardware),
        *_nics(instance, hardware, opened),
        *screen.screen(guest, instance),
        *shlex.split(instance.hvparams["kvm_extra"]),
    ]


def _machine(engine: Engine, guest: Guest, start: Start) -> list[str]:
    instance, params = start.instance, start.instance.hvparams
    nodes, flash = firmware.words(guest.cards.ctx, instance)
    words = [
        # First, and without "guest=": administrators look for "-name NAME" among the processes.
        str(engine.binary), "-name", f"{instance.name},debug-threads=on",
        "-uuid", instance.uuid, "-pidfile", str(guest.pid_file),
        "-nodefaults", "-no-user-config", "-monitor", "none", "-parallel", "none",
        *nodes, "-machine",
        f"{start.hardware.machine},acpi={'on' if params['acpi'] else 'off'}{flash}",
        "-accel", engine.accelerator, "-m", str(instance.memory),
    ]
    for device in (devices.balloon(params), *devices.root_ports(params)):
        words += ["-device", devices.as_argument(device)]
    if params["mem_path"]:
        words += ["-mem-path", params["mem_path"], "-mem-prealloc"]
    if params["use_localtime"]:
        words += ["-rtc", "base=localtime"]
    if params["reboot_behavior"] == "exit":
        words += ["-action", "reboot=shutdown"]
    if params["user_shutdown"]:
        # QEMU stays, stopped, so that a power-off from inside can be told from a crash.
        words += ["-action", "shutdown=pause"]
    if start.mode == "paused":
        words += ["-S"]
    if start.mode == "incoming":
        # Stopped: only the master may let it run, when it knows that the source does not.
        words += ["-S", "-incoming", "defer"]
    return words


def _confinement(facts: Facts, opened: Opened) -> list[str]:
    """Restrict what a guest that has broken out of its machine can do on the node."""
    confined = opened.confined
    words = []
    if facts.sandbox:
        # Whoever is to become another user needs the calls for that.
        words += ["-sandbox", facts.sandbox if confined.user else
                  f"{facts.sandbox},elevateprivileges=deny"]
    if confined.user:
        words += (["-run-with", f"user={confined.user}"] if facts.is_since(9, 1)
                  else ["-runas", confined.user])
    if confined.root:
        words += (["-run-with", f"chroot={confined.root}"] if facts.is_since(8, 1)
                  else ["-chroot", str(confined.root)])
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
    if instance.hvparams["use_guest_agent"]:
        words += ["-chardev", _listening(AGENT, opened), "-device", "virtio-serial-pci,id=qga0",
                  "-device", f"virtserialport,bus=qga0.0,chardev={AGENT},name={AGENT_PORT}"]
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
    return words


def _disks(instance: InstanceSpec, hardware: Hardware) -> list[str]:
    params = instance.hvparams
    words = [word for name in devices.iothreads(params)
             for word in ("-object", f"iothread,id={name}")]
    for disk in instance.disks:
        order = devices.boot_index(disk, params)
        device = devices.disk_device(disk, params, hardware.slots.get(disk.uuid), order)
        words += ["-blockdev", json.dumps(devices.block_node(disk, params)),
                  "-device", devices.as_argument(device)]
    return words


def _nics(instance: InstanceSpec, hardware: Hardware, opened: Opened) -> list[str]:
    params, words = instance.hvparams, []
    for nic in instance.nics:
        order = devices.boot_index(nic, params)
        device = devices.nic_device(nic, params, hardware.slots[nic.uuid], order,
                                    queues(params, instance.vcpus))
        tap, name = opened.ends[nic.uuid], device["netdev"]
        netdev: devices.Options = {"driver": "user", "id": name} if tap is None else {
            "driver": "tap", "id": name, **tap.options({item: str(item) for item in tap.all})}
        words += ["-netdev", devices.as_argument(netdev), "-device", devices.as_argument(device)]
    return words
