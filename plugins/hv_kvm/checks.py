"""Can these parameters work on this node?"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import ECODE_ENVIRON, ECODE_INVAL, OpPrereqError

from .parameters import NOT_HONOURED, PARAMETERS, UNSUPPORTED_VALUES

FILES = ("kernel_path", "initrd_path", "cdrom_image_path", "vnc_password_file")
AT_LEAST = {"migration_bandwidth": 1, "migration_downtime": 1, "cpu_cores": 0, "cpu_sockets": 0,
            "cpu_threads": 0, "serial_speed": 1, "kvm_pci_reservations": 3}
CPU_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def check(params: Mapping[str, Any]) -> None:
    """Check filled `params` against what the driver can do and what this node has.

    :raises OpPrereqError: names the first parameter that cannot work, and its value
    """
    _values(params)
    _files(params)
    _cpu_mask(params)
    _contradictions(params)


def cpus_of(mask: str) -> set[int]:
    """The host CPUs that ``cpu_mask`` names; empty for all of them."""
    found: set[int] = set()
    for part in mask.split(",") if mask != "all" else ():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _refuse(name: str, value: object, why: str, ecode: str = ECODE_INVAL) -> OpPrereqError:
    return OpPrereqError(f"kvm parameter {name}={value!r}: {why}", ecode)


def _values(params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        known = PARAMETERS.get(name)
        if known is None:
            raise _refuse(name, value, "there is no such parameter")
        if name in NOT_HONOURED and value != known.default:
            raise _refuse(name, value, "this driver does not act on it; only its default "
                                       f"{known.default!r} is accepted")
        if known.values and value not in known.values:
            raise _refuse(name, value, f"must be one of {', '.join(map(repr, known.values))}")
        if value in UNSUPPORTED_VALUES.get(name, frozenset()):
            raise _refuse(name, value, "this value is not supported")
        if name in AT_LEAST and int(value) < AT_LEAST[name]:
            raise _refuse(name, value, f"must be at least {AT_LEAST[name]}")


def _files(params: Mapping[str, Any]) -> None:
    exists: dict[str, Callable[[str], bool]] = dict.fromkeys(FILES, os.path.isfile)
    exists["mem_path"] = os.path.isdir
    for name, test in exists.items():
        path = str(params[name])
        if not path:
            continue
        if not Path(path).is_absolute():
            raise _refuse(name, path, "must be an absolute path")
        if not test(path):
            hint = "; set it to nothing to boot from the disk" if name == "kernel_path" else ""
            raise _refuse(name, path, f"not found on this node{hint}", ECODE_ENVIRON)
    if params["initrd_path"] and not params["kernel_path"]:
        raise _refuse("initrd_path", params["initrd_path"], "is of no use without kernel_path")


def _cpu_mask(params: Mapping[str, Any]) -> None:
    mask = str(params["cpu_mask"])
    if mask == "all":
        return
    if not CPU_LIST.fullmatch(mask):
        raise _refuse("cpu_mask", mask, "must be 'all' or a list such as 0-2,5 (masks per virtual "
                                        "CPU are not supported)")
    if not cpus_of(mask) <= os.sched_getaffinity(0):
        raise _refuse("cpu_mask", mask, "this node lacks some of these CPUs", ECODE_ENVIRON)


def _contradictions(params: Mapping[str, Any]) -> None:
    if params["boot_order"] == "cdrom" and not params["cdrom_image_path"]:
        raise _refuse("boot_order", "cdrom", "needs cdrom_image_path")
    if params["disk_aio"] == "native" and params["disk_cache"] in ("writeback", "writethrough"):
        raise _refuse("disk_aio", "native", f"goes past the cache that disk_cache="
                                            f"{params['disk_cache']!r} asks for")
    if params["vnc_password_file"] and not params["vnc_bind_address"]:
        raise _refuse("vnc_password_file", params["vnc_password_file"], "needs vnc_bind_address")
    if params["kvm_flag"] == "enabled" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise _refuse("kvm_flag", "enabled", "/dev/kvm cannot be used", ECODE_ENVIRON)
    try:
        shlex.split(params["kvm_extra"])
    except ValueError as exc:
        raise _refuse("kvm_extra", params["kvm_extra"], f"bad quoting: {exc}") from exc
