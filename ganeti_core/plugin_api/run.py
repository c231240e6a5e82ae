"""Run a program: an argument list, never a shell string; a deadline; the tail of its output."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganeti_core.errors import GanetiError, OpExecError

TAIL = 4096


class CommandFailed(OpExecError):
    """A program ended with an error, or was killed at its deadline."""


@dataclass(frozen=True)
class Completed:
    """A program that ended with status 0."""

    stdout: str
    stderr: str


def run_command(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    error: type[GanetiError] | None = None,
) -> Completed:
    """Run `argv` in its own process group and wait for it.

    The environment is `env` alone, or else a minimal one: a daemon's own environment is nobody's
    business. At the deadline (`timeout` seconds) the whole group is killed.

    :param error: raised instead of `CommandFailed`, such as `BlockDeviceError`
    :raises CommandFailed: it could not start, ended with a status other than 0, or ran too long
    """
    failed = error or CommandFailed
    words = [os.fspath(word) for word in argv]
    environment = dict(env) if env is not None else {"PATH": DEFAULT_PATH, "LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            words, env=environment, cwd=cwd, text=True, errors="replace",
            # A group of its own, in the session of the caller: when the node ends a worker, it
            # ends the worker's session, and with it whatever did not make itself a daemon.
            process_group=0, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as exc:
        raise failed(f"cannot run {words[0]}: {exc.strerror or exc}") from exc
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        kill_group(process)
        process.communicate()
        raise failed(f"{words[0]} ran longer than {timeout:g} s and was killed") from exc
    if process.returncode != 0:
        said = (err.strip() or out.strip())[-TAIL:]
        ended = describe_exit(process.returncode)
        raise failed(f"{' '.join(words[:6])} {ended}" + (f": {said}" if said else ""))
    return Completed(out, err)


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def kill_group(process: subprocess.Popen[str]) -> None:
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
