"""What every daemon does: leave the terminal, lock its pid file, log, end on a signal."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import resource
import signal
import sys
import threading
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from ganeti_core import __version__
from ganeti_core.daemons.supervisor import Supervisor
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.logs import reopen_logs
from ganeti_core.pid_file import PidFile
from ganeti_core.query.versions import SOFTWARE_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType

    from ganeti_core.daemons.account import Account
    from ganeti_core.paths import Paths

READY = b"ready"
MOST_DESCRIPTORS = 65_536
_LOG_STEMS = {"ganeti-mond": "monitoring-daemon"}


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add ``--version`` to the options of a daemon."""
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s (ganeti-core {__version__}) "
        f"{SOFTWARE_VERSION}", help="Show the version of ganeti-core, and that of the Ganeti with "
                                    "which it is compatible")


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
    thread exists. From then on SIGHUP makes it open its log files anew. `supervisor` is the service
    manager that started it, if one did; `account` is the user that it will be once what needs root
    is open.

    :raises SystemExit: on entering, where the pid file cannot be had; it has been reported
    """

    paths: Paths
    name: str
    foreground: bool
    account: Account | None = None
    supervisor: Supervisor = field(default_factory=Supervisor.from_environment)
    _readiness: Readiness = field(default_factory=Readiness)
    _pid_file: PidFile | None = None

    @property
    def log_file(self) -> Path:
        """``node-daemon.log`` for ``ganeti-noded``, as Ganeti names them."""
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
                raise SystemExit(1) from exc
            os._exit(1)
        bear_name(self.name)
        signal.signal(signal.SIGHUP, _reopen_logs)
        use_private_cache(self.paths)
        raise_descriptor_limit()
        return self

    def become_user(self, *, logs: Sequence[str] = (), plugins: str = "") -> None:
        """Give up root's rights, where the daemon has a user of its own.

        :param logs: what it writes in the folder of logs beside its own log
        :param plugins: a kind of plugins that it runs, with folders of their own
        :raises ConfigurationError: that cannot be done
        """
        if self.account is not None:
            paths = self.paths
            for name in logs:
                self.account.own(paths.log / name)
            for above in (paths.plugin_state, paths.plugin_states_kept, paths.log):
                if plugins:
                    self.account.own_tree(above / plugins)
            self.account.become(
                (paths.data, paths.run, paths.sockets, paths.reports, paths.log), paths)

    def ready(self) -> None:
        """Say that the daemon serves."""
        self._readiness.ready()
        self.supervisor.serves()

    def failed(self, problem: str) -> None:
        """Say why the daemon will not serve; it should end now, with status 1."""
        self._readiness.failed(f"{self.name}: {problem}")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.supervisor.ends()
        if self._pid_file is not None:
            self._pid_file.release()
        if kind is not None and isinstance(value, Exception):
            logging.getLogger(__name__).critical(
                "%s ends", self.name, exc_info=(kind, value, traceback))
            self._readiness.failed(f"{self.name} failed: see {self.log_file}")


def port_number(text: str) -> int:
    """Read an option that is a port.

    :raises argparse.ArgumentTypeError: it is not a number from 1 to 65535
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def _await_readiness(pipe: int) -> None:
    said = b""
    while chunk := os.read(pipe, 4096):
        said += chunk
    if said == READY:
        os._exit(0)
    message = said.decode(errors="replace") or "the daemon ended before it was ready"
    os.write(2, f"{message}\n".encode())
    os._exit(1)


def bear_name(name: str) -> None:
    """Let lists of processes show the daemon by its name, however it was started."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _reopen_logs(_number: int, _frame: FrameType | None) -> None:
    # In a thread: this one may be about to write, and holds the log's lock then.
    threading.Thread(target=reopen_logs, name="reopen-logs", daemon=True).start()


def raise_descriptor_limit() -> None:
    """Have as many descriptors as this process may, within reason.

    Programs that are started from here get the limit, too, and some close all descriptors below
    it one by one: with a billion of them, as containers allow, these would never begin.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def end_process(status: int) -> NoReturn:
    """End without waiting for threads that hang; call it when everything is written."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def use_private_cache(paths: Paths) -> None:
    """Keep caches of libraries in a folder of our own: one of them decides which code is loaded."""
    cache = paths.run / "cache"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(cache)


def end_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and SIGINT.

    Call it in the main thread, which must not wait for ever: Python runs handlers when that thread
    does something, and a signal that comes just before it begins to wait would not wake it.
    """
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, _frame: FrameType | None) -> None:
        # It may interrupt a wait for `stop`, which holds the lock that setting it needs.
        asked.put(number)

    def end() -> None:
        name = signal.Signals(asked.get()).name
        logging.getLogger(__name__).info("ending on %s", name)
        stop.set()

    threading.Thread(target=end, name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
