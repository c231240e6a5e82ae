"""The two directions of a stream, once its ends have shaken hands: pour a source, fill a sink."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .stream_ends import Progress, Report, Sink, Source, writer
from .stream_frames import LARGEST, Codec, StreamFailed, Wire

REPORT_SECONDS = 0.25


def pour(
    wire: Wire, source: Source, packing: Codec | None, cancelled: Callable[[], bool],
    reports: tuple[Report, int],
) -> int:
    """Send all of `source`, and wait until the other side has kept it; return its bytes.

    :param reports: who is told how far it is, and how many bytes there will be (0: not known)
    :raises StreamFailed: it was cancelled, or did not go whole
    """
    report, total = reports
    try:
        count = _pour(wire, source, packing.compress if packing else None, cancelled,
                      lambda sent: report(Progress("active", sent, total)))
    except StreamFailed as exc:
        wire.abort(str(exc))
        raise
    except BaseException as exc:
        wire.abort(f"the source failed: {type(exc).__name__}")
        raise
    wire.say({"sent": count})
    if wire.hear() != {"done": count}:
        raise StreamFailed("the receiver counted other bytes")
    report(Progress("done", count, total or count))
    return count


def _pour(
    wire: Wire, source: Source, pack: Callable[[bytes], bytes] | None,
    cancelled: Callable[[], bool], report: Callable[[int], None],
) -> int:
    count, due = 0, 0.0
    for piece in _pieces(source):
        if cancelled():
            raise StreamFailed("the sender was cancelled")
        if wire.said_something():
            wire.hear()
        wire.send(pack(bytes(piece)) if pack else piece)
        count += len(piece)
        if time.monotonic() >= due:
            report(count)
            due = time.monotonic() + REPORT_SECONDS
    wire.send(b"")
    return count


def _pieces(source: Source) -> Iterator[bytes | memoryview]:
    """Cut a source into frames, none of them empty."""
    if isinstance(source, Path):
        with source.open("rb", buffering=0) as file:
            yield from _read(file.fileno())
    elif isinstance(source, int):
        yield from _read(source)
    else:
        for piece in source:
            for at in range(0, len(piece), LARGEST):
                yield memoryview(piece)[at:at + LARGEST]


def _read(descriptor: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(LARGEST))
    while got := os.readv(descriptor, [buffer]):
        yield buffer[:got]


def fill(
    wire: Wire, sink: Sink, packing: Codec | None, cancelled: Callable[[], bool],
    reports: tuple[Report, int],
) -> int:
    """Receive all that the other side sends into `sink`; return how many bytes came.

    :param reports: as for `pour`
    :raises StreamFailed: it was cancelled, or did not arrive whole: nothing is kept
    """
    report, total = reports
    try:
        count = _fill(wire, sink, packing, cancelled,
                      lambda came: report(Progress("active", came, total)))
    except BaseException as exc:
        wire.abort(str(exc) or type(exc).__name__)
        raise
    report(Progress("done", count, total or count))
    wire.say({"done": count})
    return count


def _fill(
    wire: Wire, sink: Sink, packing: Codec | None, cancelled: Callable[[], bool],
    report: Callable[[int], None],
) -> int:
    count, due = 0, 0.0
    with writer(sink) as write:
        while frame := wire.receive():
            if cancelled():
                raise StreamFailed("the receiver was cancelled")
            data = _expanded(frame, packing)
            _write_all(write, data)
            count += len(data)
            if time.monotonic() >= due:
                report(count)
                due = time.monotonic() + REPORT_SECONDS
        if wire.hear() != {"sent": count}:
            raise StreamFailed(f"{count} bytes came, the sender counted others")
    return count


def _expanded(frame: memoryview, packing: Codec | None) -> memoryview:
    if packing is None:
        return frame
    try:
        data = packing.expand(bytes(frame))
    except Exception as exc:  # wall: each library has errors of its own
        raise StreamFailed(f"a frame cannot be expanded: {exc}") from exc
    if len(data) > LARGEST:
        raise StreamFailed(f"a frame expands to more than {LARGEST} bytes")
    return memoryview(data)


def _write_all(write: Any, data: memoryview) -> None:
    """A file may take only a part; a function that returns no number has taken all."""
    while data:
        taken = write(data)
        if not isinstance(taken, int) or taken >= len(data):
            return
        data = data[taken:]
