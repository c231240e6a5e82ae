"""Listens to the consoles of an instance, on all nodes at once."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from pathlib import Path

from block_ledger import Ledger
from console_listener import ConsoleListener

from ganeti_core.paths import Paths
from ganeti_core.plugin_api import unix_sockets

PAUSE = 0.02


class Consoles(ConsoleListener):
    """Connects with each console that there is, and enters what guests say there in a ledger.

    :param root: of the virtual cluster; `name`: of the instance
    """

    def __init__(self, root: Path, name: str, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._root, self._name = root, name
        self._open: dict[socket.socket, tuple[Path, int, bytes]] = {}

    def listen(self) -> None:
        while not self.is_over():
            self._look()
            for ready in select.select(list(self._open), [], [], PAUSE)[0]:
                self._hear(ready)
        for one in self._open:
            one.close()

    def _look(self) -> None:
        known = {(path, number) for path, number, _ in self._open.values()}
        for node in self._root.glob("node*"):
            path = Paths(node).plugin_state / "hypervisors/kvm" / self._name / "serial"
            with suppress(OSError):
                if (path, path.stat().st_ino) not in known:
                    self._open[unix_sockets.connect(path, 1.0)] = (
                        path, path.stat().st_ino, b"")

    def _hear(self, ready: socket.socket) -> None:
        path, number, rest = self._open[ready]
        try:
            said = ready.recv(1 << 16)
        except OSError:
            said = b""
        if not said:
            del self._open[ready]
            ready.close()
            return
        node = path.relative_to(self._root).parts[0]
        self._open[ready] = (path, number, self.ledger.hear(node, rest + said))
