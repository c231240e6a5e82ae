"""Whether this node reaches others at their addresses, as moves and copies of disks need it."""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SECONDS = 5.0
"""In which a connection must be made; all are tried at once."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""Linger for no time: whoever closes the socket resets the connection."""
REACHED = (0, errno.ECONNREFUSED, errno.EISCONN)
"""A host that refuses a connection has the address: the daemon serves at its primary one only."""


@dataclass(frozen=True)
class Neighbour:
    """Another node.

    :param secondary: where it differs from the primary address
    :param port: of its node daemon
    """

    name: str
    primary: str
    secondary: str = ""
    port: int = 1811


@dataclass(frozen=True)
class Probe:
    """One address to try. `source`: the address to connect from, where it matters."""

    name: str
    address: str
    port: int
    source: str = ""


def unreachable(own: Neighbour, others: Iterable[Neighbour]) -> dict[str, list[str]]:
    """Try each address of each node; return the ``primary``, ``secondary`` ones that fail, by name.

    :param own: this node's addresses; each network is tried from the address in it
    """
    tried: dict[Probe, str] = {}
    for other in others:
        tried[Probe(other.name, other.primary, other.port, own.primary)] = "primary"
        if other.secondary:
            tried[Probe(other.name, other.secondary, other.port,
                        own.secondary or own.primary)] = "secondary"
    failed: dict[str, list[str]] = defaultdict(list)
    for probe in failing(list(tried)):
        failed[probe.name].append(tried[probe])
    return dict(failed)


def failing(probes: Sequence[Probe], seconds: float = SECONDS) -> list[Probe]:
    """Connect to all at once; return those that were not reached, in order."""
    reached: set[Probe] = set()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for probe in probes:
            sock = stack.enter_context(_socket(probe.address))
            code = _begin(sock, probe)
            if code in REACHED:
                reached.add(probe)
            elif code == errno.EINPROGRESS:
                selector.register(sock, selectors.EVENT_WRITE, probe)
        reached.update(_await(selector, time.monotonic() + seconds))
    return [probe for probe in probes if probe not in reached]


def _socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    # Closed by a reset: a daemon that waits for the first words never hears of the connection.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    return sock


def _begin(sock: socket.socket, probe: Probe) -> int:
    sock.setblocking(False)
    try:
        if probe.source:
            sock.bind((probe.source, 0))
        return sock.connect_ex((probe.address, probe.port))
    except OSError as exc:
        return exc.errno or errno.EINVAL


def _await(selector: selectors.BaseSelector, until: float) -> Iterator[Probe]:
    while selector.get_map() and (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)  # noqa: S101  # only these registered
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in REACHED:
                yield key.data
