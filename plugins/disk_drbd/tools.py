"""The programs ``drbdsetup`` and ``drbdmeta``, as called on one node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    BlockDeviceError,
    CommandFailed,
    HookContext,
    patience,
    run_command,
)

from . import kernel
from .kernel import Configured, Minor

Run = Callable[..., Any]
"""As `run_command`."""

LIMIT = 30.0
"""Seconds for one call: each talks to the kernel only, or writes notes of a few MiB."""
FOLDERS = ("usr/sbin", "sbin", "usr/local/sbin")


@dataclass(frozen=True)
class Tools:
    """What is below the node's root: its programs, its devices, and what its kernel says."""

    ctx: HookContext
    run: Run = run_command

    def setup(
        self, *words: str, tolerated: tuple[str, ...] = (), limit: float = LIMIT
    ) -> str:
        """Run ``drbdsetup``; return what it prints.

        :param tolerated: parts of messages that mean that there was nothing to do
        :param limit: seconds that it may take
        :raises BlockDeviceError: it refused
        """
        return self._call("drbdsetup", words, tolerated, limit)

    def meta(self, minor: int, notes: str, *words: str, force: bool = False) -> str:
        """Run ``drbdmeta`` for the notes of a device.

        :raises BlockDeviceError: it refused
        """
        forced = ("--force",) if force else ()
        return self._call("drbdmeta", (
            *forced, str(self.device(minor)), "v08", notes, "flex-external", *words), ())

    def device(self, minor: int) -> Path:
        return self.ctx.root / "dev" / f"drbd{minor}"

    def proc(self) -> str:
        """Return ``/proc/drbd``; empty where the module is not loaded."""
        try:
            return (self.ctx.root / "proc/drbd").read_text()
        except OSError:
            return ""

    def helper(self) -> str | None:
        """Return the program that the module calls; None where it does not say.

        A line's end that was written into the parameter is a part of the name, and no such program
        is found then.
        """
        try:
            return (self.ctx.root / "sys/module/drbd/parameters/usermode_helper"
                    ).read_text().removesuffix("\n")
        except OSError:
            return None

    def sectors(self, minor: int) -> int:
        """Return how large a device is.

        :raises OSError: it is not configured
        """
        return int((self.ctx.root / f"sys/block/drbd{minor}/size").read_text())

    def problem(self) -> str:
        """Say why DRBD cannot be used on this node; empty where it can."""
        missing = [name for name in ("drbdsetup", "drbdmeta") if self._program(name) is None]
        if missing:
            return f"{' and '.join(missing)} not found: install drbd-utils"
        found = kernel.version(self.proc())
        helper = self.ctx.config.get("drbd_usermode_helper", "")
        if found is None:
            return ("the kernel module drbd is not loaded: modprobe drbd minor_count=128 "
                    f"usermode_helper={helper}")
        return self.foreign_module()

    def foreign_module(self) -> str:
        """Say why the module that is loaded cannot be driven; empty where it can, or none is."""
        found = kernel.version(self.proc())
        if found is None or (found[0] == 8 and found[1] >= 4):
            return ""
        return (f"the kernel module drbd has the version {found[0]}.{found[1]}, and this disk "
                "template drives 8.4, which comes with the kernel: remove the package that "
                "brought the other one (such as drbd-dkms or kmod-drbd), end its resources with "
                "drbdsetup down all, and run rmmod drbd_transport_tcp drbd; modprobe drbd")

    def minor(self, number: int) -> Minor | None:
        """Return a device as it is; None where it is not configured."""
        return kernel.minors(self.proc()).get(number)

    def configured(self, number: int) -> Configured | None:
        """Return how a device is configured; None where it is not.

        :raises BlockDeviceError: that cannot be found out
        """
        if self._program("drbdsetup") is None or not self.proc():
            return None  # nothing can be configured
        if problem := self.foreign_module():
            if (resource := self._foreign_minors().get(number)) is None:
                return None
            raise BlockDeviceError(f"node {self.ctx.node}: device {self.device(number)} is that "
                                   f"of the resource {resource}, and {problem}")
        return kernel.configured(self.setup("show", str(number), tolerated=(
            "unknown minor", "No such resource", "unknown resource", "not available")))

    def _foreign_minors(self) -> dict[int, str]:
        try:
            return kernel.minors_of_9(self.setup("status", "--json"))
        except ValueError as exc:
            raise BlockDeviceError(f"node {self.ctx.node}: drbdsetup status --json printed no "
                                   f"list of resources: {self.foreign_module()}") from exc

    def _program(self, name: str) -> Path | None:
        paths = [self.ctx.root / folder / name for folder in FOLDERS]
        return next((path for path in paths if path.is_file()), None)

    def _call(
        self, name: str, words: tuple[str, ...], tolerated: tuple[str, ...], limit: float = LIMIT
    ) -> str:
        program = self._program(name)
        if program is None:
            raise BlockDeviceError(f"node {self.ctx.node}: {self.problem()}")
        try:
            return str(self.run([program, *words], timeout=limit * patience()).stdout)
        except CommandFailed as exc:
            if any(part in exc.message for part in tolerated):
                return ""
            raise BlockDeviceError(f"node {self.ctx.node}: {_readable(exc.message)}") from exc


def _readable(message: str) -> str:
    """A secret is an argument: the call is named without what follows its verb."""
    begin, ended, rest = message.partition(" exited with status ")
    return " ".join(begin.split()[:3]) + ended + rest if ended else message
