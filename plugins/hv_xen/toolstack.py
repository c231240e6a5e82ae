"""What xl shows and does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganeti_core.plugin_api import (
    CommandFailed,
    HookContext,
    HypervisorError,
    patience,
    run_command,
)
from ganeti_core.plugin_api.data import HostFacts
from ganeti_core.plugin_api.run import DEFAULT_PATH

HOST = "Domain-0"
ASK_LIMIT = 7.0
POWEROFF, SUSPEND, CRASH = 0, 2, 3
"""Of Xen's reasons for a domain to shut down (xen/include/public/sched.h). With the others, such as
a reboot, it is made anew."""
# The letters of state are rbpsd; the last but one is the reason, one of rscwS or a question mark.
_ROW = re.compile(r"(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([rbpscdwS?-]{6,7})\s+([\d.]+)"
                  r"(?:\s+[\da-f-]{36}\s+(?:([\da-f]+)|-)(?:\s.*)?)?")


@dataclass(frozen=True)
class Domain:
    """A domain as ``xl list -v`` shows it. `memory` in MiB; `flags` such as ``-b----``.

    :param reason: why it has shut down, by Xen's numbers
    """

    name: str
    number: int
    memory: int
    vcpus: int
    flags: str
    cpu_seconds: float
    reason: int = POWEROFF

    @property
    def is_paused(self) -> bool:
        return "p" in self.flags

    @property
    def has_shut_down(self) -> bool:
        """Whether the guest has ended and only its domain is left."""
        return "s" in self.flags or "c" in self.flags

    @property
    def is_suspended(self) -> bool:
        """Whether it stands still and waits for somebody who saves it, or lets it go on."""
        return self.has_shut_down and self.reason == SUSPEND


@dataclass(frozen=True)
class Xl:
    """The program, as called on one node."""

    ctx: HookContext
    program: str = "xl"

    def run(self, *words: str, timeout: float, env: Mapping[str, str] | None = None) -> str:
        """Run a subcommand; return what it prints.

        :raises CommandFailed: it refused, or took too long
        """
        return run_command(
            [self.program, *words], timeout=timeout * patience(), cwd=self.ctx.state,
            env=env or {"PATH": DEFAULT_PATH, "LC_ALL": "C"}).stdout

    def domains(self) -> dict[str, Domain]:
        """Return all domains by name.

        :raises HypervisorError: they cannot be listed
        """
        try:
            return listed(self.run("list", "-v", timeout=ASK_LIMIT))
        except CommandFailed as exc:
            raise HypervisorError(f"the domains of {self.ctx.node} cannot be listed: "
                                  f"{exc.message}") from exc

    def destroy(self, name: str, timeout: float) -> None:
        """End a domain; one that is not there is no error.

        :raises HypervisorError: it is still there
        """
        try:
            self.run("destroy", name, timeout=timeout)
        except CommandFailed as exc:
            if name in self.domains():
                raise HypervisorError(f"{name} cannot be ended: {exc.message}") from exc

    def facts(self, domains: Mapping[str, Domain], own: int) -> HostFacts:
        """Return what the host has.

        :param domains: as `domains` lists them
        :param own: memory of this driver's guests, MiB
        :raises HypervisorError: Xen does not run here
        """
        try:
            told = informed(self.run("info", timeout=ASK_LIMIT))
            host = domains.get(HOST)
            total, free = int(told["total_memory"]), int(told["free_memory"])
            cpus = int(told["nr_cpus"])
            threads = int(told["cores_per_socket"]) * int(told["threads_per_core"])
            return HostFacts(
                memory_total=total, memory_free=free, memory_host=max(0, total - free - own),
                cpu_total=cpus, cpu_sockets=max(1, cpus // max(1, threads)),
                cpu_nodes=int(told["nr_nodes"]), cpu_host=host.vcpus if host else 0,
                version=f"{told['xen_major']}.{told['xen_minor']}")
        except (CommandFailed, KeyError, ValueError) as exc:
            raise HypervisorError(f"Xen on {self.ctx.node} does not say what it has: {exc}"
                                  ) from exc


def listed(text: str) -> dict[str, Domain]:
    """Read ``xl list -v``; domains without a name are being made or ended."""
    rows = (_ROW.fullmatch(line.strip()) for line in text.splitlines())
    return {row[1]: Domain(row[1], int(row[2]), int(row[3]), int(row[4]), row[5], float(row[6]),
                           int(row[7] or "0", 16))
            for row in rows if row and row[1] != "(null)"}


def informed(text: str) -> dict[str, str]:
    """Read ``xl info``."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def installed(program: str) -> bool:
    """Return whether there is such a program."""
    folders = [Path(folder) for folder in DEFAULT_PATH.split(":")]
    return Path(program).is_file() or any((folder / program).is_file() for folder in folders)
