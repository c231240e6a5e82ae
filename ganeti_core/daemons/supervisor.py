"""What a daemon tells the service manager that started it: that it serves, lives, ends.

The protocol is that of `sd_notify(3)`: a datagram to the socket that ``NOTIFY_SOCKET`` names.
Without that variable nobody asked, and nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from ganeti_core.lazy_dataclass import dataclass

_ADDRESS, _MICROSECONDS, _PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


@dataclass(frozen=True)
class Supervisor:
    """A service manager that wants to be told.

    :param address: of its socket; empty where there is none
    :param interval: seconds between two signs of life; None where it expects none
    """

    address: str = ""
    interval: float | None = None

    @classmethod
    def from_environment(cls) -> Supervisor:
        """Take it from the environment, and remove it there: what this process starts is not what
        the service manager looks at."""
        address = os.environ.pop(_ADDRESS, "")
        limit, pid = os.environ.pop(_MICROSECONDS, ""), os.environ.pop(_PID, "")
        meant = limit.isdigit() and int(limit) > 0 and pid in ("", str(os.getpid()))
        # Half of the limit, as sd_watchdog_enabled(3) advises.
        return cls(address, int(limit) / 2e6 if address and meant else None)

    def tell(self, state: str) -> None:
        """Send an assignment such as ``READY=1``; a manager that does not listen is no failure."""
        if not self.address:
            return
        # A leading @ stands for the abstract namespace.
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.connect(where)
            link.sendall(state.encode())

    def serves(self) -> None:
        """The daemon answers from now on."""
        self.tell("READY=1")

    def lives(self) -> None:
        """A sign of life, due every `interval` seconds."""
        self.tell("WATCHDOG=1")

    async def keep_alive(self) -> None:
        """Give signs of life from the loop that serves, for as long as the task runs."""
        while self.interval is not None:
            self.lives()
            await asyncio.sleep(self.interval)

    def ends(self) -> None:
        """The daemon was told to end."""
        self.tell("STOPPING=1")
