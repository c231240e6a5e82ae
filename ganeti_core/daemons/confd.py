"""The confd daemon: answers datagrams from this node's own copy of the configuration."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.bootstrap.renew import CONFD_KEY
from ganeti_core.confd.answers import Answers
from ganeti_core.confd.reader import CopyReader
from ganeti_core.confd.service import Service
from ganeti_core.confd_client.messages import LARGEST, PORT, Ignored
from ganeti_core.config.replica import Replica
from ganeti_core.daemons import on_node
from ganeti_core.daemons.process import Daemon, end_on_signals
from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import identity_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from ganeti_core.paths import Paths

NAME = "ganeti-confd"
USER = "gnt-confd"
PAUSE = 0.25
"""Seconds between two looks whether the copy has changed."""
STOP_SECONDS = 0.5
_LOGGED = 100
"""Datagrams of one look that are logged; the rest is counted."""

log = logging.getLogger(__name__)


def intervals() -> dict[str, int]:
    """Microseconds between two runs of each data collector of this installation."""
    host = PluginHost()
    host.load([COLLECTORS])
    return {name: round(host.describe(COLLECTORS, name).interval * 1_000_000)
            for name in host.names(COLLECTORS)}


def read_key(paths: Paths) -> bytes:
    """:raises ConfigurationError: there is none that could be used"""
    file = paths.data / CONFD_KEY
    try:
        key = file.read_bytes()
    except OSError as exc:
        raise ConfigurationError(
            f"{file} cannot be read: {exc.strerror} (on the master, gnt-cluster renew-crypto "
            "--new-confd-hmac-key makes one for all nodes)") from exc
    if not key.strip():
        raise ConfigurationError(f"{file} is empty")
    return key


@dataclass
class Confd:
    """Serves until `leave` is set; tests build it in their own process."""

    paths: Paths
    address: tuple[str, int]
    service: Service
    reader: CopyReader
    intervals: Mapping[str, int]
    leave: threading.Event = field(default_factory=threading.Event)
    _ignored: int = 0

    @classmethod
    def build(cls, paths: Paths, address: tuple[str, int]) -> Confd:
        """:raises ConfigurationError: there is no key"""
        return cls(paths, address, Service(read_key(paths)),
                   CopyReader(paths, Replica(paths.database)), intervals())

    def open(self) -> socket.socket:
        """:raises OSError: the port cannot be opened"""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        link = socket.socket(family, socket.SOCK_DGRAM)
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            link.bind(self.address)
            link.settimeout(STOP_SECONDS)
        except OSError:
            link.close()
            raise
        return link

    def follow(self) -> None:
        """Read key and configuration again whenever they change; runs in a thread of its own."""
        on_node.follow(self.leave, PAUSE, self.refresh, "the configuration cannot be read")

    def refresh(self) -> None:
        """Look once; the daemon ends where the host is no node any more."""
        if not identity_file(self.paths).exists():
            log.warning("this host is no node any more")
            self.leave.set()
            return
        self.service.key = read_key(self.paths)
        self._ignored = 0
        if self.reader.refresh():
            snapshot = self.reader.snapshot
            self.service.use(Answers(snapshot, self.intervals) if snapshot else None)

    def serve(self, link: socket.socket, process: Daemon) -> None:
        """Answer until `leave` is set."""
        due = time.monotonic()
        while not self.leave.is_set():
            try:
                self._answer(link)
            except TimeoutError:
                pass
            except OSError as exc:
                log.info("a datagram could not be received or sent: %s", exc)
            interval = process.supervisor.interval
            if interval is not None and time.monotonic() >= due:
                process.supervisor.lives()
                due = time.monotonic() + interval

    def _answer(self, link: socket.socket) -> None:
        datagram, sender = link.recvfrom(LARGEST)
        try:
            answer = self.service.reply(datagram, time.time())
        except Ignored as exc:
            self._ignored += 1
            if self._ignored <= _LOGGED:
                log.debug("nothing is answered to %s: %s", sender[0], exc)
            return
        except Exception:  # wall: no datagram ends the daemon
            log.exception("a datagram from %s", sender[0])
            return
        link.sendto(answer, sender)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ganeti-confd``."""
    options = make_parser().parse_args(argv)
    return on_node.run(NAME, options, lambda paths, identity, process: _serve(
        paths, (options.bind or identity.address, options.port), process), USER)


def _serve(paths: Paths, address: tuple[str, int], process: Daemon) -> int:
    try:
        confd = Confd.build(paths, address)
        link = confd.open()
        process.become_user()
        # Only now: who could write would leave a new log behind.
        confd.refresh()
    except (GanetiError, OSError) as exc:
        return on_node.cannot_serve(process, address, exc)
    end_on_signals(confd.leave)
    following = threading.Thread(target=confd.follow, name="follow", daemon=True)
    with contextlib.closing(link):
        following.start()
        log.info("answers at %s port %d", *address)
        process.ready()
        confd.serve(link, process)
    log.info("ended")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the daemon."""
    return on_node.make_parser(
        NAME, "Ganeti configuration daemon: answers signed questions by UDP", PORT, USER)


if __name__ == "__main__":
    sys.exit(main())
