"""What a guest leaves on its node: a folder in the driver's state, and a QEMU process.

Each guest has a folder there, of its name, with:

- ``runtime.json``: version, uuid and the instance as it was started; written before QEMU is
- ``pid``: QEMU's pid file, written and removed by QEMU
- ``control``, ``query``: QMP sockets; the second is for readers, so that a listing never waits for
  a change
- ``serial``: the serial console; ``agent``: the guest agent, where it is used

A guest is found by its pid file, and taken for itself only if the process has the pid file's path
and the uuid on its command line: pids are used again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec, guest_folders

from . import processes
from .network import Cards
from .qmp import Qmp

STATE_VERSION = 1


@dataclass(frozen=True)
class Runtime:
    """What is remembered of a guest from its start on.

    `spec`: the instance as it runs, hotplugged devices included, without OS parameters, which may
    be secret. `slots`: PCI slot of each device, by uuid. `incoming`: it was started to receive a
    migration that has not been finished yet; `ordered`: it was ordered to run what it received.
    `halted`: it stands still where it comes from, and is not to run when it has arrived.
    `held`: it ran when a migration away began, and is to run again if it does not go; or when it
    was stopped, to switch a disk. `keys`: the folder of its migrations' keys, as its QEMU sees it.
    `balloon`: the memory that it was ordered to have, MiB; 0 before that. `machine`: the machine
    type that it was started with, in its very version. `root_ports`: whether disks and NICs are on
    root ports, as on q35. `is_quiet`: its agent was asked to hold its file systems. `bearing`:
    names of the devices of disks that have taken the place of others while it ran, by uuid: a
    device keeps its name. `leaving`: devices that the guest was asked to let go and has not, by
    uuid; a reset of its machine takes them from it.
    """

    spec: InstanceSpec
    slots: dict[str, int]
    incoming: bool = False
    ordered: bool = False
    halted: bool = False
    held: bool = False
    keys: str = ""
    balloon: int = 0
    machine: str = ""
    root_ports: bool = False
    is_quiet: bool = False
    bearing: dict[str, str] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()

    @property
    def memory(self) -> int:
        """What the guest has, MiB."""
        return self.balloon or self.spec.memory


@dataclass(frozen=True)
class Guest:
    """One guest's folder; the guest may be dead.

    :param cards: makes and takes back the host's ends of its network cards
    """

    folder: Path
    cards: Cards

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def control_socket(self) -> Path:
        return self.folder / "control"

    @property
    def query_socket(self) -> Path:
        return self.folder / "query"

    @property
    def serial_socket(self) -> Path:
        return self.folder / "serial"

    @property
    def agent_socket(self) -> Path:
        return self.folder / "agent"

    def control(self) -> Qmp:
        """Connect to change something."""
        return Qmp.connect(self.control_socket)

    def query(self, limit: float = 2.0) -> Qmp:
        """Connect to read something."""
        return Qmp.connect(self.query_socket, limit)

    def save(self, runtime: Runtime) -> None:
        """Write what is to be remembered; after a crash the file holds the old or the new."""
        guest_folders.remember(self.folder, STATE_VERSION, runtime)

    def load(self) -> Runtime | None:
        """Read what was remembered; None when there is nothing that can be read."""
        return guest_folders.recall(self.folder, STATE_VERSION, Runtime)

    def is_unreadable(self) -> bool:
        """Whether something is remembered that this driver cannot read."""
        return guest_folders.is_unreadable(self.folder, STATE_VERSION, Runtime)

    def pid(self) -> int | None:
        """The pid of the guest's live QEMU, or None."""
        runtime = self.load()
        uuid = runtime.spec.uuid if runtime else ""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        words = {str(self.pid_file), uuid} - {""}
        return pid if words <= set(processes.arguments(pid)) and processes.is_alive(pid) else None

    def strays(self) -> list[int]:
        """Live processes started for this folder, whatever its pid file says; scans all of /proc.
        """
        return processes.find("-pidfile", str(self.pid_file))

    def remove(self) -> None:
        """Have the network cards detached and delete the folder; harmless twice.

        :raises HypervisorError: a card cannot be detached; the folder stays
        """
        if (runtime := self.load()) is not None:
            self.cards.detach(runtime.spec, runtime.spec.nics)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, patience: float = 2.0) -> None:
        """End every process of the guest and delete its folder.

        :raises HypervisorError: a process hangs in the kernel; its folder stays
        """
        # Again until none is found: one that is just being started forks meanwhile.
        while pids := self.strays():
            for pid in pids:
                if not processes.end(pid, patience):
                    raise HypervisorError(f"QEMU of {self.name} (pid {pid}) survives SIGKILL")
        self.remove()


def guest(ctx: HookContext, name: str) -> Guest:
    """The guest of that name, which may not exist.

    :raises HypervisorError: the name cannot be a file's
    """
    folder = guest_folders.guest_folder(ctx, name)
    return Guest(folder, Cards(ctx, folder))


def all_guests(ctx: HookContext) -> Iterator[Guest]:
    """Every guest that has a folder here."""
    return (Guest(folder, Cards(ctx, folder)) for folder in guest_folders.guest_folders(ctx))
