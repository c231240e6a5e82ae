"""A QMP server whose answers the test decides: QEMU at its worst moments."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import unix_sockets

GREETING = {"QMP": {"version": {}, "capabilities": []}}

Answer = Callable[[str, dict[str, Any]], list[dict[str, Any] | bytes | None]]
"""Tells what to send for a command; None hangs up."""


@contextmanager
def fake_qemu(path: Path, answer: Answer, greeting: object = GREETING) -> Iterator[None]:
    """Serve QMP at `path`, one client after the other, as QEMU does."""
    listener = unix_sockets.listen(path)
    listener.settimeout(0.05)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            with client:
                _serve(client, answer, greeting)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        listener.close()


def _serve(client: socket.socket, answer: Answer, greeting: object) -> None:
    for said in greeting if isinstance(greeting, list) else [greeting]:
        client.sendall(json.dumps(said).encode() + b"\n")
    with client.makefile("rb") as lines:
        for line in lines:
            command = json.loads(line)
            for item in answer(command["execute"], command.get("arguments", {})):
                if item is None:
                    return
                try:
                    client.sendall(_encoded(item, command.get("id")))
                except OSError:
                    return


def _encoded(item: dict[str, Any] | bytes, number: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if "event" not in item and "id" not in item:
        item = {**item, "id": number}
    return json.dumps(item).encode() + b"\r\n"
