"""What a worker has started is killed with it, whatever it calls itself."""

from __future__ import annotations

import signal
import subprocess
import sys

from ganeti_core.node.sessions import kill_session

PROGRAM = r"""
open("/proc/self/comm", "wb").write(b"\xff")
print("named", flush=True)
input()
"""


def test_a_name_that_is_no_text_protects_no_process() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"named\n"
        kill_session(process.pid)
    assert process.returncode == -signal.SIGKILL
