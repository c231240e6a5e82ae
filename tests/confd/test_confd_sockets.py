"""The loop of the daemon and its client over sockets of IPv4 and IPv6; datagrams may be lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from confd_cluster import INTERVALS, KEY, ask, service

from ganeti_core.confd_client.client import ConfdClient
from ganeti_core.confd_client.messages import MASTER, OK
from ganeti_core.daemons.confd import Confd


class Losing:
    """A socket that loses the first datagrams that it should send."""

    def __init__(self, link: socket.socket, losses: int) -> None:
        self._link = link
        self.losses = losses

    def sendto(self, data: bytes, address: Any) -> int:
        if self.losses:
            self.losses -= 1
            return len(data)
        return self._link.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


@contextmanager
def served(address: str, losses: int = 0) -> Iterator[int]:
    """A confd at a port of that address."""
    unused: Any = SimpleNamespace(supervisor=SimpleNamespace(interval=None))
    confd = Confd(unused, (address, 0), service(), unused, INTERVALS)
    with confd.open() as link:
        serving: Any = Losing(link, losses)
        thread = threading.Thread(target=confd.serve, args=(serving, unused))
        thread.start()
        try:
            yield link.getsockname()[1]
        finally:
            confd.leave.set()
            with socket.socket(link.family, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", link.getsockname()[:2])
            thread.join()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_questions_are_answered_over_both_protocols(address: str) -> None:
    wanted = ask(MASTER)["answer"]
    with served(address) as port:
        reply = ConfdClient(KEY, (address,), port).ask(MASTER)
    assert (reply.status, reply.answer) == (OK, wanted)


def test_a_datagram_that_is_lost_is_asked_for_again() -> None:
    with served("127.0.0.1", losses=1) as port:
        assert ConfdClient(KEY, ("127.0.0.1",), port, seconds=60.0).value(MASTER) is not None
