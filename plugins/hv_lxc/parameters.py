"""The instance parameters (`hvparams`) of lxc, as Ganeti has them, and their checks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ganeti_core.plugin_api import ECODE_ENVIRON, ECODE_INVAL, OpPrereqError

from .cgroups import Hierarchy

LONGEST_START = 100
"""Seconds; the hook that starts a guest has 120."""

PROPERTIES: dict[str, dict[str, Any]] = {
    "cpu_mask": {
        "type": "string", "default": "",
        "description": "CPUs of the host that the container may use, such as 0-2,5; empty: any"},
    "devices": {
        "type": "string",
        "default": "c 1:3 rw,c 1:5 rw,c 1:7 rw,c 1:8 rw,c 1:9 rw,c 1:10 rw,c 5:0 rw,c 5:1 rw,"
                   "c 5:2 rw,c 136:* rw",
        "description": "devices that the container may use, with commas between them: kind "
                       "(a, b, c), major:minor, access (r, w, m)"},
    "drop_capabilities": {
        "type": "string", "default": "mac_override,sys_boot,sys_module,sys_time,sys_admin",
        "description": "capabilities that the container does not have, with commas between them"},
    "extra_cgroups": {
        "type": "string", "default": "",
        "description": "further cgroup controllers that nodes must have, with commas between them"},
    "extra_config": {
        "type": "string", "default": "",
        "description": "lines for the container's configuration, with commas between them; see "
                       "lxc.container.conf(5)"},
    "num_ttys": {
        "type": "integer", "default": 6, "minimum": 0,
        "description": "terminals of the container; with 0 the console is its /dev/console"},
    "startup_timeout": {
        "type": "integer", "default": 30, "minimum": 0, "maximum": LONGEST_START,
        "description": f"seconds that a start may take; 0: {LONGEST_START}"},
}

OWN_KEYS = ("lxc.rootfs.path", "lxc.cgroup.dir", "lxc.cgroup.relative", "lxc.uts.name",
            "lxc.hook.version", "lxc.include", "lxc.ephemeral", "lxc.log")
"""Beginnings of keys that the driver sets itself and relies on."""
CAPABILITIES = frozenset({
    "audit_control", "audit_read", "audit_write", "block_suspend", "bpf", "checkpoint_restore",
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "ipc_lock", "ipc_owner", "kill",
    "lease", "linux_immutable", "mac_admin", "mac_override", "mknod", "net_admin",
    "net_bind_service", "net_broadcast", "net_raw", "perfmon", "setfcap", "setgid", "setpcap",
    "setuid", "sys_admin", "sys_boot", "sys_chroot", "sys_module", "sys_nice", "sys_pacct",
    "sys_ptrace", "sys_rawio", "sys_resource", "sys_time", "sys_tty_config", "syslog",
    "wake_alarm"})
_CPU_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_DEVICE = re.compile(r"a|[abc] (\*|\d+):(\*|\d+) [rwm]{1,3}")
_LINE = re.compile(r"(lxc\.[a-z0-9_.]+) *= *(.*)")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of all parameters."""
    return {"type": "object", "additionalProperties": False, "properties": PROPERTIES}


def filled(params: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `params` over the defaults."""
    return {name: one["default"] for name, one in PROPERTIES.items()} | dict(params)


def words(params: Mapping[str, Any], name: str) -> list[str]:
    """Split a parameter that is a list."""
    return [word.strip() for word in str(params[name]).split(",") if word.strip()]


def start_limit(params: Mapping[str, Any]) -> float:
    """Return how many seconds a start may take."""
    return float(params["startup_timeout"] or LONGEST_START)


def check(params: Mapping[str, Any], hierarchies: Sequence[Hierarchy]) -> None:
    """Check filled `params` against what the driver can do and what this node has.

    :raises OpPrereqError: names the first parameter that cannot work, and its value
    """
    if unknown := sorted(params.keys() - PROPERTIES.keys()):
        raise refuse(unknown[0], params[unknown[0]], "there is no such parameter")
    for name in ("num_ttys", "startup_timeout"):
        if not 0 <= int(params[name]) <= PROPERTIES[name].get("maximum", 1 << 10):
            raise refuse(name, params[name], "must be between 0 and "
                                             f"{PROPERTIES[name].get('maximum', 1 << 10)}")
    _cpu_mask(str(params["cpu_mask"]))
    for device in words(params, "devices"):
        if not _DEVICE.fullmatch(device):
            raise refuse("devices", device, "must be like 'c 1:3 rw': kind, major:minor, access")
    for capability in words(params, "drop_capabilities"):
        if capability not in CAPABILITIES:
            raise refuse("drop_capabilities", capability,
                         f"must be one of {', '.join(sorted(CAPABILITIES))}")
    _extra_cgroups(params, hierarchies)
    for line in words(params, "extra_config"):
        _extra_line(line)


def refuse(name: str, value: object, why: str, ecode: str = ECODE_INVAL) -> OpPrereqError:
    """Say that a parameter cannot have this value."""
    return OpPrereqError(f"lxc parameter {name}={value!r}: {why}", ecode)


def _cpu_mask(mask: str) -> None:
    if not mask:
        return
    if not _CPU_LIST.fullmatch(mask):
        raise refuse("cpu_mask", mask, "must be empty or a list such as 0-2,5")
    for part in mask.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise refuse("cpu_mask", mask, f"the range {part} is empty: the lower number comes "
                                           "first")
        if int(last or first) >= (os.cpu_count() or 1):
            raise refuse("cpu_mask", mask, f"this node has {os.cpu_count()} CPUs, from 0 on",
                         ECODE_ENVIRON)


def _extra_cgroups(params: Mapping[str, Any], hierarchies: Sequence[Hierarchy]) -> None:
    there = {name for one in hierarchies for name in one.controllers}
    for name in words(params, "extra_cgroups"):
        if name not in there:
            raise refuse("extra_cgroups", name, "this node has only the controllers "
                                                f"{', '.join(sorted(there)) or 'none'}",
                         ECODE_ENVIRON)


def _extra_line(line: str) -> None:
    match = _LINE.fullmatch(line)
    if not match:
        raise refuse("extra_config", line, "must be a line such as 'lxc.signal.halt = SIGUSR2'; "
                                           "values with a comma are not possible")
    if match[1].startswith(OWN_KEYS):
        raise refuse("extra_config", line, f"{match[1]} is set by the driver")
