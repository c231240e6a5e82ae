"""A client of QMP, the JSON protocol of some programs that run guests or serve disks.

Such a program serves one client of a socket at a time and lets others wait for its greeting, so a
connection is held only for as long as a few commands take. A driver makes a class of its own, with
its words and errors.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from ganeti_core.errors import GanetiError

from .unix_sockets import connect

ANSWER_LIMIT = 10.0
LARGEST_ANSWER = 16 << 20
KEPT_EVENTS = 256


class QmpRefusal(GanetiError):
    """A command was answered with an error; `error_class` is the protocol's class of it."""

    def __init__(self, text: str, error_class: str = "") -> None:
        super().__init__(text)
        self.error_class = error_class


class QmpClient:
    """One connection; a context manager.

    Of classes made of this one: `who` is what errors call the program, `lost` the error for one
    that is not there, hangs or hung up, and `refused` the error for a command that it refuses.

    :param limit: seconds that the greeting and each command may take
    """

    who: ClassVar[str] = "the program"
    lost: ClassVar[type[GanetiError]] = GanetiError
    refused: ClassVar[type[QmpRefusal]] = QmpRefusal

    def __init__(self, connection: socket.socket, limit: float = ANSWER_LIMIT) -> None:
        self._socket = connection
        self._limit = limit
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._commands = 0
        deadline = time.monotonic() + limit
        while "event" in (greeting := self._read(deadline)):
            pass  # meant for the client before: it may be sent to the next one, unasked
        if "QMP" not in greeting:
            raise self.lost(f"not a QMP socket, it says {str(greeting)[:80]}")
        self.execute("qmp_capabilities")

    @classmethod
    def connect(cls, path: Path, limit: float = ANSWER_LIMIT) -> Self:
        """Connect to the socket at `path`, however long that is.

        :raises GanetiError: (`lost`) nobody listens, or nobody answers in `limit` seconds
        """
        try:
            connection = connect(path, limit)
        except OSError as exc:
            raise cls.lost(f"cannot reach {cls.who} at {path}: {exc.strerror or exc}") from exc
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

        :raises QmpRefusal: (`refused`) the program said no
        :raises GanetiError: (`lost`) no answer in time, or the connection is lost
        """
        self._commands += 1
        number = self._commands
        message = {"execute": command, "arguments": arguments or {}, "id": number}
        deadline = time.monotonic() + self._limit
        try:
            self._socket.settimeout(self._limit)
            self._send(json.dumps(message).encode() + b"\n", descriptors)
        except OSError as exc:
            raise self.lost(f"{self.who} hung up before {command}") from exc
        while True:
            answer = self._read(deadline)
            if "event" in answer:
                self._events.append(answer)
            elif answer.get("id", number) != number:
                continue  # the late answer to a command that was given up
            elif "error" in answer:
                error = answer["error"]
                raise self.refused(f"{self.who} refused {command}: {error.get('desc')}",
                                   str(error.get("class")))
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

        :raises GanetiError: (`lost`) it did not come in `timeout` seconds
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
                raise self.lost(f"{self.who} does not answer")
            if len(self._buffer) > LARGEST_ANSWER:
                raise self.lost(f"{self.who} sends an endless answer")
            self._socket.settimeout(left)
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError as exc:
                raise self.lost(f"{self.who} does not answer") from exc
            except OSError as exc:
                raise self.lost(f"{self.who} hung up: {exc.strerror or exc}") from exc
            if not chunk:
                raise self.lost(f"{self.who} hung up")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line)
        except ValueError as exc:
            raise self.lost(f"{self.who} sends what is not JSON: {line[:80]!r}") from exc
        return message if isinstance(message, dict) else {}
