"""UEFI: the firmware's code, which all guests of a node share, and each instance's variables.

The variables (boot entries, among others) are kept in a file of the node, by the instance's uuid,
from the first start on. A live migration carries them: they are part of what QEMU sends. A failover
or move takes them along as text, if the old node answers; else the instance begins with fresh ones.
"""

from __future__ import annotations

import base64
import json
import zlib
from contextlib import suppress
from pathlib import Path

from ganeti_core.plugin_api import ECODE_ENVIRON, HookContext, HypervisorError, InstanceSpec

from .parameters import refusal

UEFI = "uefi"
LARGEST = 64 << 20
BUILDS = tuple((Path(code), Path(variables)) for code, variables in (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
))
"""Code and empty variables, as distributions of Linux install them; the first that is there."""


def build() -> tuple[Path, Path]:
    """The firmware's code, and its variables before the first start.

    :raises OpPrereqError: this node has none
    """
    for code, variables in BUILDS:
        if code.is_file() and variables.is_file():
            return code, variables
    raise refusal("boot_type", UEFI, "this node has no UEFI firmware (Debian: ovmf)", ECODE_ENVIRON)


def store(ctx: HookContext, uuid: str) -> Path:
    """Where the variables of an instance are on this node."""
    return ctx.keep / "uefi" / f"{uuid}.fd"


def prepare(ctx: HookContext, instance: InstanceSpec) -> None:
    """Make the variables of an instance that boots by UEFI, unless they are there.

    :raises HypervisorError: they cannot be written
    :raises OpPrereqError: this node has no firmware
    """
    if instance.hvparams["boot_type"] != UEFI or (path := store(ctx, instance.uuid)).exists():
        return
    _, fresh = build()
    try:
        _write(path, fresh.read_bytes())
    except OSError as exc:
        raise HypervisorError(
            f"the UEFI variables of {instance.name} cannot be written: {exc}") from exc


def as_text(ctx: HookContext, uuid: str) -> str:
    """The variables of an instance, for another node; empty where there are none.

    :raises HypervisorError: they cannot be read
    """
    try:
        return base64.b64encode(zlib.compress(store(ctx, uuid).read_bytes())).decode()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise HypervisorError(f"the UEFI variables of {uuid} cannot be read: {exc}") from exc


def from_text(ctx: HookContext, uuid: str, text: str) -> None:
    """Have the variables that `as_text` gave elsewhere; none for the empty text.

    :raises HypervisorError: they are damaged, or cannot be written; those that are here stay
    """
    if not text:
        forget(ctx, uuid)
        return
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), LARGEST)
        _write(store(ctx, uuid), data)
    except (OSError, ValueError, zlib.error) as exc:
        raise HypervisorError(f"the UEFI variables of {uuid} cannot be kept: {exc}") from exc


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.write_bytes(data)
    draft.chmod(0o600)
    draft.replace(path)


def forget(ctx: HookContext, uuid: str) -> None:
    """Remove the variables of an instance that has gone to another node; harmless twice."""
    with suppress(FileNotFoundError):
        store(ctx, uuid).unlink()


def words(ctx: HookContext, instance: InstanceSpec) -> tuple[list[str], str]:
    """QEMU's block nodes for the firmware, and what is added to its machine.

    :raises OpPrereqError: this node has no firmware
    """
    if instance.hvparams["boot_type"] != UEFI:
        return [], ""
    code, _ = build()
    found = []
    for name, path in (("firmware", code), ("variables", store(ctx, instance.uuid))):
        read_only = name == "firmware"
        node = {"driver": "raw", "node-name": name, "read-only": read_only,
                "file": {"driver": "file", "filename": str(path), "read-only": read_only}}
        found += ["-blockdev", json.dumps(node)]
    return found, ",pflash0=firmware,pflash1=variables"
