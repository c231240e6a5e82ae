"""A process of our own beside the master: it is sent messages, and ends with it or is killed."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.sessions import kill_session


@dataclass
class HelperProcess:
    """One process; one thread uses it at a time.

    :param module: its program, a module that is run with the descriptor of its socket first
    :param arguments: what follows
    """

    module: str
    arguments: tuple[str, ...]
    sock: socket.socket | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def lost(self) -> bool:
        """Whether it has died unseen: it says nothing unasked."""
        return self.sock is not None and readable(self.sock, 0.0)

    def start(self) -> socket.socket:
        """Start it, in a session of its own."""
        ours, theirs = socket.socketpair()
        try:
            # It inherits its own socket alone: in one that another thread is about to hand to its
            # process, that process's end could not be seen.
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(theirs.fileno()), *self.arguments],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.sock = ours
        return ours

    def bury(self) -> int:
        """End it and all that it has started; returns how it ended, negative for a signal."""
        sock, self.sock = self.sock, None
        process, self._process = self._process, None
        if sock is not None:
            sock.close()
        if process is None:
            return 0
        process.kill()
        kill_session(process.pid)
        return process.wait()


def readable(sock: socket.socket, seconds: float) -> bool:
    """Wait until there is something to read, or the other side has gone."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def end_with_master(sock: socket.socket) -> None:
    """End this process, whatever it does, as soon as the master has: it hangs up then."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    poll.poll()
    os._exit(0)
