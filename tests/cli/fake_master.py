"""A master that answers what it was told to, over a real unix socket.

An exchange is one of

- ``[method, arguments, result]``: ``"*"`` stands for any argument, or for all of them; a result
  ``{"error": ...}`` is sent as a failure,
- ``["job", opcode name, outcome]``: a submitted job and how it ends,
- ``["submit", opcode name, job id]``: a job that nobody waits for,
- ``["wait", job id, outcome]``: a job that somebody else submitted.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

END = b"\x03"


class FakeMaster:
    """Serves connections one after the other until it is left."""

    def __init__(self, root: Path, exchanges: Sequence[Sequence[Any]]) -> None:
        self._exchanges = [list(exchange) for exchange in exchanges]
        self._jobs: dict[int, dict[str, Any]] = {
            number: outcome for kind, number, outcome in exchanges if kind == "wait"}
        self.submitted: list[list[dict[str, Any]]] = []
        self.requests: list[tuple[str, list[Any]]] = []
        folder = root / "var/run/ganeti/socket"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ganeti-query").unlink(missing_ok=True)
        descriptor = os.open(folder, os.O_PATH)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"/proc/self/fd/{descriptor}/ganeti-query")
        os.close(descriptor)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FakeMaster:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # A client may be gone before its answer.
            with connection, contextlib.suppress(ConnectionError):
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        pending = b""
        while data := connection.recv(65536):
            pending += data
            while END in pending:
                message, _, pending = pending.partition(END)
                connection.sendall(json.dumps(self._answer(json.loads(message))).encode() + END)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method, args = request["method"], request["args"]
        self.requests.append((method, args))
        match method:
            case "SubmitJob":
                result: Any = self._submit(args[0])
            case "SubmitManyJobs":
                result = [[True, self._submit(opcodes)] for opcodes in args[0]]
            case "WaitForJobChange" if args[0] in self._jobs:
                job = self._jobs[args[0]]
                result = [[job["status"], job["opstatus"], job["opresult"]],
                          [entry for entry in job["log"] if entry[0] > (args[3] or 0)]]
            case _:
                result = self._canned(method, args)
        if isinstance(result, dict) and "error" in result:
            return {"success": False, "result": result["error"]}
        return {"success": True, "result": result}

    def _submit(self, opcodes: list[dict[str, Any]]) -> int:
        self.submitted.append(opcodes)
        for exchange in self._exchanges:
            kind, name, outcome = exchange
            if kind in ("job", "submit") and name == opcodes[0]["OP_ID"]:
                self._exchanges.remove(exchange)
                if kind == "submit":
                    return outcome
                number = outcome.get("id", 1000 + len(self.submitted))
                self._jobs[number] = outcome
                return number
        raise AssertionError(f"unexpected job: {opcodes}")

    def _canned(self, method: str, args: list[Any]) -> Any:
        for name, expected, result in self._exchanges:
            if name == method and (expected == "*" or _fits(expected, args)):
                return result
        return {"error": f"unexpected request {method} {json.dumps(args)}"}


def _fits(expected: list[Any], args: list[Any]) -> bool:
    return len(expected) == len(args) and all(
        want in ("*", got) for want, got in zip(expected, args, strict=True))
