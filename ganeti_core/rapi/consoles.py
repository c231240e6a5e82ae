"""Consoles of guests: how they are reached, tickets for them, and the relay to them.

Whoever has a ticket speaks with the console through this daemon alone: it asks the master, which
has the guest's node open a door to that one console, and goes there over the nodes' TLS.
"""

from __future__ import annotations

import logging
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure, failure_of, not_found
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.tickets import SECONDS, Tickets
from ganeti_core.rpc.relay import RelayLimits, relay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.permissions import Actor
    from ganeti_core.rapi.request import Call
    from ganeti_core.rapi.websocket import WebSocket
    from ganeti_core.rpc.relay import StreamChannel

log = logging.getLogger(__name__)

OPEN = "OpenConsole"
OPEN_SECONDS = 40.0
"""What the master and the node may take, together."""
MOST_RELAYS = 50


async def how(call: Call) -> bytes:
    """Show how an instance's console is reached.

    :raises HttpFailure: there is no such instance, or it does not run
    """
    rows = await call.master.call(
        "QueryInstances", [call.request.name], ["console", "oper_state"], False)
    if not rows:
        raise not_found()
    document, running = rows[0]
    if not running or not isinstance(document, dict):
        raise HttpFailure(HTTPStatus.SERVICE_UNAVAILABLE, "Instance console unavailable")
    return encoded(document)


async def ticket(call: Call) -> bytes:
    """Make a ticket: who has it opens the console, once, and soon.

    :raises HttpFailure: there is no such instance, it does not run, or there are too many tickets
    """
    assert call.actor is not None  # noqa: S101  # nobody else has the permission
    return await call.consoles.ticket(call.master, call.actor, call.request.name)


async def reach(call: Call) -> Reached:
    """Connect to the console, for who has a ticket.

    :raises HttpFailure: there are too many connections, or there is no way to it
    """
    return await call.consoles.reach(call.master, call.request.name)


@dataclass
class ConsoleRelays:
    """Makes tickets, and relays for those who have one.

    :param dial: goes to the door of a console (`console_dialer.connect`); None: there is no node
    """

    dial: Callable[[dict[str, Any]], Awaitable[StreamChannel]] | None = None
    limits: RelayLimits = field(default_factory=RelayLimits)
    tickets: Tickets = field(default_factory=Tickets)
    _relays: int = 0

    async def ticket(self, master: Asks, actor: Actor, name: str) -> bytes:
        """Make a ticket for the console of an instance that runs.

        :raises HttpFailure: there is no such instance, it does not run, or there are too many
        """
        rows = await master.call("QueryInstances", [name], ["name", "oper_state"], False)
        if not rows:
            raise not_found()
        full, running = rows[0]
        if not running:
            raise HttpFailure(HTTPStatus.CONFLICT, f"The instance {full} does not run: it has no"
                              " console now")
        text = self.tickets.make(actor, full)
        return encoded({"ticket": text, "expires_in": SECONDS,
                        "uri": f"/2/instances/{full}/console/relay?ticket={text}"})

    async def reach(self, master: Asks, name: str) -> Reached:
        """Connect to the console of an instance.

        :raises HttpFailure: there are too many connections, or there is no way to it
        """
        if self._relays >= MOST_RELAYS:
            raise HttpFailure(HTTPStatus.SERVICE_UNAVAILABLE,
                              f"{MOST_RELAYS} consoles are open already")
        self._relays += 1
        try:
            found = await master.call(OPEN, name, wait=OPEN_SECONDS)
            return Reached(found["kind"], await self._connect(found))
        except BaseException as exc:
            self._relays -= 1
            if isinstance(exc, OpExecError):
                raise HttpFailure(HTTPStatus.SERVICE_UNAVAILABLE, exc.message) from exc
            if isinstance(exc, GanetiError):
                raise failure_of(exc) from exc
            raise

    async def _connect(self, offer: dict[str, Any]) -> StreamChannel:
        """:raises OpExecError: the node does not let us in"""
        if self.dial is None:
            raise OpExecError("this daemon has no way to nodes")
        return await self.dial(offer)

    async def carry(
        self, client: WebSocket, reached: Reached, allowed: Callable[[], Awaitable[bool]]
    ) -> str:
        """Relay until one side ends, or a limit; return why it ended."""
        why = "the daemon stops"
        try:
            why = await relay(client, reached.console, self.limits, allowed)
        finally:
            self.leave(reached)
            await client.close(why)
        return why

    def leave(self, reached: Reached) -> None:
        """Give up a console that was reached."""
        self._relays -= 1
        reached.console.close()


@dataclass(frozen=True)
class Reached:
    """A console to which there is a connection; `kind`: serial, vnc or spice."""

    kind: str
    console: StreamChannel
