"""The values of streams between nodes, and how their two ends shake hands."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Literal

from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

from .keepalive import SILENCE, notice_death
from .stream_frames import Wire

HANDSHAKE_SECONDS = 5.0
HELLO_SECONDS = 30.0
"""In which an end answers the other one, until they have let each other in."""
VERSION = 1


@dataclass(frozen=True)
class Offer:
    """Where a stream goes; who has it may send one, once.

    :param token: secret; it is in no log
    """

    address: str
    port: int
    token: str = field(repr=False)
    compression: str = "none"


@dataclass(frozen=True)
class Progress:
    """How far a stream is, in bytes before compression. `total` is 0 where it is not known."""

    state: Literal["none", "offered", "active", "done", "failed"]
    transferred: int = 0
    total: int = 0
    message: str = ""


@dataclass(frozen=True)
class Limits:
    """Seconds: `offered`, until somebody sends; `stall`, without a byte; `all`, for everything.

    One that goes on has all the time that it needs, for nobody knows how large a disk is. A script
    may take its time before it reads or writes, and storage until it has on the disk what it was
    given. A process or host that died is noticed all the same.
    """

    offered: float = 60.0
    stall: float = 3600.0
    all: float = 10 * 365 * 24 * 3600.0


Report = Callable[[Progress], None]
Sink = Path | Callable[[memoryview], object]
"""A new file, that comes to be whole or not at all; a device, that is written over; or a function
that takes the pieces, each of which is valid only during the call."""
Source = Path | int | Iterable[bytes | memoryview]
"""A file or device, a descriptor that is read to its end, or pieces."""


def silent(progress: Progress) -> None:
    """Report to nobody."""


def shake(raw: socket.socket, context: ssl.SSLContext, limits: Limits, *, server: bool) -> Wire:
    """Do the handshake of either side. It is quick, and so is what they say to each other before
    the stream: `Wire.stall` is to be set to that of `limits` then.

    :raises OSError: it failed or took too long
    """
    try:
        raw.settimeout(HANDSHAKE_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        notice_death(raw, patient=limits.stall > SILENCE)
        sock = context.wrap_socket(raw, server_side=server)
    except BaseException:
        raw.close()
        raise
    return Wire(sock, min(limits.stall, HELLO_SECONDS), time.monotonic() + limits.all)


@contextmanager
def writer(sink: Sink) -> Iterator[Callable[[memoryview], object]]:
    """Open a sink: a file appears under its name only when all was written.

    It has no name before that, so that even a kill leaves nothing.

    :raises OpPrereqError: the file exists, or cannot be made there
    """
    if not isinstance(sink, Path):
        yield sink
        return
    device = sink.exists() and stat.S_ISBLK(sink.stat().st_mode)
    if sink.exists() and not device:
        raise OpPrereqError(f"{sink} exists: a stream makes a new file", ECODE_EXISTS)
    try:
        descriptor = (os.open(sink, os.O_WRONLY) if device else
                      os.open(sink.parent, os.O_WRONLY | os.O_TMPFILE, 0o600))
    except OSError as exc:
        raise OpPrereqError(f"{sink} cannot be written: {exc.strerror}", ECODE_INVAL) from exc
    try:
        with contextlib.closing(os.fdopen(descriptor, "wb", buffering=0)) as file:
            yield file.write
            os.fsync(descriptor)
            if not device:
                _name(descriptor, sink)
    except FileExistsError as exc:
        raise OpPrereqError(f"{sink} exists: a stream makes a new file", ECODE_EXISTS) from exc


def _name(descriptor: int, file: Path) -> None:
    """Give a file without a name one, durably."""
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", file.name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)
