"""Run one program and make sure that nothing of it outlives whoever asked for it.

Started as a program of its own: ``supervise.py PARENT[,DESCRIPTOR...] PROGRAM ARGUMENT...``. The
program finds the descriptors as 3, 4 ...: some shells know only numbers of one digit. It ends as
the program ends. When it is told to stop (SIGTERM), or its parent dies however suddenly, it kills
the program with everything that the program started. Needs the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NOT_STARTED = 126


def main(words: list[str]) -> int:
    """Run the program; the result is its exit status, negative for the signal that ended it."""
    (parent, *passed), program = map(int, words[0].split(",")), words[1:]
    for number, descriptor in enumerate(passed, 3):
        os.dup2(descriptor, number)
    signal.signal(signal.SIGTERM, _give_up)
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphans of the program become children of this process, so that they can be found.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        return NOT_STARTED
    try:
        # Should this process be killed itself, the program at least goes with it. Nothing else runs
        # here that the fork could catch in the middle.
        process = subprocess.Popen(
            program, pass_fds=range(3, 3 + len(passed)),
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    except OSError as exc:
        sys.stderr.write(f"cannot run {program[0]}: {exc.strerror or exc}\n")
        return NOT_STARTED
    return process.wait()


def _give_up(number: int, _: FrameType | None) -> None:
    while children := _children():
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue
    os._exit(128 + number)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as table:
        return [int(pid) for pid in table.read().split()]


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    sys.exit(status)
