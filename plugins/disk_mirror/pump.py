"""Bytes between a connection of the nodes and a local socket, both ways, in one thread."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

Watch = Callable[[memoryview], None]

CHUNK = 1 << 18
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass
class _Way:
    """What flows from one socket to the other; what was read and not yet written waits."""

    source: socket.socket
    sink: socket.socket
    waiting: memoryview = field(default_factory=lambda: memoryview(b""))
    buffer: bytearray = field(default_factory=lambda: bytearray(CHUNK))
    ended: bool = False
    watch: Watch | None = None

    def step(self) -> bool:
        """Move what can be moved now; return whether anything was."""
        moved = False
        if not self.waiting and not self.ended:
            try:
                got = self.source.recv_into(self.buffer)
            except _LATER:
                return False
            moved, self.ended = True, got == 0
            self.waiting = memoryview(self.buffer)[:got]
            if self.watch is not None:
                self.watch(self.waiting)
        if self.waiting:
            try:
                self.waiting = self.waiting[self.sink.send(self.waiting):]
                moved = True
            except _LATER:
                pass
        return moved


def pump(remote: ssl.SSLSocket, local: socket.socket, watch: Watch | None = None) -> None:
    """Carry bytes until one end closes.

    :param watch: sees what the local one says, before the other one does
    :raises OSError: a connection broke, or `watch` raised it
    """
    for sock in (remote, local):
        sock.setblocking(False)
    out, back = _Way(local, remote, watch=watch), _Way(remote, local)
    while True:
        moved = [out.step(), back.step()]
        if any(way.ended and not way.waiting for way in (out, back)):
            return
        if not any(moved):
            _wait((local, not out.waiting, bool(back.waiting)),
                  (remote, not back.waiting, bool(out.waiting)))


def _wait(*ends: tuple[socket.socket, bool, bool]) -> None:
    """Wait until an end can be read or written, as wanted; an end of which nothing is, is left out.
    """
    poll = select.poll()
    for sock, reads, writes in ends:
        # Registered for nothing, one that was closed would still be reported again and again.
        if reads or writes:
            poll.register(sock, (select.POLLIN if reads else 0) | (
                select.POLLOUT if writes else 0))
    poll.poll()
