"""Pyro5 made strict: the one module that touches the library's process-wide state.

As shipped, Pyro5 answers any installed serializer whatever is configured, unpacks ``marshal`` data
of a flagged message, rebuilds objects from JSON that names a class, reads ``PYRO_*`` variables,
allows messages of 1 GiB and a compressed message of any size. Here a connection checks each
header before a byte of the body is read, and JSON is JSON.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

# Variables override settings when the library is imported, and a misspelt one ends the import.
for _name in [name for name in os.environ if name.startswith("PYRO_")]:
    del os.environ[_name]

from Pyro5 import errors, protocol, serializers, socketutil  # noqa: E402  # see above
from Pyro5.configure import global_config as config  # noqa: E402  # see above

from ganeti_core.rpc.wire import MAX_MESSAGE  # noqa: E402  # see above

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECT = "node"
METHOD = "call"
TRACE = "TRAC"
"""The annotation of a message that says on whose behalf, see `spans.Place`."""
HEADER = 40
HEADER_START = 6
_REFUSED_FLAGS = (
    protocol.FLAGS_COMPRESSED | protocol.FLAGS_ONEWAY | protocol.FLAGS_BATCH
    | protocol.FLAGS_KEEPSERIALIZED | protocol.FLAGS_ITEMSTREAMRESULT
)


class PlainJson(serializers.JsonSerializer):
    """JSON without classes: what arrives stays dicts, what is no JSON is refused."""

    def default(self, obj: object) -> Any:
        """Encode what JSON lacks: only the library's own exceptions, as text."""
        if isinstance(obj, BaseException):
            return {"__exception__": f"{type(obj).__name__}: {obj}"}
        raise TypeError(f"a {type(obj).__name__} cannot be sent")

    def dumps(self, data: object) -> bytes:
        """Encode an answer.

        :raises errors.SerializeError: it is too large; the caller is told
        """
        encoded = json.dumps(data, ensure_ascii=False, default=self.default).encode()
        if len(encoded) > MAX_MESSAGE:
            raise errors.SerializeError(
                f"an answer of {len(encoded)} bytes, the largest is {MAX_MESSAGE}")
        return encoded

    def recreate_classes(self, literal: Any) -> Any:
        """Leave everything as it came, but for an exception of the library itself."""
        if isinstance(literal, dict) and literal.keys() == {"__exception__"}:
            return errors.PyroError(str(literal["__exception__"]))
        return literal

    def loads(self, data: Any) -> Any:
        return self.recreate_classes(json.loads(bytes(data)))

    @classmethod
    def register_type_replacement(cls, object_type: type, replacement_function: object) -> None:
        """Registered objects do not travel."""


def configure() -> None:
    """Set the library up for this process; harmless when repeated."""
    strict = PlainJson()
    if type(serializers.serializers.get("json")) is not PlainJson:
        serializers.serializers.clear()
        serializers.serializers["json"] = strict
        serializers.serializers_by_id.clear()
        serializers.serializers_by_id[strict.serializer_id] = strict
    config.reset(use_environment=False)
    config.SERIALIZER = "json"
    config.MAX_MESSAGE_SIZE = MAX_MESSAGE
    config.ITER_STREAMING = False
    config.COMPRESSION = False
    config.DETAILED_TRACEBACK = False


class MessageRefused(errors.ProtocolError):
    """A header asked for something that is not spoken here; the body was not read."""


class StrictConnection(socketutil.SocketConnection):
    """A connection that checks headers and keeps deadlines over whole messages.

    :param idle: seconds to wait for the first byte of a message
    :param limit: seconds for the rest of it
    `stall` may be set to the seconds in which some of a message must arrive once it has begun.

    :param cancelled: asked about twice a second while waiting for a message
    """

    def __init__(
        self, sock: ssl.SSLSocket, *, idle: float | None = None, limit: float = 30.0,
        max_message: int = MAX_MESSAGE, cancelled: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(sock, OBJECT, True)
        self.tls = sock
        self.idle = idle
        self.limit = limit
        self.max_message = max_message
        self.cancelled = cancelled
        self.sent = False
        self.waiting = False
        self.waiting_since = 0.0
        self.stall = math.inf
        self._rest = b""
        self._until = 0.0

    def send(self, data: bytes) -> None:
        self.sock.settimeout(self.limit)
        super().send(data)
        self.sent = True

    def recv(self, size: int) -> bytes:
        """Read as the library asks: 6 bytes, the header's other 34, then the body."""
        if size == HEADER_START:
            self.waiting_since = time.monotonic()
            self.waiting = True
            self._wait()
            self.waiting = False
            self._until = time.monotonic() + self.limit
            header = self._read(HEADER)
            self._check(header)
            self._rest = header[HEADER_START:]
            return header[:HEADER_START]
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return self.recv_large(size, self._until)

    def recv_large(self, size: int, until: float) -> bytes:
        """Read `size` bytes of a message's body until `until` (monotonic clock)."""
        self._until = until
        return self._read(size)

    def _wait(self) -> None:
        """Wait for the first byte.

        :raises errors.TimeoutError: it did not come within `idle` seconds
        :raises InterruptedError: `cancelled` said yes
        """
        if self.tls.pending():
            return
        until = None if self.idle is None else time.monotonic() + self.idle
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            step = left
            if self.cancelled is not None:
                step = 0.5 if left is None else min(left, 0.5)
            # Also when the time is over: what has arrived meanwhile is taken.
            if poll.poll(None if step is None else step * 1000):
                return
            if self.cancelled is not None and self.cancelled():
                raise InterruptedError
            if left == 0.0:
                raise errors.TimeoutError("receiving: timeout")

    def peer_gone(self) -> bool:
        """Whether the other side has hung up while its call runs, when it has nothing to say."""
        poll = select.poll()
        try:
            poll.register(self.tls, select.POLLIN | select.POLLRDHUP)
        except ValueError:
            # Closed on this side.
            return True
        return bool(poll.poll(0))

    def _read(self, size: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < size:
            left = self._until - time.monotonic()
            if left <= 0:
                raise errors.TimeoutError("receiving: timeout")
            self.sock.settimeout(min(left, self.stall))
            try:
                chunk = self.sock.recv(min(size - len(chunks), 1 << 16))
            except TimeoutError as exc:
                raise errors.TimeoutError("receiving: timeout") from exc
            except OSError as exc:
                raise errors.ConnectionClosedError(f"receiving: connection lost: {exc}") from exc
            if not chunk:
                raise errors.ConnectionClosedError("receiving: not enough data")
            chunks += chunk
        return bytes(chunks)

    def _check(self, header: bytes) -> None:
        message = protocol.ReceivingMessage(header)
        if message.data_size + message.annotations_size > self.max_message:
            raise MessageRefused(f"message too large ({message.data_size} bytes)")
        if message.flags & _REFUSED_FLAGS:
            raise MessageRefused(f"message with flags {message.flags:#x}")
        if message.serializer_id not in serializers.serializers_by_id:
            raise MessageRefused(f"message in serializer {message.serializer_id}")


def shake_hands(sock: ssl.SSLSocket, seconds: float) -> None:
    """Do the TLS handshake of either side.

    A socket's own timeout is per read: a drip of bytes would renew it, this limit does not.

    :raises OSError: it failed or took too long
    """
    until = time.monotonic() + seconds
    sock.setblocking(False)
    poll = select.poll()
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            poll.register(sock, select.POLLIN)
        except ssl.SSLWantWriteError:
            poll.register(sock, select.POLLOUT)
        else:
            sock.setblocking(True)
            return
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError(f"no handshake within {seconds:g} s")


def shut(sock: socket.socket) -> None:
    """Wake whoever waits on `sock`, from any thread; the waiting one then closes it."""
    with contextlib.suppress(OSError):
        # The plain method: an SSLSocket's own would first forget that it is encrypted.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def connect_message() -> bytes:
    """Build the message that opens a conversation."""
    body = serializers.serializers["json"].dumps({"handshake": "", "object": OBJECT})
    return bytes(protocol.SendingMessage(
        protocol.MSG_CONNECT, 0, 0, PlainJson.serializer_id, body).data)


def refusal_message(reason: str) -> bytes:
    """Build the answer to a peer whose conversation is not wanted."""
    body = serializers.serializers["json"].dumps(reason)
    return bytes(protocol.SendingMessage(
        protocol.MSG_CONNECTFAIL, 0, 0, PlainJson.serializer_id, body).data)
