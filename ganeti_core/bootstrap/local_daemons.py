"""Start and stop the daemons of this host, as programs of their own.

Where systemd runs them as its units it is asked to: it would not know of a daemon that others
start, might end it with the administrator's session, and would not start it again when it fails.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.errors import OpExecError
from ganeti_core.patience import VARIABLE as PATIENCE_VARIABLE
from ganeti_core.pid_file import is_held, running_pid
from ganeti_core.plugin_api.run import CommandFailed, run_command
from ganeti_core.resolve import HOSTNAME_VARIABLE
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.paths import Paths

MASTERD, NODED, CONFD = "ganeti-masterd", "ganeti-noded", "ganeti-confd"
RAPI, MOND = "ganeti-rapi", "ganeti-mond"
_MODULES = {MASTERD: "ganeti_core.daemons.masterd", NODED: "ganeti_core.daemons.noded",
            CONFD: "ganeti_core.daemons.confd", RAPI: "ganeti_core.daemons.rapi",
            MOND: "ganeti_core.daemons.mond"}
_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", HOSTNAME_VARIABLE)
STARTING_SECONDS = 180.0
"""A daemon serves within one or two, unless the host has little time for it."""
STOP_SECONDS = 30.0
KILL_SECONDS = 60.0
"""A process that was killed is gone at once, but for one that waits for a disk."""
UNIT_SECONDS = 200.0
"""More than the units allow for a start."""
SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the init system, see `sd_booted(3)`."""


def start(paths: Paths, daemon: str, arguments: Sequence[str] = ()) -> None:
    """Start a daemon in the background and wait until it serves; one that runs is left alone.

    :raises OpExecError: it did not start; says why
    """
    if is_held(paths.daemon_pid(daemon)):
        return
    if paths.root == Path("/") and _is_unit(daemon):
        _start_unit(paths, daemon, arguments)
        return
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"GANETI_ROOT": str(paths.root)} | limits_of(paths)
    words = [*_program(daemon), *(settings_of(paths, daemon) or ()), *arguments]
    try:
        run_command(words, timeout=STARTING_SECONDS, env=environment)
    except CommandFailed as exc:
        raise OpExecError(str(exc).replace(" ".join(words[:6]), daemon, 1)) from exc


def restart(paths: Paths, daemon: str) -> None:
    """End a daemon and start it again: it runs what is installed now.

    :raises OpExecError: it did not start; says why
    """
    if paths.root == Path("/") and _is_unit(daemon):
        try:
            run_command(["systemctl", "restart", f"{daemon}.service"], timeout=UNIT_SECONDS)
        except CommandFailed as exc:
            raise OpExecError(f"{exc} (journalctl -u {daemon} says more)") from exc
        return
    stop(paths, daemon)
    start(paths, daemon)


def start_rapi(paths: Paths) -> str:
    """Start the remote API on the master, where it is wanted; return why it did not start.

    It is wanted on every real host, unless its unit was disabled there, and below another root
    where its settings are.
    """
    try:
        if paths.root != Path("/"):
            wanted = settings_of(paths, RAPI) is not None
        else:
            wanted = not _is_unit(RAPI) or _is_enabled(RAPI)
        if wanted:
            start(paths, RAPI)
    except OpExecError as exc:
        return exc.message
    return ""


def settings_of(paths: Paths, daemon: str) -> list[str] | None:
    """The options of a daemon in ``/etc/default/ganeti``, as systemd reads them there; None where
    they are not set."""
    text = _default(paths, f"{_variable(daemon)}_ARGS")
    return None if text is None else _words(paths.root / "etc/default/ganeti", text)


def limits_of(paths: Paths) -> dict[str, str]:
    """What the environment of this node's daemons says of their limits: see `patience`.

    Set in ``/etc/default/ganeti``, as systemd reads it there, or inherited.
    """
    found = _default(paths, PATIENCE_VARIABLE) or os.environ.get(PATIENCE_VARIABLE)
    return {PATIENCE_VARIABLE: found} if found else {}


def _default(paths: Paths, variable: str) -> str | None:
    """A variable in ``/etc/default/ganeti``; None where it is not set.

    :raises OpExecError: a quote is not closed
    """
    file = paths.root / "etc/default/ganeti"
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if line.startswith(f"{variable}="):
            return " ".join(_words(file, line.removeprefix(f"{variable}=")))
    return None


def _words(file: Path, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as exc:
        raise OpExecError(f"{file} cannot be read: {exc}: {text}") from exc


def _variable(daemon: str) -> str:
    return daemon.removeprefix("ganeti-").upper()


def _is_unit(daemon: str) -> bool:
    """Whether systemd runs on this host and has a unit for the daemon."""
    if not SYSTEMD.is_dir():
        return False
    try:
        run_command(["systemctl", "cat", f"{daemon}.service"], timeout=10.0)
    except CommandFailed:
        return False
    return True


def _is_enabled(daemon: str) -> bool:
    """Whether the administrator lets systemd start the unit."""
    try:
        run_command(["systemctl", "is-enabled", "--quiet", f"{daemon}.service"], timeout=10.0)
    except CommandFailed:
        return False
    return True


def _start_unit(paths: Paths, daemon: str, arguments: Sequence[str]) -> None:
    """:raises OpExecError: it did not start; says why"""
    once = paths.run / f"{daemon}.once"
    variable = _variable(daemon)
    try:
        if arguments:
            write_atomically(once, f"{variable}_ONCE={' '.join(arguments)}\n".encode(), 0o600)
        run_command(["systemctl", "start", f"{daemon}.service"], timeout=UNIT_SECONDS)
    except CommandFailed as exc:
        raise OpExecError(f"{exc} (journalctl -u {daemon} says more)") from exc
    finally:
        once.unlink(missing_ok=True)


def _program(daemon: str) -> list[str]:
    """The installed program, so that a list of processes shows the daemon by its name."""
    installed = Path(sysconfig.get_path("scripts")) / daemon
    if os.access(installed, os.X_OK):
        return [str(installed)]
    return [sys.executable, "-c",
            f"import sys; from {_MODULES[daemon]} import main; sys.exit(main(sys.argv[1:]))"]


def stop(paths: Paths, daemon: str) -> None:
    """Ask a daemon to end, and return when it has; after half a minute it is killed.

    :raises OpExecError: it does not end even so
    """
    file = paths.daemon_pid(daemon)
    pid = running_pid(file)
    if pid is None:
        return
    _send(pid, signal.SIGTERM)
    if _has_ended(file, pid, STOP_SECONDS):
        return
    _send(pid, signal.SIGKILL)
    # It holds its file for a moment still: who starts it again would find that it runs.
    if not _has_ended(file, pid, KILL_SECONDS):
        raise OpExecError(f"{daemon} (pid {pid}) was killed and does not end: it is stuck in the "
                          "kernel, look at the disks of this host")


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _has_ended(file: Path, pid: int, seconds: float) -> bool:
    """Wait until the daemon that had `pid` is gone; another one may hold the file by then."""
    deadline = time.monotonic() + seconds
    while is_held(file) and running_pid(file) in (pid, None):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
