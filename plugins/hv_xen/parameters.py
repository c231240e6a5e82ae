"""The instance parameters (`hvparams`) of Xen domains, as Ganeti has them, and their checks."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganeti_core.plugin_api import ECODE_ENVIRON, ECODE_INVAL, OpPrereqError

Kind = Literal["pv", "hvm"]
Value = bool | int | str

ANY_PORT = 8002
"""Ganeti's default for migrations: here any free port."""
HVMLOADER, DEVICE_MODEL = "/usr/lib/xen/boot/hvmloader", "/usr/lib/xen/bin/qemu-dm"
"""Ganeti's defaults: these are left to xl, which knows its own."""


@dataclass(frozen=True)
class Parameter:
    """One parameter; its type is that of `default`. `trial`: the value on a virtual cluster."""

    default: Value
    description: str
    values: tuple[Value, ...] = ()
    is_global: bool = False
    nullable: bool = False
    trial: Value | None = None

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        name = {bool: "boolean", int: "integer", str: "string"}[type(self.default)]
        return {"type": [name, "null"] if self.nullable else name, "default": self.default,
                "description": self.description,
                **({"enum": list(self.values)} if self.values else {}),
                **({"x-global": True} if self.is_global else {}),
                **({"x-trial": self.trial} if self.trial is not None else {})}


P = Parameter
COMMON = {
    "cpu_cap": P(0, "most processor time, in percent of one CPU; 0: all of its CPUs'"),
    "cpu_mask": P("all", "CPUs of the host: all, a list such as 0-2,5, or one for each virtual CPU "
                         "with colons between them"),
    "cpu_weight": P(256, "share of processor time against other domains, below 65536"),
    "cpuid": P("", "CPUID as xl.cfg(5) has it, such as host,tm=0"),
    "migration_port": P(ANY_PORT, f"port that the target of a migration listens on; {ANY_PORT}: "
                                  "any free one", is_global=True),
    "reboot_behavior": P("reboot", "exit: a reboot from inside ends the instance",
                         ("reboot", "exit")),
    "soundhw": P("", "sound card"),
    "vif_script": P("", "script that attaches network cards; empty: Xen's own for bridges"),
    "xen_cmd": P("xl", "program that administers domains; xm went with Xen 4.5", ("xl", "xm"),
                 is_global=True),
}
PVM = COMMON | {
    "blockdev_prefix": P("sd", "how names of disks begin"),
    "bootloader_args": P("", "arguments for the boot loader"),
    "bootloader_path": P("", "program on the node that finds a kernel on the disk"),
    "initrd_path": P("", "initial RAM disk on the node"),
    "kernel_args": P("ro", "arguments for the kernel"),
    "kernel_path": P("/boot/vmlinuz-3-xenU", "kernel on the node"),
    "migration_mode": P("live", "domains are always sent while they run", ("live", "non-live"),
                        is_global=True),
    "root_path": P("/dev/xvda1", "root device told to the kernel", nullable=True),
    "use_bootloader": P(False, "boot by bootloader_path instead of kernel_path"),
}
HVM = COMMON | {
    "acpi": P(True, "give the guest ACPI"),
    "blockdev_prefix": P("hd", "how names of disks begin"),
    "boot_order": P("cd", "a: floppy, c: disk, d: CD, n: network"),
    "cdrom_image_path": P("", "ISO image in the CD drive"),
    "device_model": P(DEVICE_MODEL, "QEMU's program; the default is left to xl"),
    "disk_type": P("paravirtual", "ioemu: disks that the guest needs no drivers of Xen for",
                   ("paravirtual", "ioemu")),
    "kernel_path": P(HVMLOADER, "firmware; the default is left to xl"),
    "migration_mode": P("non-live", "domains are always sent while they run", ("live", "non-live"),
                        is_global=True),
    "nic_type": P("rtl8139", "model of network cards",
                  ("rtl8139", "ne2k_isa", "ne2k_pci", "i82551", "i82557b", "i82559er", "pcnet",
                   "e1000", "paravirtual")),
    "pae": P(True, "physical address extension"),
    "pci_pass": P("", "PCI devices of the host for the guest, with semicolons between them"),
    "use_localtime": P(False, "the guest's clock starts at local time instead of UTC"),
    "vif_type": P("ioemu", "kind of network cards", ("ioemu", "vif")),
    "viridian": P(False, "offer Hyper-V's interfaces"),
    "vnc_bind_address": P("0.0.0.0", "address of the VNC screen"),  # noqa: S104  # Ganeti's default
    "vnc_password_file": P("/etc/ganeti/vnc-cluster-password",
                           "file on the node with the password of VNC; empty: none", trial=""),
}
TABLES: dict[Kind, dict[str, Parameter]] = {"pv": PVM, "hvm": HVM}

FILES = ("bootloader_path", "cdrom_image_path", "device_model", "initrd_path", "kernel_path",
         "vif_script", "vnc_password_file")
RANGES = {"cpu_cap": (0, 1 << 16), "cpu_weight": (1, 65535), "migration_port": (1, 65535)}
_CPU_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_PATTERNS = {
    "blockdev_prefix": (re.compile(r"[a-z]{2,4}"), "must be like xvd, sd or hd"),
    "boot_order": (re.compile(r"[acdn]+"), "must be of the letters a, c, d and n"),
    "cpuid": (re.compile(r"|host(,[\w=:]+)*|\[[^\]\n]*\]"),
              "must begin with host, or be a list in brackets"),
    "pci_pass": (re.compile(r"(|([\da-fA-F]{4}:)?[\da-fA-F]{2}:[\da-fA-F]{2}\.[0-7][^;'\"]*"
                            r"(;([\da-fA-F]{4}:)?[\da-fA-F]{2}:[\da-fA-F]{2}\.[0-7][^;'\"]*)*)"),
                 "must be addresses such as 04:00.0 with semicolons between them"),
}


def schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of all parameters."""
    return {"type": "object", "additionalProperties": False,
            "properties": {name: one.schema() for name, one in sorted(TABLES[kind].items())}}


def filled(kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `params` over the defaults."""
    return {name: one.default for name, one in TABLES[kind].items()} | dict(params)


def check(kind: Kind, params: Mapping[str, Any]) -> None:
    """Check filled `params` against what the driver can do and what this node has.

    :raises OpPrereqError: names the first parameter that cannot work, and its value
    """
    table = TABLES[kind]
    for name, value in params.items():
        if name not in table:
            raise refuse(kind, name, value, "there is no such parameter")
        if table[name].values and value not in table[name].values:
            raise refuse(kind, name, value,
                         f"must be one of {', '.join(map(repr, table[name].values))}")
        if name in RANGES and not RANGES[name][0] <= int(value) <= RANGES[name][1]:
            raise refuse(kind, name, value, "must be between {} and {}".format(*RANGES[name]))
        if isinstance(value, str) and not value.isprintable():
            raise refuse(kind, name, value, "must be printable")
        if name in _PATTERNS and not _PATTERNS[name][0].fullmatch(str(value)):
            raise refuse(kind, name, value, _PATTERNS[name][1])
    if params["xen_cmd"] != "xl":
        raise refuse(kind, "xen_cmd", params["xen_cmd"], "this driver knows only xl")
    _cpu_mask(kind, str(params["cpu_mask"]))
    (_check_pv if kind == "pv" else _check_hvm)(params)


def refuse(
    kind: Kind, name: str, value: object, why: str, ecode: str = ECODE_INVAL
) -> OpPrereqError:
    """Say that a parameter cannot have this value."""
    title = "xen-pvm" if kind == "pv" else "xen-hvm"
    return OpPrereqError(f"{title} parameter {name}={value!r}: {why}", ecode)


def cpu_masks(mask: str) -> list[str]:
    """Split a mask by virtual CPUs; one for all of them is a single one."""
    return mask.split(":")


def _cpu_mask(kind: Kind, mask: str) -> None:
    for part in cpu_masks(mask):
        if part != "all" and not _CPU_LIST.fullmatch(part):
            raise refuse(kind, "cpu_mask", mask, "must be all, or lists such as 0-2,5 with colons "
                                                 "between them")


def _is_file(kind: Kind, params: Mapping[str, Any], name: str) -> None:
    path = str(params[name])
    if not path.startswith("/"):
        raise refuse(kind, name, path, "must be an absolute path")
    if not os.path.isfile(path):
        raise refuse(kind, name, path, "not found on this node", ECODE_ENVIRON)


def _check_pv(params: Mapping[str, Any]) -> None:
    if params["soundhw"]:
        raise refuse("pv", "soundhw", params["soundhw"], "paravirtual domains have no sound")
    try:
        shlex.split(params["bootloader_args"])
    except ValueError as exc:
        raise refuse("pv", "bootloader_args", params["bootloader_args"],
                     f"bad quoting: {exc}") from exc
    boot = ("bootloader_path",) if params["use_bootloader"] else ("kernel_path", "initrd_path")
    if params["use_bootloader"] and not params["bootloader_path"]:
        raise refuse("pv", "bootloader_path", "", "is needed with use_bootloader")
    for name in (*boot, "vif_script"):
        if params[name] or name == "kernel_path":
            _is_file("pv", params, name)


def _check_hvm(params: Mapping[str, Any]) -> None:
    for name in FILES:
        if name not in params or not params[name]:
            continue
        if name in ("device_model", "kernel_path") and params[name] == HVM[name].default:
            continue
        _is_file("hvm", params, name)
    if params["disk_type"] == "ioemu" and params["blockdev_prefix"] == "xvd":
        raise refuse("hvm", "disk_type", "ioemu", "disks with blockdev_prefix 'xvd' need drivers "
                                                  "of Xen in the guest")
    try:
        ipaddress.ip_address(params["vnc_bind_address"])
    except ValueError:
        raise refuse("hvm", "vnc_bind_address", params["vnc_bind_address"],
                     "must be an IP address") from None
