"""Stop, reset, list and recover guests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import HookContext, HypervisorError
from ganeti_core.plugin_api.data import RunningInstance

from . import agent, hotplug, migration, processes
from .firmware import UEFI
from .guests import Guest, all_guests
from .parameters import filled
from .qmp import ANSWER_LIMIT, Qmp, QmpRefused, QmpUnreachable
from .run_states import DISK_ERROR, NEVER_RAN, POWERED_OFF, SENDING_REST, SENT, meaning

FIRST_PATIENCE, MOST_PATIENCE = 0.5, 10.0
"""Seconds between requests to power down, twice as long each time: a guest that is still booting
does not hear the first."""

AGENT_PATIENCE = 60.0
"""Seconds for a shutdown that the guest agent was asked for, before ACPI is tried, too."""

RESET_LIMIT = 30.0
"""Seconds in which QEMU resets a machine when it is told to."""
FIRMWARE_LIMIT, LOOK = 80.0, 0.25
FIRMWARE_WORK = 5.0
"""After a reset the firmware resets the machine once more: SeaBIOS always does, within this
processor time of QEMU's. How many seconds that takes on a busy host nobody knows."""
SETTLED_WORK, SETTLED_LOOKS = 0.5, 8
"""It does so in several ways, one after the other: on a busy host up to four resets come, with 0.05
seconds of processor time between them. They are over when QEMU has worked for this long without
one, or was idle at so many looks."""
UEFI_LIMIT = 5.0
"""Seconds in which OVMF does so, if at all."""
MIB = 1 << 20
RETRY_LIMIT = 1.0
"""Seconds after which a guest that goes on has repeated what it failed to write before."""


def stop(guest: Guest, force: bool, timeout: float) -> None:
    """End the guest: by its agent, by ACPI, by force after `timeout` seconds; returns when nothing
    is left.

    :raises HypervisorError: its process hangs in the kernel
    """
    if not force:
        deadline = time.monotonic() + timeout
        pid = guest.pid()
        if (pid is not None and agent.is_used(guest) and agent.shut_down(guest)
                and _has_ended(guest, pid, min(timeout, AGENT_PATIENCE))):
            guest.kill()
            return
        _ask_to_stop(guest, deadline)
    guest.kill()


def _has_ended(guest: Guest, pid: int, limit: float) -> bool:
    """Wait until the guest has powered off; its QEMU may stay, as `user_shutdown` has it."""
    until = time.monotonic() + limit
    while not processes.wait_gone(pid, min(FIRST_PATIENCE, until - time.monotonic())):
        if migration.run_state(guest) == POWERED_OFF:
            return True
        if time.monotonic() > until:
            return False
    return True


def _ask_to_stop(guest: Guest, deadline: float) -> None:
    """Ask again and again; who cannot be asked now (QEMU is busy) is asked later."""
    patience = FIRST_PATIENCE
    while (pid := guest.pid()) is not None and (left := deadline - time.monotonic()) > 0:
        try:
            with Qmp.connect(guest.control_socket, min(ANSWER_LIMIT, max(1.0, left))) as qmp:
                state = qmp.execute("query-status")["status"]
                if state in {POWERED_OFF, SENDING_REST, SENT} or meaning(state).is_broken:
                    return  # it has powered off, broken down, or gone; only its QEMU is left
                if state == DISK_ERROR:
                    qmp.execute("cont")  # it hears nothing before it goes on
                qmp.execute("system_powerdown")
        except (QmpUnreachable, QmpRefused) as exc:
            guest.cards.ctx.log.info("%s cannot be asked to shut down: %s", guest.name, exc)
        if processes.wait_gone(pid, min(deadline - time.monotonic(), patience)):
            return
        patience = min(2 * patience, MOST_PATIENCE)


def reboot(guest: Guest, hvparams: Mapping[str, Any]) -> None:
    """Reset the guest inside its running QEMU.

    :param hvparams: as configured; they count where it is not known how the guest was started
    :raises HypervisorError: it does not run
    """
    if guest.pid() is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    # QEMU does at a reset what it was started with: with ``exit`` a reset would end it.
    if (runtime := guest.load()) is not None:
        hvparams = filled(runtime.spec.hvparams)
    with guest.control() as qmp:
        exits = hvparams["reboot_behavior"] == "exit"
        before = qmp.execute("query-status")["status"]
        if exits:
            qmp.execute("set-action", {"reboot": "reset"})
        leaves = runtime is not None and runtime.leaving
        if leaves:
            qmp.execute("stop")  # the firmware is to see what is put back
        qmp.execute("system_reset")
        if exits or leaves:
            qmp.wait_event("RESET", RESET_LIMIT)
        if runtime is not None and leaves:
            hotplug.put_back(runtime, qmp)
            guest.save(replace(runtime, leaving=()))
        if qmp.execute("query-status")["status"] != "running":
            qmp.execute("cont")  # also so that the firmware runs
        if exits and before != NEVER_RAN:
            _await_firmware(guest, qmp, hvparams["boot_type"] == UEFI)
        if exits:
            qmp.execute("set-action", {"reboot": "shutdown"})


def _await_firmware(guest: Guest, qmp: Qmp, uefi: bool) -> None:
    """Wait until the firmware has reset the machine by itself, as it does when memory is not as at
    power-on; after that a reset is the guest's wish."""
    if (pid := guest.pid()) is None:
        return
    until = time.monotonic() + (UEFI_LIMIT if uefi else FIRMWARE_LIMIT)
    enough = processes.cpu_seconds(pid) + FIRMWARE_WORK
    was_reset, idle = False, 0
    while (guest.pid() is not None and time.monotonic() < until and idle < SETTLED_LOOKS
           and processes.cpu_seconds(pid) < enough):
        try:
            qmp.wait_event("RESET", LOOK, where={"guest": True})
        except QmpUnreachable:
            idle = idle + 1 if was_reset and processes.is_idle(pid) else 0
        else:
            was_reset, idle = True, 0
            enough = processes.cpu_seconds(pid) + SETTLED_WORK


def go_on(guest: Guest) -> None:
    """Let a guest that stands still because of a disk try again.

    :raises HypervisorError: the disk still does not work; the guest stands still as before
    """
    if migration.run_state(guest) != DISK_ERROR:
        return
    with guest.control() as qmp:
        qmp.execute("cont")
        if _stopped_again(qmp):
            raise HypervisorError(
                f"{guest.name} still stands still: {meaning(DISK_ERROR).reason}; mend that, then "
                "start it again, and it goes on where it stopped")


def _stopped_again(qmp: Qmp) -> bool:
    """Whether a guest that goes on meets the error again within a moment."""
    with suppress(QmpUnreachable):
        qmp.wait_event("STOP", RETRY_LIMIT)
    return bool(qmp.execute("query-status")["status"] == DISK_ERROR)


def set_memory(guest: Guest, memory: int) -> None:
    """Let the running guest have `memory` MiB.

    :raises HypervisorError: it does not run, or has no balloon
    """
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    try:
        with guest.control() as qmp:
            qmp.execute("balloon", {"value": memory * MIB})
    except QmpRefused as exc:
        raise HypervisorError(f"the memory of {guest.name} cannot be changed: {exc}; one that was "
                              "started by an earlier version must be restarted first") from exc
    guest.save(replace(runtime, balloon=memory))


def info(guest: Guest) -> RunningInstance | None:
    """The guest that runs here; None when no process of it lives, or only an end of a migration."""
    runtime, pid = guest.load(), guest.pid()
    if pid is None:
        return None
    state = migration.run_state(guest)
    if migration.side_of(state, runtime) != "runs":
        return None
    found = meaning(state)
    uuid, memory, vcpus = (
        (runtime.spec.uuid, runtime.memory, runtime.spec.vcpus) if runtime
        else _from_command_line(pid))
    return RunningInstance(
        name=guest.name, uuid=uuid,
        state=found.shown, reason=found.reason,
        memory=memory, vcpus=vcpus, cpu_time=processes.cpu_seconds(pid))


def _from_command_line(pid: int) -> tuple[str, int, int]:
    """What can be told of a guest whose remembered state is damaged or of a newer version."""
    words = processes.arguments(pid)
    # The driver's own words come before those of `kvm_extra`.
    told = dict(reversed(list(itertools.pairwise(words))))
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
        elif guest.is_unreadable():
            done.append(f"left {guest.name} alone: its state is of a newer version or damaged")
        elif strays := guest.strays():
            with suppress(OSError):
                guest.pid_file.write_text(f"{strays[0]}\n")
            done.append(f"found {guest.name} again without its pid file, pid {strays[0]}")
        else:
            done.append(_cleared(guest))
    return done


def _cleared(guest: Guest) -> str:
    try:
        guest.remove()
    except HypervisorError as exc:
        return f"could not clear away all that {guest.name} left: {exc}"
    return f"cleared away what {guest.name} left"
