"""What every daemon does: leave the terminal, lock its pid file, log, end on a signal."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import re
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ganeti_core.errors import GanetiError
from ganeti_core.pid_file import PidFile

if TYPE_CHECKING:
    import threading
    from pathlib import Path
    from types import FrameType, TracebackType

    from ganeti_core.paths import Paths

READY = b"ready"
_LOG_STEMS = {"ganeti-mond": "monitoring-daemon"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FORMAT = "%(asctime)s: {} pid=%(process)d/%(threadName)s %(levelname)s %(message)s"


@dataclass
class Readiness:
    """Tells the command that started the daemon how that went; once."""

    _pipe: int | None = None
    _told: bool = False

    def ready(self) -> None:
        """The daemon serves: the command ends with status 0."""
        self._tell(READY)

    def failed(self, problem: str) -> None:
        """The daemon will not serve: the command prints `problem` and ends with status 1.

        In the foreground that is this very process.
        """
        if self._pipe is None and not self._told:
            print(problem, file=sys.stderr)
        self._tell(problem.encode())

    def _tell(self, what: bytes) -> None:
        self._told = True
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            with contextlib.suppress(OSError):
                os.write(pipe, what[:4000])
            os.close(pipe)


def detach(umask: int = 0o077) -> Readiness:
    """Go on as a daemon; the calling process stays until the daemon is ready, then exits.

    Call it before any thread exists.
    """
    read_end, write_end = os.pipe()
    if os.fork() > 0:
        os.close(write_end)
        _await_readiness(read_end)
    os.close(read_end)
    os.setsid()
    if os.fork() > 0:
        # Not a session's leader any more: no terminal can become ours.
        os._exit(0)
    os.chdir("/")
    os.umask(umask)
    with open(os.devnull, "r+b", buffering=0) as null:
        for number in (0, 1, 2):
            os.dup2(null.fileno(), number)
    return Readiness(write_end)


@dataclass
class Daemon:
    """A daemon's process: ``with Daemon(paths, name, foreground=...) as process``.

    Entering locks the pid file and, unless `foreground`, leaves the terminal; the command that was
    typed ends when the daemon calls `ready`, or reports what went wrong. Enter it before any
    thread exists.

    :raises AlreadyRunning: on entering, in the foreground
    """

    paths: Paths
    name: str
    foreground: bool
    _readiness: Readiness = field(default_factory=Readiness)
    _pid_file: PidFile | None = None

    @property
    def log_file(self) -> Path:
        """``node-daemon.log`` for ``ganeti-noded``, as the peer names them."""
        stem = _LOG_STEMS.get(
            self.name, self.name.removeprefix("ganeti-").removesuffix("d") + "-daemon")
        return self.paths.log / f"{stem}.log"

    def __enter__(self) -> Self:
        self.paths.make_directories()
        if not self.foreground:
            self._readiness = detach()
        try:
            self._pid_file = PidFile.lock(self.paths.daemon_pid(self.name))
        except (GanetiError, OSError) as exc:
            self._readiness.failed(f"{self.name}: {exc}")
            if self.foreground:
                raise
            os._exit(1)
        use_private_cache(self.paths)
        return self

    def ready(self) -> None:
        """Say that the daemon serves."""
        self._readiness.ready()

    def failed(self, problem: str) -> None:
        """Say why the daemon will not serve; it should end now, with status 1."""
        self._readiness.failed(f"{self.name}: {problem}")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pid_file is not None:
            self._pid_file.release()
        if kind is not None and isinstance(value, Exception):
            logging.getLogger(__name__).critical(
                "%s ends", self.name, exc_info=(kind, value, traceback))
            self._readiness.failed(f"{self.name} failed: see {self.log_file}")


def _await_readiness(pipe: int) -> None:
    said = b""
    while chunk := os.read(pipe, 4096):
        said += chunk
    if said == READY:
        os._exit(0)
    message = said.decode(errors="replace") or "the daemon ended before it was ready"
    os.write(2, f"{message}\n".encode())
    os._exit(1)


class OneLine(logging.Formatter):
    """Keeps a message on its line: names that strangers sent must not look like other messages."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is that of logging
        record.message = _CONTROL.sub(lambda found: repr(found[0])[1:-1], record.message)
        return super().formatMessage(record)


def set_up_logging(file: Path, *, debug: bool = False, foreground: bool = False) -> None:
    """Log to `file`, which may be rotated under us; with `foreground` to the terminal too."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    handlers: list[logging.Handler] = [logging.handlers.WatchedFileHandler(file)]
    if foreground:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(OneLine(_FORMAT.format(file.stem)))
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO, handlers=handlers, force=True)
    for noisy in ("Pyro5", "stevedore"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def use_private_cache(paths: Paths) -> None:
    """Keep caches of libraries in a folder of our own: one of them decides which code is loaded."""
    cache = paths.run / "cache"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(cache)


def end_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and SIGINT; SIGHUP is harmless, log files are reopened by themselves.

    Call it in the main thread.
    """
    def end(number: int, _frame: FrameType | None) -> None:
        logging.getLogger(__name__).info("ending on %s", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
