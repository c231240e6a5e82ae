"""Live migration over TCP, driven through QMP.

The target listens on its node's own address, on a port that the kernel gave. It runs the guest as
soon as it has it all, without waiting for the master. The source asks for the target's word (the
*return path*), so ``completed`` means that the target could load the guest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import HypervisorError, InstanceSpec
from ganeti_core.plugin_api.data import MigrationStatus, MigrationTarget

from . import devices
from .guests import Guest, Runtime
from .parameters import PARAMETERS
from .qmp import Qmp, QmpRefused, QmpUnreachable

MIB = 1 << 20
BEGIN_LIMIT = 8.0
END_LIMIT = 20.0
ARRIVAL_LIMIT = 30.0
POLL = 0.02
STATES = {
    "none": "none", "completed": "completed", "failed": "failed", "cancelled": "cancelled"}
RECEIVING = frozenset({"inmigrate"})
SENT = frozenset({"postmigrate", "finish-migrate"})


def receive(guest: Guest, address: str, hvparams: Mapping[str, Any]) -> MigrationTarget:
    """Let a QEMU started as ``incoming`` listen; tell where.

    :raises HypervisorError: it cannot listen there
    """
    wanted = int(hvparams["migration_port"])
    port = 0 if wanted == PARAMETERS["migration_port"].default else wanted
    with guest.control() as qmp:
        _set_capabilities(qmp, hvparams)
        qmp.execute("migrate-incoming", {"uri": f"tcp:{_bracketed(address)}:{port}"})
        if not port:
            listening = qmp.execute("query-migrate").get("socket-address") or []
            port = next((int(item["port"]) for item in listening if "port" in item), 0)
    if not port:
        raise HypervisorError(f"QEMU does not tell on which port it awaits {guest.name}")
    return MigrationTarget(address=address, port=port)


def check_same(guest: Guest, instance: InstanceSpec) -> None:
    """Check that the target, which follows the config, gives the guest the machine it has.

    :raises HypervisorError: it was changed since its start
    """
    runtime = guest.load()
    if runtime is None:
        raise HypervisorError(f"it is not known how {guest.name} was started; restart it")
    had, has = _machine(runtime.spec, runtime.slots), _machine(instance, devices.slots(instance))
    if changed := [what for what in had if had[what] != has[what]]:
        raise HypervisorError(
            f"{guest.name} runs with another {' and '.join(changed)} than its configuration says, "
            "so it cannot be migrated live; restart it first")


def _machine(instance: InstanceSpec, slots: Mapping[str, int]) -> dict[str, object]:
    params = instance.hvparams
    shape = ("machine_version", "cpu_type", "disk_type", "nic_type", "serial_console", "vga",
             "usb_mouse", "acpi", "scsi_controller_type")
    return {
        "memory size": instance.memory, "number of CPUs": instance.vcpus,
        "order of devices": dict(slots), **{name: params[name] for name in shape}}


def send(
    guest: Guest, target: MigrationTarget, hvparams: Mapping[str, Any], live: bool
) -> None:
    """Begin to send the guest.

    :raises HypervisorError: it did not begin; the guest runs on
    """
    _forget_doubt(guest)
    with guest.control() as qmp:
        paused_before = qmp.execute("query-status")["status"] == "paused"
        _set_capabilities(qmp, hvparams)
        qmp.execute("migrate-set-parameters", {
            "max-bandwidth": int(hvparams["migration_bandwidth"]) * MIB,
            "downtime-limit": int(hvparams["migration_downtime"])})
        if not live:
            qmp.execute("stop")
        try:
            qmp.execute("migrate", {"uri": f"tcp:{_bracketed(target.address)}:{target.port}"})
            _await_begin(qmp, guest.name)
        except HypervisorError:
            if not live and not paused_before:
                qmp.execute("cont")
            raise


def status(guest: Guest) -> MigrationStatus:
    """Tell how far the transfer is."""
    if guest.pid() is None:
        return MigrationStatus("none", message=f"{guest.name} does not run here")
    with guest.query() as qmp:
        found = _status(qmp)
    runtime = guest.load()
    if runtime is not None and runtime.unclear:
        return replace(found, state="completed", message="given up while the guest changed sides")
    return found


def abort(guest: Guest) -> None:
    """Give up a transfer; returns when it has ended, one way or the other.

    While the guest changes sides QEMU takes a cancellation, starts the guest here again, and yet
    the target may have all of it and run it too. So at that point there is nothing to give up any
    more; and where the cancellation and the change cross, the guest is held here until the target
    was asked.

    :raises HypervisorError: QEMU does not answer
    """
    if guest.pid() is None:
        return
    with guest.control() as qmp:
        if _status(qmp).state != "active":
            return
        if qmp.execute("query-status")["status"] not in SENT:
            qmp.execute("migrate_cancel")
        deadline = time.monotonic() + END_LIMIT
        while (ended := _status(qmp).state) == "active" and time.monotonic() < deadline:
            time.sleep(POLL)
        if ended == "cancelled" and qmp.seen("STOP"):
            qmp.execute("stop")
            runtime = guest.load()
            if runtime is not None:
                guest.save(replace(runtime, unclear=True))


def settle_source(guest: Guest) -> None:
    """Make sure, after a migration that was given up, that the guest runs here.

    :raises HypervisorError: it does not run, or has moved: then this end must stay still
    """
    if guest.pid() is None:
        raise HypervisorError(f"{guest.name} does not run on this node any more")
    abort(guest)
    with guest.control() as qmp:
        if _status(qmp).state == "completed":
            raise HypervisorError(f"{guest.name} has already moved to the other node")
        if qmp.execute("query-status")["status"] in {"paused", *SENT}:
            qmp.execute("cont")
    _forget_doubt(guest)


def _forget_doubt(guest: Guest) -> None:
    runtime = guest.load()
    if runtime is not None and runtime.unclear:
        guest.save(replace(runtime, unclear=False))


def settle_target(guest: Guest) -> None:
    """After success: wait until the guest has arrived, let it run, note that it is at home here.

    :raises HypervisorError: it did not arrive
    """
    deadline = time.monotonic() + ARRIVAL_LIMIT
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} did not arrive: its QEMU is gone")
    with guest.control() as qmp:
        while (state := qmp.execute("query-status")["status"]) in RECEIVING:
            if time.monotonic() > deadline:
                raise HypervisorError(f"{guest.name} did not arrive in {ARRIVAL_LIMIT:g} s")
            time.sleep(POLL)
        if state != "running":
            qmp.execute("cont")
    guest.save(replace(runtime, incoming=False))


def dismiss_target(guest: Guest) -> None:
    """After failure: end the receiver, unless the guest has come to run in it."""
    runtime = guest.load()
    if guest.pid() is not None and run_state(guest) == "running":
        if runtime is not None:
            guest.save(replace(runtime, incoming=False))
        return
    guest.kill()


def is_leftover(guest: Guest, runtime: Runtime | None) -> bool:
    """Tell whether a live QEMU is only one end of a migration: it waits, or its guest has gone."""
    state = run_state(guest)
    return state in RECEIVING | SENT or (
        runtime is not None and runtime.incoming and state != "running")


def run_state(guest: Guest) -> str:
    """QEMU's word for the guest's state; empty when it does not answer."""
    try:
        with guest.query() as qmp:
            return str(qmp.execute("query-status")["status"])
    except (QmpUnreachable, QmpRefused):
        return ""


def _status(qmp: Qmp) -> MigrationStatus:
    answer = qmp.execute("query-migrate")
    ram = answer.get("ram") or {}
    return MigrationStatus(
        state=STATES.get(answer.get("status", "none"), "active"),  # type: ignore[arg-type]  # the table's values are the literals
        transferred_ram=int(ram.get("transferred", 0)), total_ram=int(ram.get("total", 0)),
        message=str(answer.get("error-desc", "")))


def _await_begin(qmp: Qmp, name: str) -> None:
    # QEMU connects in the background: a closed port is known only a moment later.
    deadline = time.monotonic() + BEGIN_LIMIT
    while True:
        answer = qmp.execute("query-migrate")
        state = answer.get("status", "none")
        if state == "failed":
            why = answer.get("error-desc") or "no reason given"
            raise HypervisorError(f"the migration of {name} did not begin: {why}")
        if state not in ("none", "setup"):
            return
        if time.monotonic() > deadline:
            qmp.execute("migrate_cancel")
            raise HypervisorError(f"the migration of {name} did not begin: the target is silent")
        time.sleep(POLL)


def _set_capabilities(qmp: Qmp, hvparams: Mapping[str, Any]) -> None:
    names = ["return-path", *filter(None, str(hvparams["migration_caps"]).split(":"))]
    qmp.execute("migrate-set-capabilities", {
        "capabilities": [{"capability": name, "state": True} for name in names]})


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
