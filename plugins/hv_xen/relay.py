"""The two ends of a migration, between xl and the network: a program of its own, without the core.

``xl migrate`` gives what it sends to a command's standard input and reads the replies from its
standard output; ``xl migrate-receive`` does the same the other way round. xl would let the target
run the domain by itself. Here nobody does without an order, which is a file in the folder of notes:

- The source's relay passes the domain on, and the receiver's word that it has arrived. It keeps the
  last word, on which xl ends the domain here or lets it run again, for the order ``gone`` or
  ``back``.
- The target's relay does not pass on that the domain may run, but says so itself on the order
  ``run``.

A relay whose connection breaks before the domain has arrived ends, and so does xl, which then lets
the domain run on; later it waits for its order.
"""

from __future__ import annotations

import hmac
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

BANNER = b"xl migration receiver ready, send binary domain data.\n"
READY = b"domain received, ready to unpause\0"
GO = b"domain is yours, you are cleared to unpause\0"
REPORT = b"my copy unpause results are as follows\0"
CHUNK = 1 << 16
POLL = 0.02
CONNECT_LIMIT = 20.0
TOKEN_LIMIT = 10.0
OFFERED_LIMIT = 120.0
TOKEN_BYTES = 64
"""xl's words, each with the zero byte that ends it but for the first."""


class Notes:
    """The folder in which a relay and the driver leave each other files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str = "") -> None:
        """Leave a note, whole or not at all."""
        draft = self.folder / f".{name}.new"
        draft.write_text(text)
        draft.replace(self.folder / name)

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def wait(self, *names: str) -> str:
        """Wait for one of several notes; return its name, or nothing when the folder is gone."""
        while self.folder.exists():
            for name in names:
                if self.has(name):
                    return name
            time.sleep(POLL)
        return ""


def send(notes: Notes, address: str, port: int, token: str) -> int:
    """Stand between ``xl migrate`` (standard input and output) and the target."""
    with socket.create_connection((address, port), CONNECT_LIMIT) as wire:
        wire.settimeout(None)
        wire.sendall(token.encode())
        if not _arrives(notes, wire):
            return 1
    order = notes.wait("gone", "back")
    if order == "gone":
        _say(1, REPORT + b"\0")
    elif order == "back":
        _say(1, REPORT + b"\1" + GO)
    return 0 if order else 1


def _arrives(notes: Notes, wire: socket.socket) -> bool:
    """Pass everything both ways until the receiver has all; whether it came to that."""
    sent, replies, shown = 0, b"", 0.0
    watched: list[int | socket.socket] = [0, wire]
    while True:
        if notes.has("abort"):
            return False
        for ready in select.select(watched, [], [], POLL)[0]:
            if ready == 0:
                data = os.read(0, CHUNK)
                if not data or not _passed_on(notes, wire, data):
                    return False  # xl has given up, or the master
                sent += len(data)
            elif data := wire.recv(CHUNK):
                replies += data
                if replies.startswith(BANNER + READY):
                    # First the note: when xl knows, the guest must count as sent.
                    notes.write("sent", str(sent))
                    _say(1, data)
                    return True
                _say(1, data)
            else:
                return False
        if time.monotonic() - shown > 0.25:
            notes.write("progress", str(sent))
            shown = time.monotonic()


def _passed_on(notes: Notes, wire: socket.socket, data: bytes) -> bool:
    """Send all to a target that may have stopped to take it; False when that is given up."""
    while data:
        if notes.has("abort"):
            return False
        if select.select([], [wire], [], POLL)[1]:
            data = data[wire.send(data, socket.MSG_DONTWAIT):]
    return True


def receive(notes: Notes, address: str, port: int, token: str, words: list[str]) -> int:
    """Stand between the source and ``xl migrate-receive``, which `words` run."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        server.settimeout(OFFERED_LIMIT)
        notes.write("port", str(server.getsockname()[1]))
        while True:
            wire, _ = server.accept()
            if hmac.compare_digest(_told(wire), token.encode()):
                break
            wire.close()
    with wire, subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as xl:
        into, out_of = _pipes(xl)
        if not _receives(wire, into, out_of):
            return 1
        notes.write("arrived")
        if notes.wait("run") != "run":
            return 1
        into.write(GO)
        into.flush()
        told = out_of.read(len(REPORT) + 1)
        notes.write("runs" if told == REPORT + b"\0" else "failed", repr(told))
    return 0


def _told(wire: socket.socket) -> bytes:
    """The token that somebody gives; less of it from who goes away, or does not give it in time."""
    token, until = b"", time.monotonic() + TOKEN_LIMIT
    with suppress(OSError):
        while len(token) < TOKEN_BYTES and (left := until - time.monotonic()) > 0:
            wire.settimeout(left)
            if not (data := wire.recv(TOKEN_BYTES - len(token))):
                break
            token += data
    wire.settimeout(None)
    return token


def _pipes(xl: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if xl.stdin is None or xl.stdout is None:
        raise OSError("xl was started without pipes")
    return xl.stdin, xl.stdout


def _receives(wire: socket.socket, into: IO[bytes], out_of: IO[bytes]) -> bool:
    """Pass everything both ways until xl has the domain; whether it came to that."""
    replies, source, output = b"", wire.fileno(), out_of.fileno()
    while True:
        for ready in select.select([source, output], [], [])[0]:
            data = os.read(ready, CHUNK)
            if not data:
                return False
            if ready == source:
                into.write(data)
                into.flush()
                continue
            wire.sendall(data)
            replies += data
            if replies == BANNER + READY:
                return True


def _say(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]


def main(words: list[str]) -> int:
    """``relay.py send|receive FOLDER ADDRESS PORT [XL ...]``; the token is in the folder."""
    role, folder, address, port, *rest = words
    notes = Notes(Path(folder))
    token = (notes.folder / "token").read_text()
    try:
        if role == "send":
            return send(notes, address, int(port), token)
        return receive(notes, address, int(port), token, rest)
    except OSError as exc:
        sys.stderr.write(f"migration: {exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
