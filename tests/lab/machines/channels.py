"""Two ways to a machine that no network is needed for: QEMU's monitor, and the agent in the guest.

Both are JSON documents, a line each, on a socket of this host.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from pathlib import Path
from typing import Any


class Refused(Exception):
    """QEMU or the guest's agent has answered with an error."""


class _Lines:
    """A stream of documents; what is not awaited yet stays in a buffer."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._socket.connect(str(path))
                return
            except OSError:
                if time.monotonic() > self._until:
                    self._socket.close()
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        self._socket.close()

    def send(self, name: str, arguments: dict[str, Any], before: bytes = b"") -> None:
        text = json.dumps({"execute": name, "arguments": arguments})
        self._socket.sendall(before + text.encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            self._socket.settimeout(max(0.01, self._until - time.monotonic()))
            if not (read := self._socket.recv(1 << 20)):
                raise EOFError("the machine has ended")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        # The agent puts a byte that is no text before what it synchronizes with.
        return dict(json.loads(line.rpartition(b"\xff")[2]))


def monitor(path: Path, command: str, seconds: float = 60.0, /, **arguments: Any) -> Any:
    """Give one command to QEMU's monitor and return what it returns.

    :raises Refused: it failed
    """
    lines = _Lines(path, seconds)
    try:
        lines.receive()
        for name, given in (("qmp_capabilities", {}), (command, arguments)):
            lines.send(name, given)
            while "return" not in (said := lines.receive()):
                if "error" in said:
                    raise Refused(f"{name}: {said['error']['desc']}")
        return said["return"]
    finally:
        lines.close()


def run_in_guest(path: Path, words: list[str], seconds: float) -> tuple[int, bytes]:
    """Run a program in the guest; return its status and what it printed on standard output.

    :raises TimeoutError: it has not ended by then, or nobody answers
    """
    agent = _Agent(path, seconds)
    try:
        pid = agent.call("guest-exec", path=words[0], arg=words[1:], **{"capture-output": True})
        pause = 0.02
        while not (said := agent.call("guest-exec-status", pid=pid["pid"]))["exited"]:
            if time.monotonic() > agent.until:
                raise TimeoutError(f"{words[0]} runs for longer than {seconds:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return int(said.get("exitcode", -1)), base64.b64decode(said.get("out-data", ""))
    finally:
        agent.close()


class _Agent(_Lines):
    """The agent in the guest. Only one at a time may talk to it."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(path, seconds)
        self.until = self._until
        # Whoever talked to it before may have left without reading.
        mark = secrets.randbelow(1 << 30)
        self.send("guest-sync-delimited", {"id": mark}, before=b"\xff")
        while self.receive().get("return") != mark:
            continue

    def call(self, name: str, /, **arguments: Any) -> Any:
        self.send(name, arguments)
        said = self.receive()
        if "error" in said:
            raise Refused(f"{name}: {said['error']['desc']}")
        return said["return"]
