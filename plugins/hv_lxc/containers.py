"""What a container leaves on its node: a folder in the driver's state, processes and cgroups.

Each container has a folder of its name there, which LXC's programs find with ``-P``, with:

- ``runtime.json``: version and the instance as it was started; written before anything is
- ``config``: the container's configuration
- ``rootfs``: where its root file system is mounted, seen from inside only

A container runs while there are processes in its cgroups. LXC's own processes, which start it and
look after it, carry a mark in their environment (`plugin_api.processes`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganeti_core.plugin_api import (
    HookContext,
    HypervisorError,
    guest_folders,
    processes,
    root_file_systems,
)
from ganeti_core.plugin_api.data import RunningInstance

from .cgroups import Group, Hierarchy, hierarchies
from .limits import Limits, limits_of
from .veths import Cards

STATE_VERSION = 1
READABLE = 100
"""So much of a name is in those of cgroups."""
KILL_LIMIT = 20.0
PATIENCE = 3.0
"""Seconds that LXC's own processes get to tidy up after the container has ended."""
POLL = 0.02


@dataclass(frozen=True)
class Host:
    """A node, as looked at once for all of its containers."""

    ctx: HookContext
    hierarchies: tuple[Hierarchy, ...]
    limits: Limits

    @classmethod
    def here(cls, ctx: HookContext) -> Host:
        found = hierarchies()
        return cls(ctx, found, limits_of(found))

    def container(self, name: str) -> Container:
        """Return the container of that name, which may not exist.

        :raises HypervisorError: the name cannot be a file's
        """
        return Container(self, guest_folders.guest_folder(self.ctx, name))

    def containers(self) -> Iterator[Container]:
        """Give every container that has a folder here."""
        return (Container(self, folder) for folder in guest_folders.guest_folders(self.ctx))


@dataclass(frozen=True)
class Container(guest_folders.StartedGuest):
    """One container's folder; the container may be dead."""

    host: Host
    folder: Path
    state_version: ClassVar[int] = STATE_VERSION

    @property
    def ctx(self) -> HookContext:
        return self.host.ctx

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def root(self) -> Path:
        return self.folder / "rootfs"

    @property
    def log(self) -> Path:
        return self.ctx.logs / f"{self.name}.log"

    @property
    def console_log(self) -> Path:
        return self.ctx.logs / f"{self.name}.console.log"

    @property
    def cards(self) -> Cards:
        return Cards(self.ctx, self.folder)

    @property
    def group(self) -> Group:
        """Its cgroups, whose names no container of another node on this host has."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Group(
            self.host.hierarchies, f"ganeti.{self.name[:READABLE]}.{digest}", self.name)

    def program(self, name: str, *words: str) -> list[str]:
        """Return one of LXC's programs, for this container."""
        return [name, "-P", str(self.folder.parent), "-n", self.name, *words]

    def is_running(self) -> bool:
        return bool(self.group.pids())

    def info(self) -> RunningInstance | None:
        """The container as it runs; None when nothing of it does."""
        group, limits, spec = self.group, self.host.limits, self.spec()
        if not group.pids():
            return None
        return RunningInstance(
            name=self.name, uuid=spec.uuid if spec else "",
            state="paused" if limits.is_frozen(group) else "running",
            memory=limits.memory(group),
            vcpus=limits.vcpus(group) or (spec.vcpus if spec else 0),
            cpu_time=limits.cpu_seconds(group))

    def has_helpers(self) -> bool:
        """Whether LXC's own processes of this container are there."""
        return self.name in processes.kept(self.ctx)

    def kill(self, patience: float = PATIENCE) -> None:
        """End every process of the container and remove all that it left.

        :raises HypervisorError: a process hangs in the kernel, or a card cannot be detached; the
            folder stays
        """
        begun = time.monotonic()
        # Again until none is found: one that is just being started makes others meanwhile.
        while self._end_processes() | (helped := self.has_helpers()):
            waited = time.monotonic() - begun
            if waited > KILL_LIMIT:
                raise HypervisorError(f"processes of {self.name} survive SIGKILL: "
                                      f"{sorted(self.group.pids())}")
            if helped and waited > patience:
                processes.send(self.ctx, self.name, signal.SIGKILL)
            time.sleep(POLL)
        self.remove()

    def _end_processes(self) -> bool:
        group = self.group
        if not group.send_kill():
            return False
        # What stands still hears nothing, SIGKILL included.
        self.host.limits.thaw(group)
        return True

    def remove(self) -> None:
        """Take back what a container that has ended left; harmless twice.

        :raises HypervisorError: a card cannot be detached; the folder stays
        """
        spec = self.spec()
        if spec is not None:
            self.cards.remove(spec)
        self.group.remove()
        for disk in spec.disks if spec is not None else ():
            if not root_file_systems.await_release(disk.path):
                self.ctx.log.warning("disk %d of %s (%s) is still in use on this node", disk.index,
                                     self.name, disk.path)
        shutil.rmtree(self.folder, ignore_errors=True)
