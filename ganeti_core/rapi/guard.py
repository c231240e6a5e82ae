"""The HTTP protocol of a connection, with bounds on everything that a client can withhold or send.

The server that this is built on keeps headers of any size, waits for them without an end, and
holds responses that nobody reads. Here each of these ends with a response, or with the connection.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.client_certificates import SCOPE_KEY, certificate_of
from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.request import JSON_TYPE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ganeti_core.rapi.client_certificates import ClientCertificate


class TakenOver(Protocol):
    """Who speaks another protocol on a connection, from an upgrade on; see `asyncio.Protocol`."""

    def data_received(self, data: bytes) -> None: ...
    def connection_lost(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def shutdown(self) -> None:
        """The daemon stops."""


T = TypeVar("T", bound=TakenOver)


@dataclass(frozen=True)
class Bounds:
    """What a client may send, and how long it may take.

    :param header_seconds: from the connection's or the request's first byte to the header's end
    :param body_seconds: from there to the body's end
    :param stall_seconds: in which it takes what fills the connection's buffer
    """

    header_bytes: int = 64 << 10
    headers: int = 100
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    stall_seconds: float = 30.0


class _Refused(Exception):
    """Raised inside the parser's callbacks: it goes no further."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. At any time it either serves a request or has a timer that ends it."""

    def __init__(self, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._bounds = bounds
        self._in_header = False
        self._header_bytes = 0  # of the parts that the parser has found
        self._received = 0
        self._begun = 0
        self._refusal: HttpFailure | None = None
        self._certificate: ClientCertificate | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._taken: TakenOver | None = None
        self.cycle: RequestResponseCycle | None = None  # type: ignore[assignment]  # so it begins

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # narrower there
        self._certificate = certificate_of(transport)
        self._arm("header", self._bounds.header_seconds, self._header_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in list(self._timers):
            self._disarm(name)
        if self._taken is not None:
            self._taken.connection_lost()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._taken is not None:
            self._taken.data_received(data)
            return
        if self.transport.is_closing():
            return
        # Of a piece that began elsewhere, such as in a body, it is not known how much is header.
        whole, self._begun = self._in_header or self.is_idle, 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_header and whole and self._begun <= 1:
            self._received += len(data)
            if self._received > self._bounds.header_bytes:
                self._refuse(self._header_too_large())
                return
        if self.is_idle:
            # Bytes that begin no request have ended the wait for one.
            self._arm("header", self._bounds.header_seconds, self._header_is_late)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._taken is not None:
            self._taken.pause_writing()
        self._arm("stall", self._bounds.stall_seconds, self.abort)

    def resume_writing(self) -> None:
        self._disarm("stall")
        if self._taken is not None:
            self._taken.resume_writing()
        super().resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._in_header, self._header_bytes, self._received = True, 0, 0
        self._begun += 1
        self._arm("header", self._bounds.header_seconds, self._header_is_late)
        super().on_message_begin()
        self.scope["abort"] = self.abort  # type: ignore[typeddict-unknown-key]  # ours alone
        self.scope["take_over"] = self.take_over  # type: ignore[typeddict-unknown-key]  # likewise
        self.scope[SCOPE_KEY] = self._certificate  # type: ignore[literal-required]  # likewise

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self.headers) >= self._bounds.headers:
            self._stop(HttpFailure(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                                   f"There are more than {self._bounds.headers} headers"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_header = False
        self._disarm("header")
        self._arm("body", self._bounds.body_seconds, self._body_is_late)
        try:
            super().on_headers_complete()
        except (UnicodeDecodeError, httptools.HttpParserError):
            self._stop(HttpFailure(HTTPStatus.BAD_REQUEST, "The address cannot be read"))

    def on_message_complete(self) -> None:
        self._disarm("body")
        super().on_message_complete()

    # What the server offers

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served or received but for its header."""
        return self.cycle is None or (self.cycle.response_complete and "body" not in self._timers)

    def take_over(self, make: Callable[[asyncio.Transport], T]) -> T:
        """Hand the connection to who speaks another protocol on it from now on.

        :raises ConnectionError: it has ended, or did not ask for another protocol
        """
        if self.transport.is_closing() or self.cycle is None or not self.parser.should_upgrade():
            raise ConnectionAbortedError("the connection cannot become another one")
        for name in list(self._timers):
            self._disarm(name)
        # Nothing more is sent as a response.
        self.cycle.disconnected = True
        self._taken = taken = make(self.transport)
        return taken

    def shutdown(self) -> None:
        """End when what is served has ended; what was taken over, now."""
        if self._taken is not None:
            self._taken.shutdown()
            return
        super().shutdown()

    def abort(self) -> None:
        """End the connection at once, whatever is unsent."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Say why what was sent is no request, and end the connection."""
        refusal, self._refusal = self._refusal, None
        self._refuse(refusal or HttpFailure(HTTPStatus.BAD_REQUEST, msg.rstrip(".")))

    # Within

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._bounds.header_bytes:
            self._stop(self._header_too_large())

    def _stop(self, refusal: HttpFailure) -> None:
        """Leave the parser; `send_400_response` is called for that."""
        self._refusal = refusal
        raise _Refused

    def _refuse(self, failure: HttpFailure) -> None:
        """Send a response of our own, unless another is on its way, and end the connection."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.disconnected:
            body = failure.document()
            head = [STATUS_LINE[int(failure.status)], *(
                name + b": " + value + b"\r\n" for name, value in (
                    *self.server_state.default_headers,
                    (b"content-type", JSON_TYPE.encode()),
                    (b"content-length", b"%d" % len(body)), (b"connection", b"close")))]
            self.transport.write(b"".join([*head, b"\r\n", body]))
        self.transport.close()

    def _header_is_late(self) -> None:
        if self._in_header:
            self._refuse(HttpFailure(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The header was not complete in {self._bounds.header_seconds:g} seconds"))
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        if self.cycle is None or self.cycle.response_started:
            self.abort()
            return
        # Whoever waits for the body is to send nothing, and is woken when the connection ends.
        self.cycle.disconnected = True
        self._refuse(HttpFailure(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body was not complete in {self._bounds.body_seconds:g} seconds"))

    def _arm(self, name: str, seconds: float, act: Any) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, self._ring, name, act)

    def _ring(self, name: str, act: Any) -> None:
        self._timers.pop(name, None)
        if not self.transport.is_closing() or name == "stall":
            act()

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _header_too_large(self) -> HttpFailure:
        return HttpFailure(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                           f"The header is longer than {self._bounds.header_bytes} bytes")
