"""What a guest leaves on its node: a folder in the driver's state, and a QEMU process.

Each guest has a folder there, of its name, with:

- ``runtime.json``: version, uuid and the instance as it was started; written before QEMU is
- ``pid``: QEMU's pid file, written and removed by QEMU
- ``control``, ``query``: QMP sockets; the second is for readers, so that a listing never waits for
  a change
- ``serial``: the serial console

A guest is found by its pid file, and taken for itself only if the process has the pid file's path
and the uuid on its command line: pids are used again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.codec import decode, encode

from . import processes
from .qmp import Qmp

STATE_VERSION = 1


@dataclass(frozen=True)
class Runtime:
    """What is remembered of a guest from its start on.

    `spec`: the instance as it runs, hotplugged devices included, without OS parameters, which may
    be secret. `slots`: PCI slot of each device, by uuid. `incoming`: it was started to receive a
    migration that has not been finished yet. `unclear`: a migration was given up at the very
    moment when the guest changed sides, so only the target knows where it is.
    """

    spec: InstanceSpec
    slots: dict[str, int]
    incoming: bool = False
    unclear: bool = False


@dataclass(frozen=True)
class Guest:
    """One guest's folder; the guest may be dead."""

    folder: Path

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
    def runtime_file(self) -> Path:
        return self.folder / "runtime.json"

    def control(self) -> Qmp:
        """Connect to change something."""
        return Qmp.connect(self.control_socket)

    def query(self, limit: float = 2.0) -> Qmp:
        """Connect to read something."""
        return Qmp.connect(self.query_socket, limit)

    def save(self, runtime: Runtime) -> None:
        """Write what is to be remembered; after a crash the file holds the old or the new."""
        document = {
            "version": STATE_VERSION,
            "spec": encode(replace(runtime.spec, osparams={})),
            "slots": runtime.slots,
            "incoming": runtime.incoming,
            "unclear": runtime.unclear,
        }
        draft = self.folder / "runtime.json.new"
        draft.write_text(json.dumps(document))
        draft.replace(self.runtime_file)

    def load(self) -> Runtime | None:
        """Read what was remembered; None when there is nothing that can be read."""
        try:
            document: dict[str, Any] = json.loads(self.runtime_file.read_text())
            if document["version"] > STATE_VERSION:
                return None
            return Runtime(decode(InstanceSpec, document["spec"]),
                           decode(dict[str, int], document["slots"]),
                           bool(document["incoming"]), bool(document["unclear"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

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
        """Delete the folder; harmless twice."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, patience: float = 2.0) -> None:
        """End every process of the guest and delete its folder.

        :raises HypervisorError: a process hangs in the kernel; its folder stays
        """
        # Again until none is found: a QEMU that is just turning into a daemon forks meanwhile.
        while pids := self.strays():
            for pid in pids:
                if not processes.end(pid, patience):
                    raise HypervisorError(f"QEMU of {self.name} (pid {pid}) survives SIGKILL")
        self.remove()


def guest(ctx: HookContext, name: str) -> Guest:
    """The guest of that name, which may not exist.

    :raises HypervisorError: the name cannot be a file's
    """
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise HypervisorError(f"instance name {name!r} cannot be used as a file name")
    return Guest(ctx.state / name)


def all_guests(ctx: HookContext) -> Iterator[Guest]:
    """Every guest that has a folder here."""
    with suppress(FileNotFoundError):
        for folder in sorted(ctx.state.iterdir()):
            if folder.is_dir():
                yield Guest(folder)
