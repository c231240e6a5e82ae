"""A worker process: it runs one changing hook after another, until it is told to end."""

from __future__ import annotations

import logging
import os
import select
import signal
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.node.hooks import HookRequest, hook_failure, run_hook
from ganeti_core.node.sessions import die_with_parent
from ganeti_core.node.world import Asked, World
from ganeti_core.rpc.wire import success, unwrap
from ganeti_core.spans import Place, within

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.plugins import PluginHost
    from ganeti_core.spans import Span

log = logging.getLogger(__name__)

MOST_SPANS = 500
"""Of one call; an answer of a hook must not grow without end."""


def become_worker(parent: int) -> None:
    """Set a fresh child of the fork server up: session, signals, death with its parent."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(parent)


def serve(sock: socket.socket, local: LocalNode, host: PluginHost) -> None:
    """Return requests on `sock` until it is closed, or a hook failed in an unforeseen way."""
    host.trial = False  # this process is killed at its deadlines
    world = World(local, host)
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

    master = _Master(sock)

    def cancelled() -> bool:
        # While a hook runs, the daemon says only one thing unasked: that it should end.
        return master.ended or _readable(sock)

    tainted = False
    told: list[dict[str, Any]] = []

    def export(span: Span) -> None:
        if len(told) < MOST_SPANS:
            told.append(span.to_dict())

    try:
        with within(Place.read(str(message.get("trace", ""))), export):
            envelope = success(run_hook(world, request, Asked(feedback, cancelled, master.query)))
    except Exception as exc:  # noqa: BLE001  # wall: run_hook has logged it; all become answers
        error, tainted = _as_error(exc, request)
        envelope = hook_failure(error, request)
    channel.send(sock, {"answer": envelope, "ends": tainted, **({"spans": told} if told else {})})
    return tainted


def _readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@dataclass
class _Master:
    """Asks the master for a hook, through the daemon: a worker opens no connection by itself.

    :param ended: the daemon has said meanwhile that the hook should end
    """

    sock: socket.socket
    ended: bool = False

    def query(
        self, resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
    ) -> list[list[Any]]:
        channel.send(self.sock, {"query": [resource, list(fields), filter_]})
        while "rows" not in (message := channel.receive(self.sock)):
            self.ended = True
        rows: list[list[Any]] = unwrap(message["rows"])
        return rows


def _as_error(exc: Exception, request: HookRequest) -> tuple[GanetiError, bool]:
    if isinstance(exc, GanetiError):
        # After an unforeseen exception nobody knows what the plugin left in this process.
        return exc, isinstance(exc, PluginError)
    log.error("worker failed on %s", request.title)
    return PluginError.in_hook(request.title, f"{type(exc).__name__}: {exc}"), True
