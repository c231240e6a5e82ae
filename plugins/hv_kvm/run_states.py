"""What each run state of QEMU means for its guest: how it is listed, why it stands still, and
whether an order to shut down can reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shown = Literal["running", "paused", "user-down", "stuck", "crashed"]

RECEIVING, SENDING_REST, SENT = "inmigrate", "finish-migrate", "postmigrate"
POWERED_OFF, DISK_ERROR = "shutdown", "io-error"
NEVER_RAN = "prelaunch"
"""A guest that has waited since its start: its memory is as at power-on."""
HALTED = frozenset({"paused", NEVER_RAN})
"""Somebody wants the guest to stand still."""


@dataclass(frozen=True)
class Meaning:
    """How a guest in a run state is listed.

    :param reason: why it does not run, where that is more than somebody's wish
    """

    shown: Shown
    reason: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether nothing but a reset or the end of its QEMU helps."""
        return self.shown == "crashed"


_PAUSED = Meaning("paused")
RUN_STATES = {
    "running": Meaning("running"),
    "paused": _PAUSED,
    NEVER_RAN: _PAUSED,
    "debug": _PAUSED,  # by a debugger
    "suspended": _PAUSED,  # sleeps by its own wish, and wakes up by itself
    # For a moment, while QEMU reads or writes what the guest has in memory:
    "save-vm": _PAUSED,
    "restore-vm": _PAUSED,
    "colo": _PAUSED,
    SENDING_REST: _PAUSED,
    # The ends of a migration are told apart before they are listed (`migration.side_of`):
    RECEIVING: _PAUSED,
    SENT: _PAUSED,
    # Ends up here only with -no-shutdown, as user_shutdown has it.
    POWERED_OFF: Meaning("user-down"),
    DISK_ERROR: Meaning(
        "stuck", "one of its disks, or what that lies on, is full or does not work"),
    "internal-error": Meaning("crashed", "its QEMU had an internal error; its log says more"),
    "guest-panicked": Meaning("crashed", "its system has panicked"),
    "watchdog": Meaning("crashed", "its system hangs, as its watchdog found"),
}
"""By QEMU's word. Where QEMU gives none, because it hangs, the guest counts as running: it holds
its disks. A word of a newer QEMU's counts as paused: it is not ``running``."""


def meaning(state: str) -> Meaning:
    """What a run state means; `state` is empty where QEMU does not answer."""
    return RUN_STATES.get(state, _PAUSED) if state else RUN_STATES["running"]
