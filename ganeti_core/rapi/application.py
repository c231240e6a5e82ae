"""The ASGI application: finds the resource, asks who it is, decides, and sends what it returns."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.audit import LONGEST, jobs_of
from ganeti_core.rapi.client_certificates import SCOPE_KEY
from ganeti_core.rapi.consoles import ConsoleRelays, Reached
from ganeti_core.rapi.failures import HttpFailure, bad_request, failure_of, not_found
from ganeti_core.rapi.keys import Keys
from ganeti_core.rapi.login import unauthorized
from ganeti_core.rapi.permissions import decide
from ganeti_core.rapi.preconditions import HEADER
from ganeti_core.rapi.reading import without_private
from ganeti_core.rapi.request import Call, Request
from ganeti_core.rapi.routes import Routes
from ganeti_core.rapi.scoped_master import ScopedMaster
from ganeti_core.rapi.sending import Sender
from ganeti_core.rapi.table import resources
from ganeti_core.rapi.tickets import bearer_of_ticket
from ganeti_core.rapi.websocket import WebSocket, accept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping

    from ganeti_core.rapi.audit import AuditLog
    from ganeti_core.rapi.login import Login
    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.permissions import Actor, Rule
    from ganeti_core.rapi.routes import Method, Resource
    from ganeti_core.rapi.websocket import Handshake

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

    Body = bytes | AsyncIterator[bytes] | Reached

log = logging.getLogger(__name__)

MOST_BODY = 10 << 20
"""Bytes of a request's body."""
BODY_OF_ANYBODY = 64 << 10
"""Bytes of a body from somebody who has not logged in."""
MOST_HEAVY = 32
"""Requests at once whose answers may be long: each is in memory before it is sent."""


@dataclass
class _Visit:
    """What is noted of a request.

    :param user: who has logged in
    :param reason: why it was denied
    :param versioned: what it returns has a serial number
    :param handshake: of a request that becomes a WebSocket
    """

    method: str
    path: str
    host: str
    user: str | None = None
    operation: str = ""
    reason: str = ""
    versioned: bool = False
    actor: Actor | None = None
    rule: Rule | None = None
    handshake: Handshake | None = None


class _Gone(Exception):
    """The client has left before its request was complete."""


@dataclass
class Application:
    """Serves the remote API.

    :param strict: everybody must say who they are, for every resource
    :param audit: notes who changed what; None where nobody wants to know
    """

    master: Asks
    login: Login
    strict: bool = False
    most_body: int = MOST_BODY
    audit: AuditLog | None = None
    consoles: ConsoleRelays = field(default_factory=ConsoleRelays)
    _routes: Routes = field(default_factory=lambda: Routes(resources()))
    _sender: Sender = field(default_factory=Sender)
    _keys: Keys = field(init=False)
    _heavy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_HEAVY))

    def __post_init__(self) -> None:
        self._keys = Keys(lambda: self.master.call("QueryJobs", None, ["id", "ops"]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        visit = _Visit(scope["method"], _target(scope), _host(scope))
        try:
            body = await self._served(scope, receive, visit)
            if isinstance(body, Reached):
                self._note(visit, HTTPStatus.SWITCHING_PROTOCOLS, None)
                await self._relay(scope, visit, body)
                return
        except HttpFailure as exc:
            visit.reason = visit.reason or exc.reason
            self._note(visit, exc.status, None)
            await self._sender.failure(exc, receive, send)
        except _Gone:
            self._note(visit, None, None)
        else:
            if not isinstance(body, bytes):
                self._note(visit, HTTPStatus.OK, None)
                await self._sender.stream(receive, send, body, lambda: self._may_still(scope))
                return
            self._note(visit, HTTPStatus.OK, body)
            await self._sender.document(scope, receive, send, body, versioned=visit.versioned)

    def _note(self, visit: _Visit, status: int | None, body: bytes | None) -> None:
        """Log a request; what changes something, and what was denied, is in the audit log, too."""
        # What anybody can ask as often as they like does not fill the disk.
        noted = (visit.method != "GET" and visit.user) or (status or 0) >= 500
        log.log(logging.INFO if noted else logging.DEBUG, "%s %s %s %s: %s %s",
                visit.host, visit.user or "nobody", visit.method, visit.path, status or "gone",
                visit.reason)
        denied = bool(visit.reason) or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        acts = visit.method != "GET" or visit.handshake is not None
        changes = acts and visit.operation and not denied
        if self.audit is not None and (denied or changes):
            self.audit.record({
                "user": visit.user, "host": visit.host, "method": visit.method,
                "path": visit.path[:LONGEST], "operation": visit.operation,
                "status": status and int(status), "job": jobs_of(body or b""),
                "reason": visit.reason}, bounded=denied)

    async def _served(
        self, scope: Scope, receive: Receive, visit: _Visit
    ) -> Body:
        """Return the body of the response.

        :raises HttpFailure: another status than 200
        """
        headers = dict(scope["headers"])
        actor, (resource, names, method) = await self._who(scope, headers, visit)
        decision = decide(actor, method.rule)
        visit.user, visit.operation = actor.name if actor else None, resource.operation
        visit.versioned, visit.actor, visit.rule = method.versioned, actor, method.rule
        if not decision.allowed:
            visit.reason = decision.reason
            raise unauthorized() if actor is None else HttpFailure(HTTPStatus.FORBIDDEN)
        most = self.most_body if actor else min(self.most_body, BODY_OF_ANYBODY)
        body = await _body(receive, headers, most)
        if HEADER in headers and not method.conditional and scope["method"] != "GET":
            raise bad_request("If-Match is not for this resource: it changes no single object")
        request = _request(scope, headers, names, body)
        master = self.master if actor is None or actor.scope is None else ScopedMaster(
            self.master, actor, method.rule)
        return await self._run(scope, method, Call(
            request, master, resource.operation, visit.user, self._keys, self.consoles, actor))

    async def _who(
        self, scope: Scope, headers: Mapping[bytes, bytes], visit: _Visit
    ) -> tuple[Actor | None, tuple[Resource, list[str], Method]]:
        """Return who asks, and for what.

        :raises HttpFailure: nobody knows, or there is no such resource
        """
        found = self._routes.find(scope["raw_path"].decode("latin-1"))
        method = found[0].methods.get(scope["method"]) if found else None
        if found is not None and method is not None and method.by_ticket:
            visit.handshake = accept(visit.path, scope["headers"])
            request = _request(scope, headers, found[1], b"")
            actor = await bearer_of_ticket(
                self.consoles.tickets, self.login, request, scope.get(SCOPE_KEY))
            return actor, (*found, method)
        if self.strict:
            return await self._known(scope), self._find(scope)
        wanted = self._find(scope)
        return await self._actor(scope), wanted

    async def _relay(self, scope: Scope, visit: _Visit, reached: Reached) -> None:
        """Make the connection a WebSocket, and relay until it ends."""
        first, rule = visit.actor, visit.rule
        # They have led to the console.
        assert visit.handshake is not None  # noqa: S101
        assert first is not None  # noqa: S101
        assert rule is not None  # noqa: S101
        protocol, response = visit.handshake
        try:
            client = scope["take_over"](lambda transport: WebSocket(protocol, transport))
        except BaseException:
            self.consoles.leave(reached)
            raise

        async def may_go_on() -> bool:
            actor = self.login.current(first)
            return actor is not None and decide(actor, rule).allowed

        client.transport.write(response)
        why = await self.consoles.carry(client, reached, may_go_on)
        log.info("%s %s: the %s console at %s has ended: %s", visit.host, visit.user,
                 reached.kind, visit.path, why)

    async def _may_still(self, scope: Scope) -> bool:
        """Whether who was sent the beginning of a stream may be sent more of it."""
        try:
            actor = await self._actor(scope)
        except HttpFailure:
            return False
        return decide(actor, self._find(scope)[2].rule).allowed

    async def _actor(self, scope: Scope) -> Actor | None:
        return await self.login.actor(
            dict(scope["headers"]).get(b"authorization"), scope.get(SCOPE_KEY))

    async def _known(self, scope: Scope) -> Actor:
        actor = await self._actor(scope)
        if actor is None:
            raise unauthorized()
        return actor

    def _find(self, scope: Scope) -> tuple[Resource, list[str], Method]:
        path: str = scope["raw_path"].decode("latin-1")
        found = self._routes.find(path)
        if found is None:
            raise not_found()
        resource, names = found
        method = resource.methods.get(scope["method"])
        if method is None:
            raise HttpFailure(
                HTTPStatus.NOT_IMPLEMENTED,
                f"Method {scope['method']} is unsupported for path {path}")
        return resource, names, method

    async def _run(
        self, scope: Scope, method: Method, call: Call
    ) -> Body:
        try:
            if method.heavy:
                async with self._heavy:
                    found = await method.run(call)
            else:
                found = await method.run(call)
            return without_private(found) + b"\n" if isinstance(found, bytes) else found
        except HttpFailure:
            raise
        except GanetiError as exc:
            failure = failure_of(exc)
            if failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("%s %s: %s", scope["method"], call.operation, exc.message)
            raise failure from exc
        except Exception as exc:  # wall: a bug in a handler is that request's failure
            log.exception("%s %s failed", scope["method"], call.operation)
            raise HttpFailure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error: the log of"
                              " ganeti-rapi says more") from exc


def _request(
    scope: Scope, headers: Mapping[bytes, bytes], names: list[str], body: bytes
) -> Request:
    content_type = headers.get(b"content-type")
    return Request(names, scope["query_string"].decode("latin-1"), body,
                   None if content_type is None else content_type.decode("latin-1"), headers)


async def _body(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """Read a body of at most so many bytes.

    :raises HttpFailure: it is longer, or is going to be
    """
    announced = headers.get(b"content-length", b"0")
    parts, size = [], 0
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(most: int) -> HttpFailure:
    return HttpFailure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                       f"The body is longer than {most} bytes", close=True)


def _target(scope: Scope) -> str:
    query = scope["query_string"]
    # A ticket is a secret, and this goes into logs.
    shown = query and b"ticket=" not in query
    target: bytes = scope["raw_path"] + (b"?" + query if shown else b"")
    return target.decode("latin-1")


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
