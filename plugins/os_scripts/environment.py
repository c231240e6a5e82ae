"""The environment that scripts of OS definitions see; names and forms are Ganeti's.

Nothing of the daemon's own environment is passed on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import DiskSpec, InstanceSpec, NicSpec

from .definition import CREATE_UNTRUSTED, Definition

Environment = dict[str, str]

SCRIPT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"

NETWORK_KEYS = {
    "name": "NAME", "uuid": "UUID", "network": "SUBNET", "gateway": "GATEWAY",
    "network6": "SUBNET6", "gateway6": "GATEWAY6", "mac_prefix": "MAC_PREFIX",
}
"""Fields of a network, and the variables that tell them."""


def common(
    definition: Definition, variant: str, parameters: Mapping[str, Any], debug: int = 0
) -> Environment:
    """What every script gets, ``verify`` included: the OS itself and its parameters (`OSP_*`)."""
    return {
        "OS_API_VERSION": str(definition.api),
        "OS_NAME": definition.name,
        "DEBUG_LEVEL": str(debug),
        "OS_VARIANT": definition.variant(variant),
        **{variable(name): str(value) for name, value in parameters.items()},
        "PATH": SCRIPT_PATH,
    }


def variable(parameter: str) -> str:
    """The variable that has the value of a parameter."""
    return f"OSP_{parameter.upper().replace('-', '_')}"


def untold(parameters: Mapping[str, Any]) -> str | None:
    """The name of a parameter that no environment can hold, or whose value none can."""
    return next((name for name, value in parameters.items()
                 if not name or "=" in name or not _is_tellable(f"{name}{value}")), None)


def _is_tellable(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def for_instance(definition: Definition, variant: str, instance: InstanceSpec) -> Environment:
    """What the scripts that work on an instance get."""
    result = common(definition, variant, instance.osparams, instance.debug_level)
    result |= {
        "INSTANCE_NAME": instance.name,
        "INSTANCE_OS": instance.os,
        "INSTANCE_UUID": instance.uuid,
        "INSTANCE_CTIME": str(instance.ctime),
        "INSTANCE_MTIME": str(instance.mtime),
        "INSTANCE_PRIMARY_NODE": instance.primary_node,
        "INSTANCE_SECONDARY_NODES": " ".join(instance.secondary_nodes),
        "HYPERVISOR": instance.hypervisor,
        "DISK_COUNT": str(len(instance.disks)),
        "NIC_COUNT": str(len(instance.nics)),
    }
    for disk in instance.disks:
        result |= _disk(disk, instance.hypervisor, instance.hvparams)
    for nic in instance.nics:
        result |= _nic(nic, instance.hvparams)
    for prefix, values in (("BE", instance.beparams), ("HV", instance.hvparams)):
        result |= {f"INSTANCE_{prefix}_{name}": str(value) for name, value in values.items()}
    return result


def for_helper(definition: Definition, variant: str, instance: InstanceSpec) -> Environment:
    """What ``create_untrusted`` gets in a helper guest, whose first disk is not the instance's."""
    result = for_instance(definition, variant, instance)
    kind = instance.hvparams.get("disk_type", "paravirtual")
    prefix = "/dev/vd" if kind == "paravirtual" else "/dev/sd"
    for disk in instance.disks:
        for name in ("PATH", "URI", "BACKEND_TYPE"):
            result.pop(f"DISK_{disk.index}_{name}", None)
        result[f"DISK_{disk.index}_PATH"] = prefix + _letters(disk.index + 1)
    return result | {"OS_SCRIPT": CREATE_UNTRUSTED}


def _letters(number: int) -> str:
    """How Linux counts disks: a to z, aa, ab."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _disk(disk: DiskSpec, hypervisor: str, hvparams: Mapping[str, Any]) -> Environment:
    values = {
        "ACCESS": disk.mode, "UUID": disk.uuid, "SIZE": str(disk.size),
        "BACKEND_TYPE": _backend(disk)}
    if disk.path:
        values["PATH"] = disk.path
    if uri := disk.uris.get(hypervisor):
        values["URI"] = uri
    if disk.name:
        values["NAME"] = disk.name
    if hvparams.get("disk_type"):
        values["FRONTEND_TYPE"] = str(hvparams["disk_type"])
    return {f"DISK_{disk.index}_{key}": value for key, value in values.items()}


def _backend(disk: DiskSpec) -> str:
    try:
        is_device = stat.S_ISBLK(Path(disk.path).stat().st_mode)
    except OSError:
        is_device = not disk.path or disk.path.startswith("/dev/")
    # Scripts are told how a hypervisor would attach the file; a loop device is the only way left.
    return "block" if is_device else "file:loop"


def _nic(nic: NicSpec, hvparams: Mapping[str, Any]) -> Environment:
    values = {"MAC": nic.mac, "UUID": nic.uuid, "MODE": nic.mode}
    if nic.name:
        values["NAME"] = nic.name
    if nic.ip:
        values["IP"] = nic.ip
    if nic.bridge:
        values["BRIDGE"] = nic.bridge
    if nic.link:
        values["LINK"] = nic.link
    if nic.vlan:
        values["VLAN"] = nic.vlan
    if hvparams.get("nic_type"):
        values["FRONTEND_TYPE"] = str(hvparams["nic_type"])
    values |= _network(nic.network or {})
    return {f"NIC_{nic.index}_{key}": value for key, value in values.items()}


def _network(network: Mapping[str, Any]) -> Environment:
    values = {f"NETWORK_{variable}": str(network[key])
              for key, variable in NETWORK_KEYS.items() if network.get(key)}
    if network:
        values["NETWORK_TAGS"] = " ".join(sorted(network.get("tags") or ()))
    return values
