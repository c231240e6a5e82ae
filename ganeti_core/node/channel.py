"""Messages between the node daemon and its worker processes: a length, then JSON."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_LENGTH = struct.Struct("!I")


class ChannelClosed(Exception):  # an event that both sides expect
    """The other process has ended."""


def send(sock: socket.socket, message: dict[str, Any], deadline: float | None = None) -> None:
    """Write one message.

    :param deadline: on the monotonic clock; who does not read by then has had only a part
    :raises ChannelClosed: nobody reads any more
    :raises TimeoutError: the other side has not read it before the deadline
    """
    body = json.dumps(message).encode()
    try:
        # A socket without any time would not wait at all.
        sock.settimeout(None if deadline is None else max(0.01, deadline - time.monotonic()))
        sock.sendall(_LENGTH.pack(len(body)) + body)
    except TimeoutError:
        raise
    except OSError as exc:
        raise ChannelClosed(str(exc)) from exc


def receive(sock: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """Read one message.

    :param deadline: on the monotonic clock
    :raises ChannelClosed: the other side is gone
    :raises TimeoutError: nothing complete came before the deadline
    """
    (length,) = _LENGTH.unpack(_read(sock, _LENGTH.size, deadline))
    message = json.loads(_read(sock, length, deadline))
    if not isinstance(message, dict):
        raise ChannelClosed("a message that is no object")
    return message


def _read(sock: socket.socket, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        try:
            chunk = sock.recv(min(size - len(data), 1 << 16))
        except TimeoutError:
            raise
        except OSError as exc:
            raise ChannelClosed(str(exc)) from exc
        if not chunk:
            raise ChannelClosed("the channel was closed")
        data += chunk
    return bytes(data)
