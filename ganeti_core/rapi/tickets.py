"""Tickets: texts by which a browser, which can send no password there, opens a console once."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.login import unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.rapi.client_certificates import ClientCertificate
    from ganeti_core.rapi.login import Login
    from ganeti_core.rapi.permissions import Actor
    from ganeti_core.rapi.request import Request

SECONDS = 30.0
"""How long a ticket can be used."""
MOST = 1000
MOST_OF_ONE = 20
"""Tickets of one user that nobody has used yet."""
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Ticket:
    """Who may open the console of which instance, until when."""

    actor: Actor
    instance: str
    expires: float


@dataclass
class Tickets:
    """Those that were made and not used; kept as digests, in memory alone.

    :param clock: monotonic seconds
    """

    clock: Callable[[], float] = time.monotonic
    _kept: OrderedDict[str, Ticket] = field(default_factory=OrderedDict)

    def make(self, actor: Actor, instance: str) -> str:
        """Return the text of a new ticket.

        :raises HttpFailure: 503, there are too many that nobody has used
        """
        self._forget_old()
        own = sum(ticket.actor.name == actor.name for ticket in self._kept.values())
        if own >= MOST_OF_ONE or len(self._kept) >= MOST:
            raise HttpFailure(HTTPStatus.SERVICE_UNAVAILABLE, "Too many tickets were not used: they"
                              f" expire in {SECONDS:g} seconds")
        text = secrets.token_urlsafe(_RANDOM_BYTES)
        self._kept[_digest(text)] = Ticket(actor, instance, self.clock() + SECONDS)
        return text

    def use(self, text: str, instance: str) -> Ticket | None:
        """The ticket of a text, which is spent by that; None unless it is for this instance."""
        self._forget_old()
        found = self._kept.pop(_digest(text), None)
        return found if found is not None and found.instance == instance else None

    def _forget_old(self) -> None:
        now = self.clock()
        while self._kept and next(iter(self._kept.values())).expires <= now:
            self._kept.popitem(last=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


async def bearer_of_ticket(
    tickets: Tickets, login: Login, request: Request, certificate: ClientCertificate | None
) -> Actor:
    """Return who has made the ticket in a request, as they are now; it is spent.

    :raises HttpFailure: 401, it is no ticket for this console, or somebody else's
    """
    ticket = tickets.use(request.text("ticket") or "", request.name)
    if ticket is None:
        raise unauthorized("no such ticket for this console")
    header = request.headers.get(b"authorization")
    if header is not None or certificate is not None:
        shown = await login.actor(header, certificate)
        if shown is None or (shown.name, shown.mark) != (ticket.actor.name, ticket.actor.mark):
            raise unauthorized("the ticket is somebody else's")
    actor = login.current(ticket.actor)
    if actor is None:
        raise unauthorized(f"{ticket.actor.name} is not known any more")
    return actor
