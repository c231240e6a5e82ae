"""Notices that a storage daemon reports a failed write, before the other end hears of it.

QEMU acknowledges a write that its copy's daemon has refused, and only gives up copying. So such a
report must never arrive: the connection is broken instead, and writes wait. What is read here is
what a server of NBD says: its half of a handshake, then replies.
"""

from __future__ import annotations

import struct

_GREETING = 18
_OPTION = struct.Struct(">QIII")
_OPTION_MAGIC = 0x3E889045565A9
_GO, _ACK = 7, 1
_SIMPLE, _CHUNK, _NUMBER = struct.Struct(">IIQ"), struct.Struct(">IHHQI"), struct.Struct(">I")
_SIMPLE_MAGIC, _CHUNK_MAGIC = 0x67446698, 0x668E33EF
_ERROR_BIT = 1 << 15
_NOT_SUPPORTED = 95
"""The reply to a fast way that there is not: the slow one is taken then."""


class WriteFailed(OSError):
    """A write was not done; or what is said cannot be understood, so nobody knows."""


class Replies:
    """Follows what a server says on one connection."""

    def __init__(self) -> None:
        self._seen = bytearray()
        self._skip = 0
        self._read = self._greeting

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes.

        :raises WriteFailed: they say that a write failed
        """
        self._seen += data
        while True:
            passed = min(self._skip, len(self._seen))
            del self._seen[:passed]
            self._skip -= passed
            if self._skip or not self._read():
                return

    def _take(self, size: int) -> bytes:
        taken = bytes(self._seen[:size])
        del self._seen[:size]
        return taken

    def _greeting(self) -> bool:
        if len(self._seen) < _GREETING:
            return False
        self._take(_GREETING)
        self._read = self._option
        return True

    def _option(self) -> bool:
        if len(self._seen) < _OPTION.size:
            return False
        magic, option, kind, length = _OPTION.unpack(self._take(_OPTION.size))
        if magic != _OPTION_MAGIC:
            raise WriteFailed("this is no server of NBD")
        self._skip = length
        if (option, kind) == (_GO, _ACK):
            self._read = self._reply
        return True

    def _reply(self) -> bool:
        if len(self._seen) < _SIMPLE.size:
            return False
        magic, error, _ = _SIMPLE.unpack_from(self._seen)
        if magic == _SIMPLE_MAGIC:
            self._take(_SIMPLE.size)
            _check(error)
            return True
        if magic != _CHUNK_MAGIC:
            raise WriteFailed(f"there is no reply of this sort: {magic:#x}")
        if len(self._seen) < _CHUNK.size:
            return False
        _, _, kind, _, length = _CHUNK.unpack_from(self._seen)
        if not kind & _ERROR_BIT:
            self._skip = _CHUNK.size + length
        elif len(self._seen) < _CHUNK.size + _NUMBER.size:
            return False
        else:
            _check(*_NUMBER.unpack_from(self._seen, _CHUNK.size))
            self._skip = _CHUNK.size + length
        return True


def _check(error: int) -> None:
    if error not in (0, _NOT_SUPPORTED):
        raise WriteFailed(f"a write failed: error {error}")
