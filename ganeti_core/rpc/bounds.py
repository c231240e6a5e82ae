"""What a server bears, and from whom: no caller can take what another one needs.

Places are counted by what a caller is: master candidates, other nodes and strangers each have
their own, so that neither idle nodes nor strangers keep the master out. A caller who takes more
than its share loses the connection that it has not used for longest.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.access import Caller, Role
from ganeti_core.rpc.pyro import StrictConnection, shut

# Pyro5 is imported through ganeti_core.rpc.pyro first: see there.
from Pyro5 import errors as pyro_errors  # isort: skip

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

SMALL_MESSAGE = 64 * 1024
"""Bytes of a message that are not counted: every connection may have as many under way."""


@dataclass(frozen=True)
class Share:
    """What callers of one role may take.

    :param each: connections of one caller (of one address, for strangers); `together`: of all
    :param idle: seconds between two messages; `message_bytes`: of one message
    :param kept: seconds for which an idle connection is not given up for a new one
    """

    each: int
    together: int
    idle: float
    message_bytes: int
    kept: float


@dataclass(frozen=True)
class Limits:
    """What a server bears.

    :param handshake: seconds for TLS; `message`: for a message once begun; `stall`: in which some
        of it must arrive
    :param handshakes: connections that may be shaking hands; `refusals`: callers that are told why
        they are not served, the others are cut off
    :param caller_bytes: of messages of one caller that have not arrived as a whole
    """

    handshake: float = 5.0
    message: float = 60.0
    stall: float = 5.0
    handshakes: int = 32
    refusals: int = 16
    caller_bytes: int = 64 << 20
    candidates: Share = Share(96, 128, 3600.0, 16 << 20, 5.0)
    nodes: Share = Share(4, 32, 60.0, (1 << 20) + SMALL_MESSAGE, 0.0)
    strangers: Share = Share(4, 16, 10.0, SMALL_MESSAGE, 1.0)

    def share(self, role: Role) -> Share:
        """What callers of `role` may take."""
        if role is Role.CANDIDATE:
            return self.candidates
        return self.strangers if role is Role.ANONYMOUS else self.nodes


@dataclass
class Budget:
    """Bytes that one caller may have under way, on all its connections."""

    size: int
    _used: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def hold(self, size: int, until: float) -> Iterator[None]:
        """Set `size` bytes aside; a message that is larger than all is taken alone.

        :raises Pyro5.errors.TimeoutError: there was no room until then (monotonic clock)
        """
        with self._changed:
            if not self._changed.wait_for(
                    lambda: not self._used or self._used + size <= self.size,
                    max(0.0, until - time.monotonic())):
                raise pyro_errors.TimeoutError("receiving: too much of this caller is under way")
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


class Served(StrictConnection):
    """A connection whose caller is known."""

    def __init__(self, sock: ssl.SSLSocket, caller: Caller, role: Role, limits: Limits) -> None:
        share = limits.share(role)
        super().__init__(sock, idle=share.idle, limit=limits.message,
                         max_message=share.message_bytes)
        if role is Role.ANONYMOUS:
            self.limit = share.idle
        self.stall = limits.stall
        self.caller = caller
        self.role = role
        self.budget = Budget(limits.caller_bytes)
        self.unlisted_since = 0.0

    @property
    def whose(self) -> str:
        """What counts as one caller: a certificate, for strangers an address."""
        return self.caller.fingerprint or self.caller.address

    def recv_large(self, size: int, until: float) -> bytes:
        """Read the body of a message, within what its caller may have under way."""
        if size <= SMALL_MESSAGE:
            return super().recv_large(size, until)
        with self.budget.hold(size, until):
            return super().recv_large(size, until)

    def idle_for(self) -> float:
        """Seconds without a message; 0 while one is read or worked on."""
        return time.monotonic() - self.waiting_since if self.waiting else 0.0


@dataclass
class Places:
    """The connections that are served."""

    limits: Limits
    _taken: set[Served] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def taken(self) -> list[Served]:
        with self._guard:
            return list(self._taken)

    def take(self, connection: Served) -> bool:
        """Give a new connection a place; False when there is none for its caller."""
        share = self.limits.share(connection.role)
        with self._guard:
            alike = [one for one in self._taken if one.role is connection.role]
            own = [one for one in alike if one.whose == connection.whose]
            if own:
                connection.budget = own[0].budget
            crowd = own if len(own) >= share.each else alike
            if len(own) >= share.each or len(alike) >= share.together:
                longest = max(crowd, key=Served.idle_for)
                if not longest.waiting or longest.idle_for() < share.kept:
                    return False
                self._taken.discard(longest)
                shut(longest.tls)
            self._taken.add(connection)
            return True

    def leave(self, connection: Served) -> None:
        with self._guard:
            self._taken.discard(connection)
