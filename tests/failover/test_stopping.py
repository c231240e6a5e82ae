"""A daemon of this host is stopped: when that returns it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ganeti_core.bootstrap import local_daemons
from ganeti_core.paths import Paths
from ganeti_core.pid_file import is_held

STUBBORN = """
import signal, sys, threading
from pathlib import Path
from ganeti_core.pid_file import PidFile
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kept = bytearray(b"x") * (256 << 20)  # the kernel takes a moment to end who has much memory
held = PidFile.lock(Path(sys.argv[1]))
print("locked", flush=True)
threading.Event().wait()
"""


def test_one_that_has_to_be_killed_is_gone_and_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_daemons, "STOP_SECONDS", 0.0)
    paths = Paths(tmp_path)
    paths.make_directories()
    file = paths.daemon_pid(local_daemons.MASTERD)
    with subprocess.Popen([sys.executable, "-c", STUBBORN, str(file)],
                          stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"locked\n"
        local_daemons.stop(paths, local_daemons.MASTERD)
        assert not is_held(file)
        assert daemon.wait(60) == -signal.SIGKILL
