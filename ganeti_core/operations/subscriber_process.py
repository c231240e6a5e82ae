"""The process of one subscriber to events: it loads it, then delivers one event after another."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pluggy

from ganeti_core.entry_points import scan
from ganeti_core.errors import PluginRejected
from ganeti_core.logs import set_up_logging
from ganeti_core.node import channel
from ganeti_core.operations.helper_process import end_with_master
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.events import EVENTS_GROUP, EventsSpec
from ganeti_core.plugin_checks import HookManager, check_name, misfit, register
from ganeti_core.readable import readable


def load(name: str) -> pluggy.PluginManager:
    """Find the subscriber among the entry points and check it.

    :raises PluginRejected: it cannot be loaded or does not keep the contract
    """
    check_name(name)
    problems: list[str] = []

    def failed(_name: str, exc: BaseException) -> None:
        problems.append(f"cannot be loaded: {type(exc).__name__}: {exc}")

    found = scan(EVENTS_GROUP, failed, lambda one: one == name)
    if problems:
        raise PluginRejected(problems[0])
    if len(found) != 1:
        raise PluginRejected(f"{len(found)} distributions provide it")
    return hear(name, found[0].extension.obj)


def hear(name: str, subscriber: object) -> pluggy.PluginManager:
    """Check a subscriber.

    :raises PluginRejected: it names events or parameters that do not exist, or none at all
    """
    manager = HookManager()
    manager.add_hookspecs(EventsSpec)
    try:
        register(manager, name, subscriber)
    except pluggy.PluginValidationError as exc:
        raise PluginRejected(misfit(events(), exc)) from exc
    return manager


def events() -> list[str]:
    """All events that there are."""
    return [event for event in vars(EventsSpec) if not event.startswith("_")]


def heard(manager: pluggy.PluginManager) -> list[str]:
    """The events that a subscriber listens to."""
    return [event for event in events() if getattr(manager.hook, event).get_hookimpls()]


def deliver(manager: pluggy.PluginManager, event: str, arguments: dict[str, Any]) -> str:
    """Deliver one event; returns what went wrong, or nothing."""
    spec = getattr(EventsSpec, event)
    try:
        getattr(manager.hook, event)(**codec.decode_arguments(spec, arguments))
    except (Exception, SystemExit) as exc:  # noqa: BLE001  # wall: foreign code
        return readable(f"{type(exc).__name__}: {exc}")
    return ""


def serve(sock: socket.socket, name: str) -> None:
    """Say which events are wanted, or why there are none; then deliver until the master ends."""
    try:
        try:
            manager = load(name)
        except PluginRejected as exc:
            channel.send(sock, {"refused": readable(str(exc))})
            return
        channel.send(sock, {"events": heard(manager)})
        while True:
            message = channel.receive(sock)
            channel.send(sock, {
                "problem": deliver(manager, message["event"], message["arguments"])})
    except channel.ChannelClosed:
        return


def main() -> None:
    """Serve; arguments: descriptor of the socket, name of the subscriber, log file."""
    set_up_logging(Path(sys.argv[3]), f"subscriber {sys.argv[2]}")
    sock = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=end_with_master, args=(sock.dup(),), daemon=True).start()
    serve(sock, sys.argv[2])


if __name__ == "__main__":
    main()
