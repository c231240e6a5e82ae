"""What a guest leaves on its node: a folder in the driver's state, a mount, processes.

Each guest has a folder of its name there, with ``runtime.json``, the instance as it was started,
and ``root``, where its disk is mounted. It runs while there are processes whose root that is.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganeti_core.plugin_api import (
    HookContext,
    HypervisorError,
    guest_folders,
    root_file_systems,
)
from ganeti_core.plugin_api.data import RunningInstance
from ganeti_core.plugin_api.device_counters import disk_usage
from ganeti_core.plugin_api.usage import GuestUsage

STATE_VERSION = 1
KILL_LIMIT = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
POLL = 0.02


@dataclass(frozen=True)
class Process:
    """A process of a guest.

    :param state: the kernel's letter, such as ``T`` for stopped
    :param cpu_seconds: its own, and of its children that have ended
    """

    pid: int
    parent: int
    state: str
    cpu_seconds: float
    memory: float


@dataclass(frozen=True)
class Jail(guest_folders.StartedGuest):
    """One guest's folder; the guest may be dead."""

    ctx: HookContext
    folder: Path
    state_version: ClassVar[int] = STATE_VERSION

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def log(self) -> Path:
        return self.ctx.logs / f"{self.name}.log"

    def processes(self) -> list[Process]:
        """Find the processes of the guest."""
        return list(processes_below(str(self.root.resolve())))

    def info(self) -> RunningInstance | None:
        """The guest as it runs; None when nothing of it does."""
        found, spec = self.processes(), self.spec()
        if not found:
            return None
        return RunningInstance(
            name=self.name, uuid=spec.uuid if spec else "",
            state="paused" if all(one.state == "T" for one in found) else "running",
            memory=spec.memory if spec else 0, vcpus=spec.vcpus if spec else 0,
            cpu_time=sum(one.cpu_seconds for one in found))

    def usage(self) -> GuestUsage | None:
        """What it has used; None when nothing of it runs. It has no cards of its own."""
        found, spec = self.processes(), self.spec()
        if not found:
            return None
        root = disk_usage(spec.disks[0].index, self.root.stat().st_dev) if (
            spec is not None and spec.disks) else None
        return GuestUsage(
            name=self.name, uuid=spec.uuid if spec else "",
            cpu_seconds=sum(one.cpu_seconds for one in found),
            memory=sum(one.memory for one in found), disks=(root,) if root is not None else ())

    def send(self, number: int) -> bool:
        """Send a signal to all processes; return whether there are any."""
        found = self.processes()
        for one in found:
            with suppress(ProcessLookupError):
                os.kill(one.pid, number)
        return bool(found)

    def pause(self) -> None:
        """Stop all processes, those included that are just being begun."""
        until = time.monotonic() + KILL_LIMIT
        while (running := [one for one in self.processes() if one.state not in "TZ"]) and (
                time.monotonic() < until):
            pids = {one.pid for one in running}
            for one in running:
                # Parents first: one that has just forked may wait, deaf to signals, until its child
                # has become another program, which a child that is stopped never does.
                if one.parent not in pids:
                    with suppress(ProcessLookupError):
                        os.kill(one.pid, signal.SIGSTOP)
            time.sleep(POLL)

    def kill(self) -> None:
        """End every process of the guest and take back all that it left.

        :raises HypervisorError: a process hangs in the kernel, or the disk cannot be unmounted; the
            folder stays
        """
        until = time.monotonic() + KILL_LIMIT
        while self.send(signal.SIGKILL):
            if time.monotonic() > until:
                raise HypervisorError(f"processes of {self.name} survive SIGKILL: "
                                      f"{[one.pid for one in self.processes()]}")
            time.sleep(POLL)
        self.remove()

    def remove(self) -> None:
        """Unmount the disk, and what is mounted below it, and delete the folder.

        :raises HypervisorError: it cannot be unmounted; the folder stays
        """
        spec = self.spec()
        root_file_systems.unmount_below(self.root)
        for disk in spec.disks if spec is not None else ():
            if not root_file_systems.await_release(disk.path):
                self.ctx.log.warning("disk %d of %s (%s) is still in use on this node", disk.index,
                                     self.name, disk.path)
        shutil.rmtree(self.folder, ignore_errors=True)


def jail(ctx: HookContext, name: str) -> Jail:
    """The guest of that name, which may not exist.

    :raises HypervisorError: the name cannot be a file's
    """
    return Jail(ctx, guest_folders.guest_folder(ctx, name))


def jails(ctx: HookContext) -> Iterator[Jail]:
    """Every guest that has a folder here."""
    return (Jail(ctx, folder) for folder in guest_folders.guest_folders(ctx))


def processes_below(root: str) -> Iterator[Process]:
    """Find the processes whose root is this folder, or one below it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):  # it ended, or is not ours to see
                there = os.readlink(entry / "root")
                if there == root or there.startswith(f"{root}/"):
                    yield _process(int(entry.name))


def _process(pid: int) -> Process:
    # The name before the state may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    return Process(pid, int(fields[1]), fields[0], sum(map(int, fields[11:15])) / TICKS,
                   int(fields[21]) * PAGE_MIB)
