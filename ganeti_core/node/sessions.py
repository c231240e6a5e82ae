"""End a worker together with all that it started.

A worker leads a session of its own. Programs that it runs stay in that session and die with it;
a guest has made a session for itself (it is a daemon) and lives on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_ROUNDS = 10


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; `parent` is who it was."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It ended before the kernel was asked.
        os._exit(1)


def kill_session(leader: int) -> None:
    """Kill every process of the session of `leader`, again until none is left that forks."""
    for _ in range(_ROUNDS):
        members = session_members(leader)
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return


def session_members(leader: int) -> list[int]:
    """The living processes of a session; zombies are dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name, in parentheses, may hold anything: fields are counted after it.
            state, _, _, session, *_ = (
                (entry / "stat").read_text(errors="replace").rpartition(")")[2].split(maxsplit=4))
        except (OSError, ValueError):
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(entry.name))
    return found
