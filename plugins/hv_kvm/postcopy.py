"""What follows when the connection between the two halves of a guest was cut.

A guest that was handed over before all of its memory was sent needs both of its QEMUs. Where the
connection breaks both stand still, and each keeps what it has, so a new connection mends it: the
target listens again, with a new key, and the source goes on to send over it.
"""

from __future__ import annotations

import time
from contextlib import suppress

from ganeti_core.plugin_api import HypervisorError
from ganeti_core.plugin_api.data import MigrationTarget

from . import encryption
from .guests import Guest
from .qmp import Qmp, QmpRefused

CUT = "postcopy-paused"
MENDING = frozenset({"postcopy-recover-setup", "postcopy-recover"})
"""States of a source that joins the halves again; QEMU has the first one since 9.1."""
LIMIT, POLL = 8.0, 0.02


def is_cut(qmp: Qmp) -> bool:
    """Whether this QEMU has one half of a guest, and no connection to the other."""
    return bool(qmp.execute("query-migrate").get("status") == CUT)


def reopen(guest: Guest, address: str) -> MigrationTarget:
    """On the target: listen for the rest of the guest's memory; tell where. Twice is harmless.

    :raises HypervisorError: it awaits none, or cannot listen
    """
    if guest.pid() is None:
        raise HypervisorError(f"{guest.name} is lost: its QEMU on the target has ended")
    key = encryption.new_key()
    host = f"[{address}]" if ":" in address else address
    with guest.control() as qmp:
        _pause(qmp)
        if not is_cut(qmp):
            raise HypervisorError(f"{guest.name} awaits no rest of its memory here")
        encryption.encrypt(guest, qmp, "server", key)
        qmp.execute("migrate-recover", {"uri": f"tcp:{host}:0"})
        listening = qmp.execute("query-migrate").get("socket-address") or []
    port = next((int(item["port"]) for item in listening if "port" in item), 0)
    if not port:
        raise HypervisorError(
            f"QEMU does not tell on which port it awaits the rest of {guest.name}")
    return MigrationTarget(address=address, port=port, details={"key": key})


def _pause(qmp: Qmp) -> None:
    """Let a target that has not noticed the cut, since it only waits, stop waiting."""
    if qmp.execute("query-migrate").get("status") != "postcopy-active":
        return
    with suppress(QmpRefused):  # it has noticed in the meantime
        qmp.execute("migrate-pause")
    deadline = time.monotonic() + LIMIT
    while not is_cut(qmp) and time.monotonic() < deadline:
        time.sleep(POLL)


def resume(guest: Guest, target: MigrationTarget) -> None:
    """On the source: go on to send, over a new connection; returns when it has begun.

    :raises HypervisorError: it did not begin; both halves are as before
    """
    if guest.pid() is None:
        raise HypervisorError(f"the rest of the memory of {guest.name} is lost: its QEMU on the "
                              "source has ended")
    host = f"[{target.address}]" if ":" in target.address else target.address
    with guest.control() as qmp:
        if not is_cut(qmp):
            return
        encryption.encrypt(guest, qmp, "client", str(target.details.get("key", "")))
        qmp.execute("migrate", {"uri": f"tcp:{host}:{target.port}", "resume": True})
        deadline = time.monotonic() + LIMIT
        while (state := qmp.execute("query-migrate").get("status")) in {CUT, *MENDING}:
            if time.monotonic() > deadline:
                raise HypervisorError(
                    f"the rest of the memory of {guest.name} is not sent on: {state}")
            time.sleep(POLL)
