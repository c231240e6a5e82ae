"""What travels in a stream between nodes: frames, each compressed for itself, over TLS.

A frame is a length and so many bytes, at most `LARGEST`; memory is bounded by that on both sides,
also when a frame would expand to more. Frames of length 0 end the stream; `ABORT` instead of a
length says that the other side gives up.
"""

from __future__ import annotations

import json
import select
import ssl
import struct
import time
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ganeti_core.errors import ECODE_INVAL, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

from .keepalive import SILENCE, is_dead

LARGEST = 1 << 20
"""Bytes of one frame, before and after it is compressed."""
ABORT = 0xFFFFFFFF
_LENGTH = struct.Struct("!I")
_SLACK = 4096
"""Bytes by which data that cannot be compressed may grow."""
_GZIP = 31
LOOK_SECONDS = 5.0
"""Between two looks, while the other side does nothing, at whether its host is there."""
LAST_WORDS_SECONDS = 1.0
_LEVELS = {"gzip": 1, "gzip-fast": 1, "gzip-slow": 9}
"""Names that clusters of Ganeti know; nodes are meant to keep up with their network."""


class StreamFailed(OpExecError):
    """A stream ended before all of it had arrived; nothing of it was kept."""

    action = "See which side the message blames, mend it, and begin the stream again."


@dataclass(frozen=True)
class Codec:
    """Compresses and expands one frame; `expand` returns at most `LARGEST` + 1 bytes."""

    compress: Callable[[bytes], bytes]
    expand: Callable[[bytes], bytes]


def codec(name: str) -> Codec | None:
    """Find a compression by its name, one of `compressions`; None for ``none``.

    :raises OpPrereqError: there is no such compression on this node
    """
    if name == "none":
        return None
    if name in _LEVELS:
        return Codec(lambda data: _gzip(data, _LEVELS[name]),
                     lambda data: zlib.decompressobj(_GZIP).decompress(data, LARGEST + 1))
    if name == "zstd" and (found := _zstd()) is not None:
        return found
    raise OpPrereqError(f"There is no compression '{name}' on this node (there are: "
                        f"{', '.join(compressions())})", ECODE_INVAL)


def compressions() -> list[str]:
    """The compressions that this node knows."""
    return ["none", *_LEVELS, *(["zstd"] if _zstd() else [])]


def _gzip(data: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


def _zstd() -> Codec | None:
    """Python's own module, from 3.14 on, or the package ``zstandard``."""
    try:
        own: Any = import_module("compression.zstd")
    except ImportError:
        pass
    else:
        return Codec(own.compress,
                     lambda data: bytes(own.ZstdDecompressor().decompress(data, LARGEST + 1)))
    try:
        other: Any = import_module("zstandard")
    except ImportError:
        return None
    return Codec(other.ZstdCompressor(level=1).compress, lambda data: _expanded(other, data))


def _expanded(module: Any, data: bytes) -> bytes:
    size = module.get_frame_parameters(data).content_size
    if not 0 <= size <= LARGEST:
        raise ValueError(f"a frame that expands to {size} bytes")
    found: bytes = module.ZstdDecompressor().decompress(data, max_output_size=LARGEST)
    return found


class Wire:
    """One end of a stream's connection, used by one thread.

    :param stall: seconds in which something must arrive, or be taken
    :param deadline: for everything, on the monotonic clock
    """

    def __init__(self, sock: ssl.SSLSocket, stall: float, deadline: float) -> None:
        self.sock = sock
        self.stall = stall
        self.deadline = deadline
        self._buffer = bytearray(LARGEST + _SLACK)

    def send(self, data: bytes | memoryview) -> None:
        """Write one frame.

        :raises StreamFailed: the other side is gone, takes nothing, or has given up
        """
        self._limit()
        try:
            for part in (_LENGTH.pack(len(data)), data):
                rest = memoryview(part)
                while rest:
                    sent = self._patiently(self.sock.send, rest, "the other side took nothing")
                    rest = rest[sent:]
        except OSError as exc:
            raise StreamFailed(self._why() or f"the connection was lost: {exc}") from exc

    def abort(self, reason: str) -> None:
        """Say that this side gives up; who cannot be told sees the connection end."""
        self.stall = min(self.stall, LAST_WORDS_SECONDS)
        self.deadline = max(self.deadline, time.monotonic() + LAST_WORDS_SECONDS)
        try:
            self._limit()
            self.sock.sendall(_LENGTH.pack(ABORT))
            self.say({"error": reason})
        except (OSError, StreamFailed):
            pass

    def say(self, message: dict[str, Any]) -> None:
        self.send(json.dumps(message).encode())

    def hear(self) -> dict[str, Any]:
        """Read a frame that is a message; an error in it is raised.

        :raises StreamFailed: nothing came, or it says that the other side has failed
        """
        try:
            found = json.loads(bytes(self.receive()))
        except (ValueError, RecursionError) as exc:
            raise StreamFailed("the other side speaks another protocol") from exc
        if not isinstance(found, dict):
            raise StreamFailed("the other side speaks another protocol")
        if "error" in found:
            raise StreamFailed(str(found["error"])[:1000])
        return found

    def receive(self) -> memoryview:
        """Read one frame, empty at the end; it is valid until the next call.

        :raises StreamFailed: nothing came in time, the other side is gone or has given up
        """
        self._limit()
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length == ABORT:
            raise StreamFailed(f"the other side gave up: {self._reason()}")
        if length > len(self._buffer):
            raise StreamFailed(f"a frame of {length} bytes, the largest is {len(self._buffer)}")
        return self._read(length)

    def said_something(self) -> bool:
        """Whether the other side, which is to listen, has something to say: that it failed."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(self.sock.pending()) or bool(poll.poll(0))

    def _reason(self) -> str:
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
            return str(json.loads(bytes(self._read(min(length, _SLACK))))["error"])
        except (StreamFailed, ValueError, KeyError, TypeError):
            return "no reason was given"

    def _why(self) -> str:
        """What the other side said before it closed the connection."""
        try:
            if self.said_something():
                self.receive()
        except StreamFailed as exc:
            return str(exc)
        return ""

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise StreamFailed("the time for the whole stream is over")
        self.sock.settimeout(min(self.stall, left, LOOK_SECONDS))

    def _patiently(
        self, act: Callable[[memoryview], int], piece: memoryview, idle: str
    ) -> int:
        """Send or read a piece, however long that takes, as long as the other host is there.

        :param idle: of the message
        """
        began = time.monotonic()
        while True:
            try:
                return act(piece)
            except TimeoutError as exc:
                now = time.monotonic()
                # That of the kernel has a number.
                if exc.errno is not None or (now > began + SILENCE and is_dead(self.sock)):
                    raise StreamFailed("the host of the other side does not answer") from exc
                if now >= min(began + self.stall, self.deadline):
                    raise StreamFailed(f"{idle} for {self.stall:g} seconds") from None

    def _read(self, size: int) -> memoryview:
        view = memoryview(self._buffer)[:size]
        done = 0
        try:
            while done < size:
                got = self._patiently(self.sock.recv_into, view[done:], "nothing came")
                if not got:
                    raise StreamFailed("the other side has ended before the stream did")
                done += got
        except OSError as exc:
            raise StreamFailed(f"the connection was lost: {exc}") from exc
        return view
