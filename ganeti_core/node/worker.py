"""A worker process: it runs one changing hook after another, until it is told to end."""

from __future__ import annotations

import logging
import os
import select
import signal
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest, hook_failure, run_hook
from ganeti_core.node.sessions import die_with_parent
from ganeti_core.node.world import Asked, Place, World
from ganeti_core.rpc.wire import success

if TYPE_CHECKING:
    import socket

    from ganeti_core.plugins import PluginHost

log = logging.getLogger(__name__)


def become_worker(parent: int) -> None:
    """Set a fresh child of the fork server up: session, signals, death with its parent."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(parent)


def serve(sock: socket.socket, place: Place, host: PluginHost) -> None:
    """Answer requests on `sock` until it is closed, or a hook failed in an unforeseen way."""
    world = World(place, host)
    try:
        while True:
            message = channel.receive(sock)
            # What asks a call to end may arrive when the call has just ended.
            if "end" not in message and _answer(sock, world, message):
                return
    except channel.ChannelClosed:
        return


def _answer(sock: socket.socket, world: World, message: dict[str, Any]) -> bool:
    request = HookRequest.from_args(message)

    def feedback(line: str) -> None:
        channel.send(sock, {"feedback": str(line)})

    def cancelled() -> bool:
        # While a hook runs, the daemon sends only one thing: that it should end.
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))

    tainted = False
    try:
        envelope = success(run_hook(world, request, Asked(feedback, cancelled)))
    except Exception as exc:  # noqa: BLE001  # wall: run_hook has logged it; all become answers
        error, tainted = _as_error(exc, request)
        envelope = hook_failure(error, request)
    channel.send(sock, {"answer": envelope, "ends": tainted})
    return tainted


def _as_error(exc: Exception, request: HookRequest) -> tuple[GanetiError, bool]:
    if isinstance(exc, GanetiError):
        # After an unforeseen exception nobody knows what the plugin left in this process.
        return exc, isinstance(exc, PluginError)
    log.error("worker failed on %s", request.title)
    return PluginError.in_hook(request.title, f"{type(exc).__name__}: {exc}"), True
