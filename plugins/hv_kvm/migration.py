"""Live migration over TCP and TLS, driven through QMP.

The target listens on its node's own address, on a port that the kernel gave. It is started with its
processors stopped, so that it never runs the guest by itself: where the connection breaks at the
very end, the source's QEMU lets the guest run again, and the target cannot know that. The source
asks for the target's confirmation (the *return path*), so ``completed`` means that the target has
loaded the guest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from ganeti_core.plugin_api import HypervisorError
from ganeti_core.plugin_api.data import MigrationStatus, MigrationTarget

from . import confinement, convergence, encryption
from .guests import Guest, Runtime
from .parameters import PARAMETERS
from .postcopy import CUT, MENDING
from .qmp import Qmp, QmpRefused, QmpUnreachable
from .run_states import HALTED, POWERED_OFF, RECEIVING, SENDING_REST, SENT, meaning

MIB = 1 << 20
BEGIN_LIMIT = 8.0
REST_LIMIT = 5.0
END_LIMIT = 20.0
ARRIVAL_LIMIT = 30.0
FIRST_POLL, POLL = 0.001, 0.02
HANDED_OVER = frozenset({"postcopy-active", CUT, *MENDING})
"""The guest is the target's, and the rest of its memory is sent on demand."""
WAS_SENT = HANDED_OVER | {"completed"}
STATES = {
    "none": "none", "completed": "completed", "failed": "failed", "cancelled": "cancelled",
    **dict.fromkeys(HANDED_OVER, "completed")}
REST_ON_DEMAND_LIMIT = 45.0
"""Seconds that the end of a source waits for the rest to be sent on demand."""
LATE_DISKS = "late-block-activate"
"""A capability of the target: it takes the disks when it is ordered to run the guest. By itself it
does as soon as all has come, when the source may still find that the transfer failed and take them
back; where both have them, the locks on their files end the source's QEMU, and with it the guest
(an assertion on inactive block devices, seen with 7.2)."""
Side = Literal["none", "runs", "receiving", "sent"]


def receive(guest: Guest, address: str, hvparams: Mapping[str, Any]) -> MigrationTarget:
    """Let a QEMU started as ``incoming`` listen; tell where.

    :raises HypervisorError: it cannot listen there
    """
    wanted, key = int(hvparams["migration_port"]), encryption.new_key()
    port = 0 if wanted == PARAMETERS["migration_port"].default else wanted
    runtime = guest.load()
    # A guest that is not to run is given no such order.
    waits = () if runtime is not None and runtime.halted else (LATE_DISKS,)
    with guest.control() as qmp:
        _set_capabilities(qmp, hvparams, *waits)
        encryption.encrypt(guest, qmp, "server", key)
        qmp.execute("migrate-incoming", {"uri": f"tcp:{_bracketed(address)}:{port}"})
        if not port:
            listening = qmp.execute("query-migrate").get("socket-address") or []
            port = next((int(item["port"]) for item in listening if "port" in item), 0)
    if not port:
        raise HypervisorError(f"QEMU does not tell on which port it awaits {guest.name}")
    return MigrationTarget(address=address, port=port, details={"key": key})


def send(
    guest: Guest, target: MigrationTarget, hvparams: Mapping[str, Any], live: bool
) -> None:
    """Begin to send the guest.

    :raises HypervisorError: it did not begin; the guest runs on
    """
    with guest.control() as qmp:
        state = qmp.execute("query-status")["status"]
        if state == POWERED_OFF:
            raise HypervisorError(f"{guest.name} has powered off: there is nothing to send")
        if (found := meaning(state)).is_broken:
            raise HypervisorError(
                f"{guest.name} stands still and would nowhere run on: {found.reason}; reset it "
                "with gnt-instance reboot")
        _hold(guest, state not in HALTED)
        _set_capabilities(qmp, hvparams)
        qmp.execute("migrate-set-parameters", {
            "max-bandwidth": int(hvparams["migration_bandwidth"]) * MIB,
            "max-postcopy-bandwidth": int(hvparams["migration_bandwidth"]) * MIB,
            "downtime-limit": int(hvparams["migration_downtime"])})
        encryption.encrypt(guest, qmp, "client", str(target.details.get("key", "")))
        if not live:
            qmp.execute("stop")
        try:
            qmp.execute("migrate", {"uri": f"tcp:{_bracketed(target.address)}:{target.port}"})
            _await_begin(qmp, guest.name)
        except HypervisorError:
            if not live and state not in HALTED:
                qmp.execute("cont")
            raise


def status(guest: Guest) -> MigrationStatus:
    """How far the transfer is, and which end of it is here.

    :raises HypervisorError: there is a QEMU, but it does not answer
    """
    if guest.pid() is None:
        return MigrationStatus(
            "none", message=f"{guest.name} does not run here", guest="none")
    with guest.query() as qmp:
        found, state = _status(qmp), _state(qmp)
    return replace(found, guest=side_of(state, guest.load()))


def side(guest: Guest) -> Side:
    """What is here of the guest.

    A QEMU that does not answer counts as running: it holds the disks. Not so a receiver that was
    never ordered to run its guest.
    """
    if guest.pid() is None:
        return "none"
    return side_of(run_state(guest), guest.load())


def side_of(state: str, runtime: Runtime | None) -> Side:
    """What a QEMU in this state is, with what is remembered of its guest."""
    incoming = runtime is not None and runtime.incoming and state != "running"
    if not state:
        return "receiving" if incoming and runtime is not None and not runtime.ordered else "runs"
    if incoming or state == RECEIVING:
        return "receiving"
    return "sent" if state == SENT else "runs"


def abort(guest: Guest) -> None:
    """Give up a transfer; returns when it has ended, one way or the other.

    While QEMU sends the rest of a stopped guest there is nothing to be gained by a cancellation,
    unless the connection has stalled.

    :raises HypervisorError: QEMU does not answer, or the transfer does not end
    """
    if guest.pid() is None:
        return
    with guest.control() as qmp:
        if qmp.execute("query-status")["status"] == SENDING_REST and _ends(qmp, REST_LIMIT):
            return
        if _status(qmp).state != "active":
            return
        _break_off(qmp)
        if not _ends(qmp, END_LIMIT):
            raise HypervisorError(
                f"the transfer of {guest.name} does not end {END_LIMIT:g} s after it was cancelled")


def _break_off(qmp: Qmp) -> None:
    """Let the transfer fail by its connection, and cancel it only where that is not to be had.

    A cancellation that meets the moment in which QEMU gives up its disks ends QEMU itself, and with
    it the guest (an assertion on inactive block devices, seen with 7.2). After a connection that is
    lost at that moment QEMU takes the disks back, and the guest goes on.
    """
    try:
        qmp.execute("yank", {"instances": [{"type": "migration"}]})
    except QmpRefused:
        qmp.execute("migrate_cancel")


def switch(guest: Guest) -> None:
    """Hand the guest over now; the rest of its memory is sent on demand. Twice is harmless.

    :raises HypervisorError: QEMU refuses
    """
    with guest.control() as qmp:
        if _status(qmp).state == "active":
            qmp.execute("migrate-start-postcopy")
            _ends(qmp, REST_LIMIT)


def end_source(guest: Guest) -> None:
    """After success: end what is left here, when nothing of it is needed on the target any more.

    :raises HypervisorError: the rest is still being sent, or can never be
    """
    if guest.pid() is None:
        guest.kill()
        return
    deadline = time.monotonic() + REST_ON_DEMAND_LIMIT
    with guest.control() as qmp:
        while (state := qmp.execute("query-migrate").get("status")) in HANDED_OVER:
            if state == CUT:
                break
            if time.monotonic() > deadline:
                raise HypervisorError(
                    f"the rest of the memory of {guest.name} is still being sent on demand")
            time.sleep(POLL)
    if state == CUT:
        raise HypervisorError(
            f"the connection was cut before all memory of {guest.name} was sent on demand: the "
            "guest is where it was sent to, and stands still there as soon as it needs the rest, "
            "which is here; gnt-instance migrate --cleanup joins them again")
    guest.kill()


def _ends(qmp: Qmp, limit: float) -> bool:
    """Wait until the transfer has ended; False when it still goes on after `limit` seconds."""
    deadline = time.monotonic() + limit
    while _status(qmp).state == "active":
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def settle_source(guest: Guest) -> None:
    """Let the guest run here again, also one that was sent: it does not run on the target.

    :raises HypervisorError: QEMU does not answer, or the transfer does not end
    """
    abort(guest)
    if guest.pid() is None:
        return
    runtime = guest.load()
    held = runtime is None or runtime.held
    with guest.control() as qmp:
        if qmp.execute("query-migrate").get("status") in HANDED_OVER:
            raise HypervisorError(
                f"{guest.name} was lost on its way: its target is gone, and has run it, or may "
                "have; stop it and start it again")
        deadline = time.monotonic() + REST_LIMIT
        while (state := qmp.execute("query-status")["status"]) == SENDING_REST and (
                time.monotonic() < deadline):
            time.sleep(POLL)  # the transfer has ended, and QEMU is about to say how
        if state == SENT or (held and state == "paused"):
            qmp.execute("cont")
            if not held:
                qmp.execute("stop")
    _hold(guest, False)


def _hold(guest: Guest, held: bool) -> None:
    runtime = guest.load()
    if runtime is not None and runtime.held != held:
        guest.save(replace(runtime, held=held))


def settle_target(guest: Guest) -> None:
    """After success: wait until the guest has arrived, let it run unless it was paused where it
    came from, note that it is at home here.

    :raises HypervisorError: it has not arrived, and does not run
    """
    deadline = time.monotonic() + ARRIVAL_LIMIT
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} did not arrive: its QEMU is gone")
    with guest.control() as qmp:
        while (state := qmp.execute("query-status")["status"]) == RECEIVING:
            if time.monotonic() > deadline:
                raise HypervisorError(f"{guest.name} did not arrive in {ARRIVAL_LIMIT:g} s")
            time.sleep(POLL)
        guest.cards.arrived(runtime.spec)
        if runtime.incoming and state != "running":
            guest.save(replace(runtime, ordered=True))
            if not runtime.halted:
                qmp.execute("cont")
    (confinement.keys_folder(guest.folder) / "keys.psk").unlink(missing_ok=True)
    if runtime.incoming:
        guest.save(replace(runtime, incoming=False, ordered=False))


def dismiss_target(guest: Guest) -> None:
    """After failure: end the receiver, unless the guest has come to run in it."""
    if side(guest) != "runs":
        guest.kill()
    elif (runtime := guest.load()) is not None and runtime.incoming:
        guest.save(replace(runtime, incoming=False))


def is_leftover(guest: Guest) -> bool:
    """Whether a live QEMU is only one end of a migration: it waits, or its guest has gone."""
    return side(guest) in ("receiving", "sent")


def run_state(guest: Guest) -> str:
    """QEMU's word for the guest's state; empty when it does not answer."""
    try:
        with guest.query() as qmp:
            return _state(qmp)
    except (QmpUnreachable, QmpRefused):
        return ""


def _state(qmp: Qmp) -> str:
    """QEMU's word for the state; a guest of which only the rest is sent on demand was sent, and so
    was one whose transfer is complete, which QEMU's state follows a moment later."""
    state = str(qmp.execute("query-status")["status"])
    if state == SENDING_REST and qmp.execute("query-migrate").get("status") in WAS_SENT:
        return SENT
    return state


def _status(qmp: Qmp) -> MigrationStatus:
    answer = qmp.execute("query-migrate")
    state = STATES.get(answer.get("status", "none"), "active")
    ram = answer.get("ram") or {}
    return MigrationStatus(
        state=state,  # type: ignore[arg-type]  # the table's values are the literals
        transferred_ram=int(ram.get("transferred", 0)), total_ram=int(ram.get("total", 0)),
        remaining_ram=int(ram.get("remaining", 0)) if ram else None,
        message=str(answer.get("error-desc", "")),
        cut=answer.get("status") == CUT,
        can_switch=state == "active" and convergence.can_switch(qmp, answer),
        endless=convergence.endless(qmp, answer) if state == "active" else "")


def _await_begin(qmp: Qmp, name: str) -> None:
    # QEMU connects in the background: a closed port is known only a moment later.
    deadline, pause = time.monotonic() + BEGIN_LIMIT, FIRST_POLL
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
        # A small guest stands still soon after: nobody is to be asleep then.
        time.sleep(pause)
        pause = min(2 * pause, POLL)


def _set_capabilities(qmp: Qmp, hvparams: Mapping[str, Any], *more: str) -> None:
    wanted = {"return-path", *more, *filter(None, str(hvparams["migration_caps"]).split(":"))}
    # QEMU remembers those of the migration by which the guest came.
    states = {**dict.fromkeys(convergence.capabilities(qmp) - wanted, False),
              **dict.fromkeys(sorted(wanted), True)}
    qmp.execute("migrate-set-capabilities", {
        "capabilities": [{"capability": name, "state": on} for name, on in states.items()]})


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
