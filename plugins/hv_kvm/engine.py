"""Which QEMU is used, and what it can do here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_ENVIRON,
    CommandFailed,
    HookContext,
    OpPrereqError,
    run_command,
)
from ganeti_core.plugin_api.run import DEFAULT_PATH

from . import accelerator
from .command_line import Engine, Facts
from .parameters import PARAMETERS

FALLBACK = "qemu-system-x86_64"
SANDBOX = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's system call filter, but for ``elevateprivileges``, which depends on the guest's user."""


def find_binary(kvm_path: str) -> Path:
    """The program of parameter ``kvm_path``; where the default is missing, QEMU of PATH.

    :raises OpPrereqError: it is not there
    """
    if Path(kvm_path).is_file():
        return Path(kvm_path)
    if kvm_path != PARAMETERS["kvm_path"].default:
        raise OpPrereqError(
            f"kvm parameter kvm_path={kvm_path!r}: no such file on this node", ECODE_ENVIRON)
    if found := shutil.which(FALLBACK, path=DEFAULT_PATH):
        return Path(found)
    raise OpPrereqError(
        f"kvm_path: there is no {kvm_path}, and no {FALLBACK} in {DEFAULT_PATH}: install QEMU "
        "(Debian: qemu-system-x86)", ECODE_ENVIRON)


class Programs:
    """Remembers what each QEMU says of itself; asked again when its file has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Facts] = {}

    def of(self, binary: Path) -> Facts:
        """:raises OpPrereqError: the program does not run"""
        try:
            key = (str(binary), binary.stat().st_mtime_ns)
            if key not in self._known:
                self._known[key] = _facts(binary)
        except (OSError, CommandFailed) as exc:
            raise OpPrereqError(f"{binary} cannot be used: {exc}", ECODE_ENVIRON) from exc
        return self._known[key]


def _facts(binary: Path) -> Facts:
    try:
        said, sandbox = _said(binary, "-sandbox", SANDBOX, "-version"), SANDBOX
    except CommandFailed:
        said, sandbox = _said(binary, "-version"), ""
    found = re.search(r"version (\d+(?:\.\d+)+)", said)
    return Facts(found.group(1) if found else said.strip()[:40], sandbox)


def machine_types(binary: Path) -> set[str]:
    """The machine types that a QEMU knows.

    :raises OpPrereqError: it does not say
    """
    return {line.split()[0] for line in _listed(binary, "-machine")[1:] if line.strip()}


def processor_models(binary: Path) -> set[str]:
    """The CPU models that a QEMU knows.

    :raises OpPrereqError: it does not say
    """
    found = set()
    for line in _listed(binary, "-cpu"):
        words = line.split()
        if line.startswith("Recognized"):
            break
        if words and not line.endswith(":"):
            # Before version 9 each line begins with the architecture.
            found.add(words[1] if words[0] == "x86" and len(words) > 1 else words[0])
    return found


def has_spice(binary: Path) -> bool:
    """Whether a QEMU can have SPICE screens."""
    try:
        _said(binary, "-spice", "disable-ticketing=on", "-version")
    except (OSError, CommandFailed):
        return False
    return True


def _listed(binary: Path, option: str) -> list[str]:
    try:
        return _said(binary, option, "help").splitlines()
    except (OSError, CommandFailed) as exc:
        raise OpPrereqError(f"{binary} cannot be used: {exc}", ECODE_ENVIRON) from exc


def _said(binary: Path, *words: str) -> str:
    return run_command([binary, *words], timeout=20.0).stdout


def choose_engine(ctx: HookContext, hvparams: Mapping[str, Any], programs: Programs) -> Engine:
    """Decide on program and accelerator for a guest.

    :raises OpPrereqError: there is no usable QEMU
    """
    binary = find_binary(hvparams["kvm_path"])
    facts, flag = programs.of(binary), str(hvparams["kvm_flag"])
    return Engine(binary, accelerator.choose(ctx, binary, facts.version, flag), facts)
