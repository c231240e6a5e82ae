"""``gnt-cluster queue`` and ``watcher``: holding back jobs, and the watcher."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.values import parse_duration

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _queue(session: Session, arguments: list[str]) -> int:
    match arguments[0]:
        case "drain":
            session.client.set_drain_flag(True)
        case "undrain":
            session.client.set_drain_flag(False)
        case "info":
            (drained,) = session.client.query_config_values(["drain_flag"])
            print(f"The drain flag is {'set' if drained else 'unset'}")
        case other:
            raise wrong_input(f"Command '{other}' is not valid.")
    return 0


def _show_pause(until: float | None) -> None:
    if until is None or until < time.time():
        print("The watcher is not paused.")
    else:
        print(f"The watcher is paused until {time.ctime(until)}.")


def _watcher(session: Session, arguments: list[str]) -> int:
    match arguments:
        case ["continue", *_]:
            session.client.set_watcher_pause(None)
            print("The watcher is no longer paused.")
        case ["pause"]:
            raise wrong_input("Missing pause duration")
        case ["pause", duration, *_]:
            try:
                until = time.time() + parse_duration(duration)
            except ValueError as exc:
                raise wrong_input(str(exc)) from exc
            _show_pause(session.client.set_watcher_pause(until))
        case ["info", *_]:
            _show_pause(session.client.query_config_values(["watcher_pause"])[0])
        case _:
            raise wrong_input(f"Command '{arguments[0]}' is not valid.")
    return 0


COMMANDS = {
    "queue": Command(_queue, "drain|undrain|info", 1, 1),
    "watcher": Command(_watcher, "{pause <timespec>|continue|info}", 1, 2),
}
