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
from .command_line import Engine

FALLBACK = "qemu-system-x86_64"


def find_binary(kvm_path: str) -> Path:
    """The program of parameter ``kvm_path``, or where that is missing QEMU of PATH.

    :raises OpPrereqError: there is neither
    """
    if Path(kvm_path).is_file():
        return Path(kvm_path)
    if found := shutil.which(FALLBACK, path=DEFAULT_PATH):
        return Path(found)
    raise OpPrereqError(
        f"kvm_path: there is no {kvm_path}, and no {FALLBACK} in {DEFAULT_PATH}: install QEMU "
        "(Debian: qemu-system-x86)", ECODE_ENVIRON)


class Versions:
    """Remembers what each QEMU says of itself; asked again when its file has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def of(self, binary: Path) -> str:
        """The version, such as ``7.2.22``.

        :raises OpPrereqError: the program does not run
        """
        try:
            key = (str(binary), binary.stat().st_mtime_ns)
            if key not in self._known:
                said = run_command([binary, "--version"], timeout=20.0).stdout
                found = re.search(r"version (\d+(?:\.\d+)+)", said)
                self._known[key] = found.group(1) if found else said.strip()[:40]
        except (OSError, CommandFailed) as exc:
            raise OpPrereqError(f"{binary} cannot be used: {exc}", ECODE_ENVIRON) from exc
        return self._known[key]


def choose_engine(ctx: HookContext, hvparams: Mapping[str, Any], versions: Versions) -> Engine:
    """Decide on program and accelerator for a guest.

    :raises OpPrereqError: there is no usable QEMU
    """
    binary = find_binary(hvparams["kvm_path"])
    flag = str(hvparams["kvm_flag"])
    return Engine(binary, accelerator.choose(ctx, binary, versions.of(binary), flag))
