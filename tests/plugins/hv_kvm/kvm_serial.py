"""What the guest of these tests says on its serial console."""

import re
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ganeti_core.plugin_api import HookContext, unix_sockets

LONGEST = 120.0
COUNTS = r"count [0-9A-F]{8}\r\n"
"""What a running guest says again and again. The first numbers, and ``TINY READY`` before them, may
have gone by before anybody listens.
"""


class Serial:
    """A connection to the console of a guest; keeps all that it said."""

    def __init__(self, ctx: HookContext, name: str) -> None:
        self._socket = unix_sockets.connect(serial_path(ctx, name), LONGEST)
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def wait_for(self, pattern: str, *, fresh: bool = False) -> str:
        """Wait until the guest has said `pattern`; with `fresh` only what it says from now on
        counts."""
        begin = len(self.said) if fresh else 0
        deadline = time.monotonic() + LONGEST
        while not (found := re.search(pattern, self.said[begin:])):
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            chunk = self._socket.recv(4096)
            assert chunk, f"the guest ended without {pattern!r}, it said {self.said[-200:]!r}"
            self.said += chunk.decode(errors="replace")
        return found.group(0)

    def drain(self) -> None:
        """Read what is there until QEMU hangs up."""
        while chunk := self._socket.recv(4096):
            self.said += chunk.decode(errors="replace")

    @property
    def counts(self) -> list[int]:
        return [int(text, 16) for text in re.findall(r"count ([0-9A-F]{8})\r\n", self.said)]


def serial_path(ctx: HookContext, name: str) -> Path:
    return ctx.state / name / "serial"
