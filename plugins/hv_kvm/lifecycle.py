"""Stop, reset, list and recover guests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ganeti_core.plugin_api import HookContext, HypervisorError
from ganeti_core.plugin_api.data import RunningInstance

from . import migration, processes
from .guests import Guest, all_guests
from .qmp import QmpRefused, QmpUnreachable

FIRST_PATIENCE, MOST_PATIENCE = 0.5, 10.0
"""Seconds between requests to power down, twice as long each time: a guest that is still booting
does not hear the first."""

FIRMWARE_LIMIT = 2.0

RUNNING = frozenset({"running", "debug", "watchdog"})


def stop(guest: Guest, force: bool, timeout: float) -> None:
    """End the guest: by ACPI, by force after `timeout` seconds; returns when nothing is left.

    :raises HypervisorError: its process hangs in the kernel
    """
    if not force:
        _ask_to_stop(guest, time.monotonic() + timeout)
    guest.kill()


def _ask_to_stop(guest: Guest, deadline: float) -> None:
    patience = FIRST_PATIENCE
    while (pid := guest.pid()) is not None and (left := deadline - time.monotonic()) > 0:
        try:
            with guest.control() as qmp:
                if qmp.execute("query-status")["status"] in {"shutdown", *migration.SENT}:
                    return  # it has powered off, or gone; only its QEMU is left
                qmp.execute("system_powerdown")
        except (QmpUnreachable, QmpRefused):
            if guest.pid() is not None:
                return
        if processes.wait_gone(pid, min(left, patience)):
            return
        patience = min(2 * patience, MOST_PATIENCE)


def reboot(guest: Guest, hvparams: Mapping[str, Any]) -> None:
    """Reset the guest inside its running QEMU.

    :raises HypervisorError: it does not run
    """
    if guest.pid() is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    with guest.control() as qmp:
        exits = hvparams["reboot_behavior"] == "exit"
        if exits:
            qmp.execute("set-action", {"reboot": "reset"})
        qmp.execute("system_reset")
        if exits:
            qmp.wait_event("RESET", timeout=10.0)
            # SeaBIOS resets once more by itself when memory is not as at power-on.
            with suppress(QmpUnreachable):
                qmp.wait_event("RESET", FIRMWARE_LIMIT, where={"guest": True})
            qmp.execute("set-action", {"reboot": "shutdown"})
        if qmp.execute("query-status")["status"] not in RUNNING:
            qmp.execute("cont")


def info(guest: Guest) -> RunningInstance | None:
    """Tell of one guest; None when no process of it lives."""
    runtime, pid = guest.load(), guest.pid()
    if pid is None:
        return None
    state = migration.run_state(guest)
    # A QEMU that hangs counts as running: it holds the disks.
    shown = "user-down" if state == "shutdown" else (
        "running" if state in RUNNING or not state else "paused")
    uuid, memory, vcpus = (
        (runtime.spec.uuid, runtime.spec.memory, runtime.spec.vcpus) if runtime
        else _from_command_line(pid))
    return RunningInstance(
        name=guest.name, uuid=uuid,
        state=shown,  # type: ignore[arg-type]  # one of the three literals above
        memory=memory, vcpus=vcpus, cpu_time=processes.cpu_seconds(pid))


def _from_command_line(pid: int) -> tuple[str, int, int]:
    """What can be told of a guest whose remembered state is damaged or of a newer version."""
    words = processes.arguments(pid)
    told = dict(itertools.pairwise(words))
    memory, vcpus = told.get("-m", "0"), told.get("-smp", "1").partition(",")[0]
    return told.get("-uuid", ""), int(memory), int(vcpus)


def resident_memory(ctx: HookContext) -> float:
    """What all guests hold together, MiB."""
    pids = [pid for guest in all_guests(ctx) if (pid := guest.pid())]
    return sum(map(processes.resident_mib, pids))


def recover(ctx: HookContext) -> list[str]:
    """Find guests again and clear away what dead ones left; a line for each."""
    done = []
    for guest in all_guests(ctx):
        if (pid := guest.pid()) is not None:
            done.append(f"found {guest.name} again, pid {pid}")
        elif guest.runtime_file.exists() and guest.load() is None:
            done.append(f"left {guest.name} alone: its state is of a newer version or damaged")
        elif strays := guest.strays():
            with suppress(OSError):
                guest.pid_file.write_text(f"{strays[0]}\n")
            done.append(f"found {guest.name} again without its pid file, pid {strays[0]}")
        else:
            guest.remove()
            done.append(f"cleared away what {guest.name} left")
    return done
