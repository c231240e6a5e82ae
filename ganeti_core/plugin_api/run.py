"""Run a program: an argument list, never a shell string; a deadline; bounded output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import IO

from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.readable import readable

TAIL = 4096
"""Of each stream of a failed program, so many characters are in its error."""
KEPT_OUT = 16 << 20
KEPT_ERR = 1 << 20
"""So many bytes of a program's streams are kept, half from the beginning and half from the end:
standard output may be a document to parse, standard error is for people."""
LINGERING_SECONDS = 0.5
"""How long output is awaited after the program itself has ended: a daemon that it left behind may
hold the pipe for ever."""
_CHUNK = 1 << 16


class CommandFailed(OpExecError):
    """A program ended with an error, or was killed at its deadline."""


@dataclass(frozen=True)
class Completed:
    """A program that ended with status 0.

    `dropped`: bytes that its output had beyond what was kept; a note stands in their place.
    """

    stdout: str
    stderr: str
    dropped: int = 0


def run_command(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    error: type[GanetiError] | None = None,
) -> Completed:
    """Run `argv` in its own process group and wait until the program itself has ended.

    The environment is `env` alone, or else a minimal one: a daemon's own environment is nobody's
    business. At the deadline (`timeout` seconds) the whole group is killed. What a daemon that the
    program has left behind prints later is not waited for.

    :param error: raised instead of `CommandFailed`, such as `BlockDeviceError`
    :raises CommandFailed: it could not start, ended with a status other than 0, or ran too long;
        the message ends with what it said on both streams
    """
    failed = error or CommandFailed
    words = [os.fspath(word) for word in argv]
    environment = dict(env) if env is not None else {"PATH": DEFAULT_PATH, "LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            words, env=environment, cwd=cwd,
            # A group of its own, in the session of the caller: when the node ends a worker, it
            # ends the worker's session, and with it whatever did not make itself a daemon.
            process_group=0, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as exc:
        raise failed(f"cannot run {words[0]}: {exc.strerror or exc}") from exc
    talk = _Talk(process, (stdin or "").encode(errors="surrogateescape"))
    if not talk.until(time.monotonic() + timeout):
        raise failed(f"{words[0]} ran longer than {timeout:g} s and was killed{talk.said()}")
    if process.returncode != 0:
        ended = describe_exit(process.returncode)
        raise failed(f"{' '.join(words[:6])} {ended}{talk.said()}")
    return Completed(talk.out.text(), talk.err.text(), talk.out.dropped + talk.err.dropped)


@dataclass
class _Stream:
    """What is kept of one stream: its beginning, its end, and how much lay between."""

    most: int
    begin: bytearray = field(default_factory=bytearray)
    end: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def add(self, data: bytes) -> None:
        room = max(0, self.most // 2 - len(self.begin))
        self.begin += data[:room]
        self.end += data[room:]
        if (over := len(self.end) - self.most // 2) > _CHUNK:
            self._shorten(over)

    def _shorten(self, over: int) -> None:
        del self.end[:over]
        self.dropped += over

    def text(self) -> str:
        if (over := len(self.end) - self.most // 2) > 0:
            self._shorten(over)
        if not self.dropped:
            return _text(self.begin + self.end)
        return f"{_text(self.begin)}\n[{self.dropped} bytes dropped]\n{_text(self.end)}"


def _text(data: bytes | bytearray) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


class _Talk:
    """The streams of a running program."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        self._process = process
        self._stdin = memoryview(stdin)
        self.out, self.err = _Stream(KEPT_OUT), _Stream(KEPT_ERR)

    def said(self) -> str:
        """What it said, as the end of a message."""
        parts = [readable(stream.text(), TAIL) for stream in (self.err, self.out)]
        text = "\n".join(filter(None, parts))
        return f": {text}" if text else ""

    def until(self, deadline: float) -> bool:
        """Talk until the program has ended, and tell whether it did before `deadline`.

        One that did not is killed. Nothing of it is left open.
        """
        pidfd = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(pidfd, selectors.EVENT_READ)
                self._register(selector)
                ended = self._talk(selector, pidfd, deadline)
        finally:
            os.close(pidfd)
            if self._process.poll() is None:
                kill_group(self._process)
                self._process.wait()
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        return ended

    def _register(self, selector: selectors.BaseSelector) -> None:
        streams: tuple[tuple[IO[bytes] | None, int, _Stream | None], ...] = (
            (self._process.stdin, selectors.EVENT_WRITE, None),
            (self._process.stdout, selectors.EVENT_READ, self.out),
            (self._process.stderr, selectors.EVENT_READ, self.err))
        for stream, event, kept in streams:
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, event, kept)

    def _talk(self, selector: selectors.BaseSelector, pidfd: int, deadline: float) -> bool:
        alive = True
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            for key, _ in ready:
                if key.fileobj == pidfd:
                    alive = False
                    deadline = min(deadline, time.monotonic() + LINGERING_SECONDS)
                    selector.unregister(pidfd)
                elif not self._step(key):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]  # only the pidfd is a number
            if time.monotonic() >= deadline:
                break
        return not alive

    def _step(self, key: selectors.SelectorKey) -> bool:
        """Move what can be moved; tells whether the stream is still open."""
        try:
            if key.data is None:
                self._stdin = self._stdin[os.write(key.fd, self._stdin[:_CHUNK]):]
                return bool(self._stdin)
            data = os.read(key.fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        key.data.add(data)
        return bool(data)


__all__ = ["CommandFailed", "Completed", "describe_exit", "readable", "run_command"]
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; harmless when it is gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def describe_exit(status: int) -> str:
    """Say how a program ended: ``exited with status 3``, ``was killed by SIGKILL``."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
