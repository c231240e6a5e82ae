"""Can these parameters work on this node?"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import ECODE_ENVIRON

from . import devices, engine, firmware, screen_checks
from .network import VHOST
from .parameters import PARAMETERS, UNSUPPORTED_VALUES, Parameter, refusal

FILES = ("kernel_path", "initrd_path", "cdrom_image_path", "cdrom2_image_path",
         "floppy_image_path", "vnc_password_file", "spice_password_file")
IMAGES = frozenset({"cdrom_image_path", "cdrom2_image_path"})
"""Of these files those that may also be addresses, which QEMU opens itself."""
URL = re.compile(r"(https?|ftps?)://.+")
CAPABILITIES = frozenset({
    "auto-converge", "compress", "dirty-limit", "events", "late-block-activate", "multifd",
    "postcopy-blocktime", "postcopy-preempt", "postcopy-ram", "return-path", "switchover-ack",
    "validate-uuid", "xbzrle", "zero-blocks"})
"""Of QEMU's migration capabilities those that leave the guest on the source until it has gone, and
let a migration end without further orders."""
GRAPHICS = frozenset({"", "none", "std", "cirrus", "vmware", "qxl", "virtio"})
KEYMAPS = ("/usr/share/qemu/keymaps", "/usr/local/share/qemu/keymaps")
CPU_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
ANY_CPU = "all"


def check(params: Mapping[str, Any]) -> None:
    """Check filled `params` against what the driver can do and what this node has.

    :raises OpPrereqError: names the first parameter that cannot work, and its value
    """
    _values(params)
    _words(params)
    _files(params)
    _cpu_mask(params)
    screen_checks.check(params)
    _contradictions(params)
    _machine(params)


def check_offered(binary: Path, params: Mapping[str, Any], running: str = "") -> None:
    """Check what only the node's QEMU knows: machine types and CPU models.

    :param running: the machine type of a guest that is to arrive
    :raises OpPrereqError: it lacks what the parameters name
    """
    wanted = running or str(params["machine_version"])
    machine = wanted.partition(",")[0]
    if machine and machine not in engine.machine_types(binary):
        raise refusal("machine_version", wanted,
                      f"{binary} has no such machine type; see {binary} -machine help",
                      ECODE_ENVIRON)
    model = str(params["cpu_type"]).partition(",")[0]
    if params["spice_bind"] and not engine.has_spice(binary):
        raise refusal("spice_bind", params["spice_bind"], f"{binary} was built without SPICE",
                      ECODE_ENVIRON)
    # The host's own model is not listed where there is no KVM; it becomes "max" there.
    if model and model != "host" and model not in engine.processor_models(binary):
        raise refusal("cpu_type", params["cpu_type"],
                      f"{binary} has no such CPU model; see {binary} -cpu help", ECODE_ENVIRON)


def cpu_masks(mask: str) -> list[set[int]]:
    """The host CPUs that ``cpu_mask`` names for each virtual CPU, or once for the whole guest;
    empty for all of them."""
    return [cpus_of(part) for part in mask.split(":")]


def cpus_of(mask: str) -> set[int]:
    """The host CPUs of one mask; empty for all of them."""
    found: set[int] = set()
    for part in mask.split(",") if mask != ANY_CPU else ():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _values(params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        known = PARAMETERS.get(name)
        if known is None:
            raise refusal(name, value, "there is no such parameter")
        if known.values and value not in known.values:
            raise refusal(name, value, f"must be one of {', '.join(map(repr, known.values))}")
        if value in UNSUPPORTED_VALUES.get(name, frozenset()):
            raise refusal(name, value, "this value is not supported")
        if known.between and not _is_between(value, known):
            or_word = f", or {known.word!r}" if known.word else ""
            raise refusal(name, value,
                          "must be between {} and {}".format(*known.between) + or_word)


def _is_between(value: object, known: Parameter) -> bool:
    if known.word and value == known.word:
        return True
    text, (least, most) = str(value), known.between or (0, 0)
    return text.isdecimal() and least <= int(text) <= most


def _words(params: Mapping[str, Any]) -> None:
    given = set(filter(None, str(params["migration_caps"]).split(":")))
    if unknown := sorted(given - CAPABILITIES):
        raise refusal("migration_caps", params["migration_caps"],
                      f"{', '.join(unknown)} cannot be used; possible are, with colons between "
                      f"them: {', '.join(sorted(CAPABILITIES))}")
    if params["vga"] not in GRAPHICS:
        raise refusal("vga", params["vga"], f"must be one of {', '.join(sorted(GRAPHICS - {''}))}")
    if keymap := str(params["keymap"]):
        folders = [folder for folder in KEYMAPS if os.path.isdir(folder)]
        if "/" in keymap or (folders and not any(
                os.path.isfile(os.path.join(folder, keymap)) for folder in folders)):
            raise refusal("keymap", keymap, f"there is none of this name in {', '.join(folders)}",
                          ECODE_ENVIRON)


def _files(params: Mapping[str, Any]) -> None:
    exists: dict[str, Callable[[str], bool]] = dict.fromkeys(FILES, os.path.isfile)
    exists["mem_path"] = os.path.isdir
    for name, test in exists.items():
        path = str(params[name])
        if not path:
            continue
        if name in IMAGES and URL.fullmatch(path):
            continue
        if not Path(path).is_absolute():
            raise refusal(name, path, "must be an absolute path")
        if not test(path):
            hint = ("; set it to nothing, or boot_type=bios, to boot from the disk"
                    if name == "kernel_path" else "")
            raise refusal(name, path, f"not found on this node{hint}", ECODE_ENVIRON)
    if params["initrd_path"] and not params["kernel_path"]:
        raise refusal("initrd_path", params["initrd_path"], "is of no use without kernel_path")


def _cpu_mask(params: Mapping[str, Any]) -> None:
    whole = str(params["cpu_mask"])
    for mask in whole.split(":"):
        if mask == ANY_CPU:
            continue
        if not CPU_LIST.fullmatch(mask):
            raise refusal("cpu_mask", whole, "must be 'all' or a list such as 0-2,5, or one of "
                                             "these for each virtual CPU, with colons between them")
        for part in mask.split(","):
            first, _, last = part.partition("-")
            if int(last or first) < int(first):
                raise refusal("cpu_mask", whole, f"the range {part} is empty: the lower number "
                                                 "comes first")
        if not cpus_of(mask) <= os.sched_getaffinity(0):
            raise refusal("cpu_mask", whole, "this node lacks some of these CPUs", ECODE_ENVIRON)


def _contradictions(params: Mapping[str, Any]) -> None:
    if params["boot_type"] == "direct_kernel" and not params["kernel_path"]:
        raise refusal("boot_type", "direct_kernel", "needs kernel_path")
    if params["boot_type"] == firmware.UEFI:
        firmware.build()
    if params["boot_order"] == "cdrom" and not params["cdrom_image_path"]:
        raise refusal("boot_order", "cdrom", "needs cdrom_image_path")
    if params["boot_order"] == "floppy" and not params["floppy_image_path"]:
        raise refusal("boot_order", "floppy", "needs floppy_image_path")
    if params["disk_aio"] == "native" and params["disk_cache"] in ("writeback", "writethrough"):
        raise refusal("disk_aio", "native", f"goes past the cache that disk_cache="
                                            f"{params['disk_cache']!r} asks for")
    if params["kvm_flag"] == "enabled" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise refusal("kvm_flag", "enabled", "/dev/kvm cannot be used", ECODE_ENVIRON)
    try:
        shlex.split(params["kvm_extra"])
    except ValueError as exc:
        raise refusal("kvm_extra", params["kvm_extra"], f"bad quoting: {exc}") from exc


def _machine(params: Mapping[str, Any]) -> None:
    if devices.is_q35(params):
        if params["disk_type"] == "ide":
            raise refusal("disk_type", "ide", "q35 has no IDE; use paravirtual, or machine type pc")
        if params["floppy_image_path"]:
            raise refusal("floppy_image_path", params["floppy_image_path"],
                          "q35 has no floppy drive; use machine type pc")
    if params["vhost_net"] and not os.access(VHOST, os.R_OK | os.W_OK):
        raise refusal("vhost_net", True, f"{VHOST} cannot be used on this node (modprobe "
                                         "vhost_net)", ECODE_ENVIRON)
