"""What a domain leaves on its node: a folder in the driver's state, and itself.

Each has a folder of its name there, with ``runtime.json``, the instance as it was started,
``config``, what xl was given, and ``disks``, with a link to each disk. Xen's own scripts for
network cards find the cards' variables where Ganeti puts them, in
``/var/run/ganeti/xen-hypervisor/nic/NAME/INDEX``.

A domain is one of this driver's if it has such a folder. Programs of xl that are at work for it
carry a mark in their environment (`plugin_api.processes`).
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ganeti_core.plugin_api import (
    HookContext,
    HypervisorError,
    InstanceSpec,
    guest_folders,
    processes,
)
from ganeti_core.plugin_api.data import RunningInstance

from .toolstack import CRASH, POWEROFF, Domain, Xl

STATE_VERSION = 1
CARDS = "var/run/ganeti/xen-hypervisor/nic"
DESTROY_LIMIT = 60.0
PATIENCE = 3.0
"""Seconds that programs of xl get to end after their domain."""
AWAY, INCOMING = "--migratedaway", "--incoming"
"""What xl adds to the name of a domain that was sent away, or has not arrived."""
POLL = 0.05
_MEMORY = re.compile(r"^memory = \d+$", re.MULTILINE)


@dataclass(frozen=True)
class Runtime:
    """What is remembered of a domain from its start on.

    `memory`: what it was ordered to have, MiB. `incoming`: it is to arrive by a migration that has
    not been finished. `sending`: it is being sent away.
    """

    spec: InstanceSpec
    memory: int
    incoming: bool = False
    sending: bool = False


@dataclass(frozen=True)
class Guest:
    """One guest's folder; its domain may be gone."""

    xl: Xl
    folder: Path

    @property
    def ctx(self) -> HookContext:
        return self.xl.ctx

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def configuration(self, memory: int) -> str:
        """What xl was given, with the memory that the domain is to have by now."""
        return _MEMORY.sub(f"memory = {memory}", self.config.read_text())

    @property
    def migration(self) -> Path:
        """The folder in which the two ends of a migration leave notes."""
        return self.folder / "migration"

    @property
    def cards(self) -> Path:
        return self.ctx.root / CARDS / self.name

    def domain(self) -> Domain | None:
        return self.xl.domains().get(self.name)

    def info(self, found: dict[str, Domain]) -> RunningInstance | None:
        """The guest as it runs, of all domains; None when it does not, or only an end of a
        migration is here.
        """
        domain, runtime = found.get(self.name), self.load()
        if (runtime is not None and runtime.incoming) or self.was_sent():
            return None
        if domain is None and (runtime is None or runtime.sending or not self.has_programs()):
            return None
        state, reason = self._state(domain, runtime)
        return RunningInstance(
            name=self.name, uuid=runtime.spec.uuid if runtime else "", state=state, reason=reason,
            memory=runtime.memory if runtime else domain.memory if domain else 0,
            vcpus=domain.vcpus if domain else runtime.spec.vcpus if runtime else 0,
            cpu_time=domain.cpu_seconds if domain else 0.0)

    def _state(
        self, domain: Domain | None, runtime: Runtime | None
    ) -> tuple[Literal["running", "paused", "user-down", "crashed"], str]:
        # Without a domain: between the end of one that reboots and the new one.
        if domain is None or not domain.has_shut_down or (runtime and runtime.sending):
            return "paused" if domain is not None and domain.is_paused else "running", ""
        if domain.reason == POWEROFF:
            return "user-down", ""
        if domain.is_suspended:  # somebody has it saved, or a transfer has left it so
            return "paused", ""
        if self.has_programs():  # xl is about to make it anew
            return "running", ""
        ended = "has crashed" if domain.reason == CRASH else "has ended to be rebooted"
        return "crashed", f"it {ended}, and the xl that would have made it anew is gone"

    def was_sent(self) -> bool:
        """Whether all of it was handed over, and it only waits for what becomes of it."""
        return (self.migration / "sent").exists()

    def save(self, runtime: Runtime) -> None:
        """Write what is to be remembered; after a crash the file holds the old or the new."""
        guest_folders.remember(self.folder, STATE_VERSION, runtime)

    def load(self) -> Runtime | None:
        """Return what was remembered; None when there is nothing that can be read."""
        return guest_folders.recall(self.folder, STATE_VERSION, Runtime)

    def is_unreadable(self) -> bool:
        """Whether something is remembered that this driver cannot read."""
        return guest_folders.is_unreadable(self.folder, STATE_VERSION, Runtime)

    def link_disks(self, spec: InstanceSpec) -> InstanceSpec:
        """Make links to the disks, and return the instance with their paths.

        A migration takes the source's configuration along, and a disk may be another device there,
        such as ``/dev/rbd0``: the links are called the same on all nodes.
        """
        folder = self.folder / "disks"
        folder.mkdir(mode=0o700)
        linked = []
        for disk in spec.disks:
            link = folder / str(disk.index)
            link.symlink_to(disk.path)
            linked.append(replace(disk, path=str(link)))
        return replace(spec, disks=tuple(linked))

    def write_cards(self, spec: InstanceSpec) -> None:
        """Tell scripts what the cards are, as Ganeti does.

        :raises HypervisorError: a card's back end cannot be asked
        """
        self.cards.mkdir(mode=0o750, parents=True, exist_ok=True)
        for nic in spec.nics:
            variables = self.ctx.driver("network_backends", nic.mode, "environment", nic=nic,
                                        instance=spec, device="")
            (self.cards / str(nic.index)).write_text("".join(
                f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())
                if name != "INTERFACE"))

    def has_programs(self) -> bool:
        """Whether programs of xl are at work for it."""
        return self.name in processes.kept(self.ctx)

    def kill(self, patience: float = PATIENCE) -> None:
        """End the domain, and what is at work for it, and remove what it left.

        :raises HypervisorError: it cannot be ended; the folder stays
        """
        if not self.folder.exists():
            return
        begun = time.monotonic()
        # Again until none is found: a program that is at work may just be making one.
        while self._destroy() | (busy := self.has_programs()):
            waited = time.monotonic() - begun
            if waited > DESTROY_LIMIT:
                raise HypervisorError(f"{self.name} does not end on {self.ctx.node}")
            # Relays of a migration wait for orders that do not come any more.
            if busy and (waited > patience or self.migration.exists()):
                processes.send(self.ctx, self.name, signal.SIGKILL)
            time.sleep(POLL)
        self.remove()

    def _destroy(self) -> bool:
        found = self.xl.domains()
        mine = [name for name in (self.name, self.name + AWAY, self.name + INCOMING)
                if name in found]
        for name in mine:
            self.xl.destroy(name, DESTROY_LIMIT)
        return bool(mine)

    def remove(self) -> None:
        """Delete what a domain that has ended left; harmless twice."""
        shutil.rmtree(self.cards, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.cards.parent, self.cards.parent.parent):
            with suppress(OSError):  # there are those of others
                folder.rmdir()


def is_possible(name: str) -> bool:
    """Whether a domain can have this name, which is that of its folder, too."""
    return guest_folders.is_possible(name) and name.isprintable() and " " not in name


def guest(xl: Xl, name: str) -> Guest:
    """The guest of that name, which may not exist.

    :raises HypervisorError: the name cannot be a domain's
    """
    if not is_possible(name):
        raise HypervisorError(f"instance name {name!r} cannot be a domain's")
    return Guest(xl, xl.ctx.state / name)


def guests(xl: Xl) -> Iterator[Guest]:
    """Every guest that has a folder here."""
    return (Guest(xl, folder) for folder in guest_folders.guest_folders(xl.ctx))
