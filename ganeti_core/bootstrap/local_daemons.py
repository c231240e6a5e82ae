"""Start and stop the daemons of this host, as programs of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from ganeti_core.errors import OpExecError
from ganeti_core.pid_file import is_held, running_pid
from ganeti_core.plugin_api.run import CommandFailed, run_command
from ganeti_core.resolve import HOSTNAME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.paths import Paths

MASTERD, NODED = "ganeti-masterd", "ganeti-noded"
_MODULES = {MASTERD: "ganeti_core.daemons.masterd", NODED: "ganeti_core.daemons.noded"}
_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", HOSTNAME_VARIABLE)
STOP_SECONDS = 30.0


def start(paths: Paths, daemon: str, arguments: Sequence[str] = ()) -> None:
    """Start a daemon in the background and wait until it serves; one that runs is left alone.

    :raises OpExecError: it did not start; says why
    """
    if is_held(paths.daemon_pid(daemon)):
        return
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["GANETI_ROOT"] = str(paths.root)
    program = f"import sys; from {_MODULES[daemon]} import main; sys.exit(main(sys.argv[1:]))"
    try:
        run_command([sys.executable, "-c", program, *arguments], timeout=60.0, env=environment)
    except CommandFailed as exc:
        raise OpExecError(f"{daemon} did not start: {exc}") from exc


def stop(paths: Paths, daemon: str) -> None:
    """Ask a daemon to end and wait; one that does not within half a minute is killed."""
    file = paths.daemon_pid(daemon)
    pid = running_pid(file)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_held(file):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)
