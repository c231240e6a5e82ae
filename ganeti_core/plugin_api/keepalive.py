"""Connections whose other host is gone: a node that lost its power says nothing."""

from __future__ import annotations

import socket

_DEAD_AFTER = {
    socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 30_000}


def notice_death(sock: socket.socket) -> None:
    """Have the kernel break a connection after half a minute without a sign of the other host.

    Without it who waits for a dead node waits as long as for one that only has nothing to say.

    :raises OSError: the other side has hung up already
    """
    # Here, for `ssl` does not close what it was given to wrap where that is so.
    sock.getpeername()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, number in _DEAD_AFTER.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, number)
