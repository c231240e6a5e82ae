"""Disks as streams: what ``export`` writes to its output, and ``import`` reads from its input.

The script runs in a thread while the stream flows: it prints to its log meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganeti_core.plugin_api import HookContext, OsScriptError
from ganeti_core.plugin_api.os import DiskStream
from ganeti_core.plugin_api.transfer import Progress, receive, send, to_job

from .runner import LINGERING, Pipes, Script, run_logged

SIZE_VARIABLE = "EXP_SIZE_FD"
CHUNK = 1 << 20


def environment(prefix: str, stream: DiskStream, hypervisor: str) -> dict[str, str]:
    """What tells a script which disk is meant: ``EXPORT_DEVICE``, ``IMPORT_INDEX`` ..."""
    disk = stream.disk
    values = {"INDEX": str(disk.index)}
    if disk.path:
        values |= {"DEVICE": disk.path, "DISK_PATH": disk.path}
    if uri := disk.uris.get(hypervisor):
        values["DISK_URI"] = uri
    return {f"{prefix}_{name}": value for name, value in values.items()}


def send_output(ctx: HookContext, script: Script, log: Path, stream: DiskStream) -> int:
    """Run ``export`` and send what it writes; return how much that was.

    :raises OsScriptError: it failed, so nothing of the stream is kept
    :raises StreamFailed: it did not arrive; the script is killed
    """
    ours, its = _pipe()
    size, size_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    script = replace(script, environment={**script.environment, SIZE_VARIABLE: "3"})
    try:
        with _running(ctx, script, log, Pipes(stdout=its, passed=(size_end,))) as done:
            return send(ctx, stream.offer, _output(ours, done),
                        progress=_with_size(size, to_job(ctx, f"disk/{stream.disk.index}")))
    finally:
        os.close(ours)
        os.close(size)


def _output(pipe: int, done: Future[None]) -> Iterator[bytes]:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            over = done.done()  # asked first: what it wrote before it ended is there then
            if selector.select(LINGERING):
                if not (data := os.read(pipe, CHUNK)):
                    break
                yield data
            elif over:
                break  # a daemon that it left behind holds the pipe
    # It may have ended in the middle: then the stream must not end well.
    done.result()


def _with_size(pipe: int, report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Report with the size that the script expects, once it has said so."""
    total = 0

    def with_size(progress: Progress) -> None:
        nonlocal total
        try:
            total = total or int(os.read(pipe, 100).split(b"\n")[0])
        except (BlockingIOError, ValueError):
            total = total or 0
        report(replace(progress, total=total if total >= progress.transferred else 0))

    return with_size


@dataclass
class _Input:
    """The script's standard input, as a sink; what it does not want any more is dropped."""

    pipe: int
    script: Future[None] | None = None
    is_open: bool = field(default=True)

    def write(self, data: memoryview) -> int:
        if not self.is_open:
            return len(data)
        try:
            return os.write(self.pipe, data)
        except BrokenPipeError:
            self.close()
            # Whether it has all it needs, or has failed, its exit status says.
            if self.script is not None:
                self.script.result()
            return len(data)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            os.close(self.pipe)


def feed_input(ctx: HookContext, script: Script, log: Path, stream: DiskStream) -> int:
    """Run ``import`` with a stream on its standard input; return how much that was.

    :raises OsScriptError: it failed
    :raises StreamFailed: the stream broke off; the script is killed, for it must not take the end
        of its input for the end of the stream
    """
    its, ours = _pipe()
    sink = _Input(ours)
    try:
        with _running(ctx, script, log, Pipes(stdin=its)) as done:
            sink.script = done
            count = receive(ctx, stream.offer, sink.write,
                            progress=to_job(ctx, f"disk/{stream.disk.index}"))
            sink.close()
            done.result()
            return count
    finally:
        sink.close()


@contextmanager
def _running(
    ctx: HookContext, script: Script, log: Path, pipes: Pipes
) -> Iterator[Future[None]]:
    """Run a script meanwhile; when the body fails, or is left early, the script is killed.

    :raises OsScriptError: the script failed, which is then also why the body did
    """
    leave = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run_logged, script, log, lambda: leave.is_set() or ctx.cancelled(),
                           pipes)
        try:
            yield done
        except OsScriptError:
            raise
        except BaseException:
            if done.done() and (why := done.exception()) is not None:
                raise why from None
            raise
        finally:
            leave.set()


def _pipe() -> tuple[int, int]:
    """A pipe that takes a whole frame at once, where the system lets it."""
    ends = os.pipe2(os.O_CLOEXEC)
    # A user's pipes have a limit together; a small one only needs more calls.
    with suppress(OSError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, CHUNK)
    return ends
