"""A client of QEMU's machine protocol (QMP): commands, returns, events.

QEMU serves one client of a socket at a time and lets others wait for its greeting, so connections
are held only for as long as a few commands take.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ganeti_core.plugin_api import HypervisorError

from . import sockets

ANSWER_LIMIT = 10.0
LARGEST_ANSWER = 16 << 20
KEPT_EVENTS = 256


class QmpUnreachable(HypervisorError):
    """QEMU is not there, hangs, or hung up."""


class QmpRefused(HypervisorError):
    """QEMU answered a command with an error; `error_class` is QMP's class of it."""

    def __init__(self, command: str, error_class: str, text: str) -> None:
        super().__init__(f"QEMU refused {command}: {text}")
        self.error_class = error_class


class Qmp:
    """One connection to one QEMU; a context manager.

    `limit`: seconds that the greeting and each command may take.
    """

    def __init__(self, connection: socket.socket, limit: float = ANSWER_LIMIT) -> None:
        self._socket = connection
        self._limit = limit
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._commands = 0
        deadline = time.monotonic() + limit
        while "event" in (greeting := self._read(deadline)):
            pass  # meant for the client before: QEMU may send it to the next one, unasked
        if "QMP" not in greeting:
            raise QmpUnreachable(f"not a QMP socket, it says {str(greeting)[:80]}")
        self.execute("qmp_capabilities")

    @classmethod
    def connect(cls, path: Path, limit: float = ANSWER_LIMIT) -> Self:
        """:raises QmpUnreachable: nobody listens at `path`, or nobody answers in `limit` seconds"""
        try:
            connection = sockets.connect(path, limit)
        except OSError as exc:
            raise QmpUnreachable(f"cannot reach QEMU at {path}: {exc.strerror or exc}") from exc
        try:
            return cls(connection, limit)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def execute(
        self, command: str, arguments: dict[str, Any] | None = None,
        descriptors: Sequence[int] = (),
    ) -> Any:
        """Run a command and give its answer; events that come meanwhile are kept.

        `descriptors` are handed over with the command.

        :raises QmpRefused: QEMU said no
        :raises QmpUnreachable: no answer in time, or the connection is lost
        """
        self._commands += 1
        number = self._commands
        message = {"execute": command, "arguments": arguments or {}, "id": number}
        deadline = time.monotonic() + self._limit
        try:
            self._socket.settimeout(self._limit)
            self._send(json.dumps(message).encode() + b"\n", descriptors)
        except OSError as exc:
            raise QmpUnreachable(f"QEMU hung up before {command}") from exc
        while True:
            answer = self._read(deadline)
            if "event" in answer:
                self._events.append(answer)
            elif answer.get("id", number) != number:
                continue  # the late answer to a command that was given up
            elif "error" in answer:
                error = answer["error"]
                raise QmpRefused(command, str(error.get("class")), str(error.get("desc")))
            else:
                return answer.get("return")

    def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else 0
        self._socket.sendall(data[sent:])

    def seen(self, name: str) -> bool:
        """Return whether an event of that name came during the commands so far."""
        return any(event.get("event") == name for event in self._events)

    def wait_event(
        self, name: str, timeout: float, where: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Wait for an event whose data holds all of `where`; earlier events are forgotten.

        :raises QmpUnreachable: it did not come in `timeout` seconds
        """
        deadline = time.monotonic() + timeout
        while True:
            event = self._events.popleft() if self._events else self._read(deadline)
            data = event.get("data") or {}
            wanted = (where or {}).items() <= data.items()
            if event.get("event") == name and wanted:
                return dict(data)

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpUnreachable("QEMU does not answer")
            if len(self._buffer) > LARGEST_ANSWER:
                raise QmpUnreachable("QEMU sends an endless answer")
            self._socket.settimeout(left)
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError as exc:
                raise QmpUnreachable("QEMU does not answer") from exc
            except OSError as exc:
                raise QmpUnreachable(f"QEMU hung up: {exc.strerror or exc}") from exc
            if not chunk:
                raise QmpUnreachable("QEMU hung up")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line)
        except ValueError as exc:
            raise QmpUnreachable(f"QEMU sends what is not JSON: {line[:80]!r}") from exc
        return message if isinstance(message, dict) else {}
