"""Connections whose other host is gone: a node that lost its power says nothing."""

from __future__ import annotations

import socket
import struct

SILENCE = 30.0
"""Seconds without a sign of the other host after which it counts as dead."""
_KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}
_INFO = struct.Struct("8B13I")
"""The beginning of the kernel's ``struct tcp_info``."""
_PROBES, _UNACKED, _LAST_ACK = 3, 12, 20
_MOST_PROBES = 4


def notice_death(sock: socket.socket, *, patient: bool = False) -> None:
    """Have the kernel break a connection after half a minute without a sign of the other host.

    Without it who waits for a dead node waits as long as for one that only has nothing to say.

    :param patient: the other side may take longer before it reads on. The kernel's own limit for
        what is to be sent counts that as death: `is_dead` tells these apart
    :raises OSError: the other side has hung up already
    """
    # Here, for `ssl` does not close what it was given to wrap where that is so.
    sock.getpeername()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, number in _KEEPALIVE.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, number)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT,
                    0 if patient else round(SILENCE * 1000))


def is_dead(sock: socket.socket) -> bool:
    """Whether the other host acknowledges nothing any more that it is sent.

    One that has no room for more still does: the kernel asks it now and then.
    """
    info = _INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    is_silent: bool = info[_UNACKED] > 0 and info[_LAST_ACK] > SILENCE * 1000
    return is_silent or info[_PROBES] >= _MOST_PROBES
