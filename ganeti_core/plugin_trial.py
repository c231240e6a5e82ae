"""Try foreign plugins out in another process before they are loaded in this one.

An import or a description can hang, or end the process that asks for it; neither can be taken back
in a process that has other things to do. What passes here is loaded for good.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ganeti_core.entry_points import Entry

TRIAL_SECONDS = 10.0
"""How long the import and the description of one plugin may take together."""
STARTING_SECONDS = 60.0
"""How long the process may take to start, which is no plugin's fault."""
PROGRAM = "ganeti_core.plugin_trial_process"


def try_out(
    entries: Sequence[Entry], seconds: float = TRIAL_SECONDS,
    asked: tuple[Path, Mapping[str, Any]] | None = None,
) -> dict[Entry, str]:
    """Load each of `entries` elsewhere; returns why one must not be loaded here.

    What merely raises is no reason: that will be seen, and told better, when it is loaded.

    :param asked: they are sources, which are also asked which drivers a node has: its root, and
        the settings that hooks get
    """
    left, problems = list(entries), {}
    while left:
        done, problem = _try(left, seconds, asked)
        if not problem:
            break
        problems[left[done]] = problem
        left = left[done + 1:]
    return problems


def _try(
    entries: Sequence[Entry], seconds: float, asked: tuple[Path, Mapping[str, Any]] | None
) -> tuple[int, str]:
    """Try them one after another; returns how many passed, and what is wrong with the next."""
    reading, writing = os.pipe()
    try:
        arguments = [str(writing), json.dumps(list(entries)),
                     *([str(asked[0]), json.dumps(dict(asked[1]))] if asked else ())]
        process = (_fork if _is_alone() else _start)(arguments, writing)
    finally:
        os.close(writing)
    done, in_time = -1, True
    try:
        deadline = time.monotonic() + STARTING_SECONDS
        while _readable(reading, deadline - time.monotonic()):
            if not (steps := os.read(reading, 4096)):
                break
            # One byte when it has started, one after each entry.
            done += len(steps)
            deadline = time.monotonic() + seconds
        else:
            in_time = False
    finally:
        os.close(reading)
        if not in_time:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    if done >= len(entries):
        return done, ""
    if not in_time:
        return max(0, done), (
            f"cannot be loaded: its {'drivers' if asked else 'import and description'} took longer"
            f" than {seconds:g} s")
    return max(0, done), f"cannot be loaded: it ended the process that tried to ({_ended(status)})"


class _Process(Protocol):
    """What both kinds of process have."""

    pid: int

    def wait(self) -> int:
        """Return the exit status when it has ended, or minus the signal's number."""
        ...


@dataclass
class _Fork:
    pid: int

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _is_alone() -> bool:
    """Whether no other thread runs, those of libraries included: then a fork is a sound copy."""
    return len(os.listdir("/proc/self/task")) == 1


def _fork(arguments: Sequence[str], writing: int) -> _Process:
    """Run `PROGRAM` in a copy of this process, which has imported what it needs: in milliseconds.

    A daemon does so each time that it starts.
    """
    pid = os.fork()
    if pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # by both, so that neither has to wait for the other
        return _Fork(pid)
    try:
        os.setpgid(0, 0)
        with open(os.devnull, "r+b") as null:
            for number in range(3):
                os.dup2(null.fileno(), number)
        # A process that a plugin may start keeps nothing of the parent's open.
        os.closerange(3, writing)
        os.closerange(writing + 1, min(os.sysconf("SC_OPEN_MAX"), 65536))
        import_module(PROGRAM).main(arguments)
    finally:
        os._exit(1)


def _start(arguments: Sequence[str], writing: int) -> _Process:
    """Run `PROGRAM` in a process of its own, whose start takes a part of a second."""
    return subprocess.Popen(
        [sys.executable, "-m", PROGRAM, *arguments], pass_fds=(writing,),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)


def _readable(descriptor: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, seconds)))


def _ended(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
