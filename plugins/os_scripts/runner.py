"""Run a script of an OS definition in its folder, with its own log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ganeti_core.plugin_api import OsScriptError
from ganeti_core.plugin_api.run import describe_exit

SUPERVISOR = Path(__file__).with_name("supervise.py")
SCRIPT_UMASK = 0o077
TAIL_LINES = 20
TAIL_BYTES = 16 << 10
LOOK_AGAIN = 0.5
"""Seconds between questions whether the job was cancelled."""
PATIENCE = 10.0
SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Script:
    """One run: a program of the definition in `folder`, its arguments and its environment."""

    folder: Path
    name: str
    environment: Mapping[str, str]
    arguments: Sequence[str] = ()


class ScriptFailed(Exception):
    """A script did not end well; says how."""


def run_logged(script: Script, log: Path, cancelled: Callable[[], bool]) -> None:
    """Run a script with its output in the file `log`.

    :raises OsScriptError: it failed, or `cancelled` became true; the message names the log and
        ends with its last lines
    """
    log.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as output:
        try:
            run(script, output, cancelled)
        except ScriptFailed as exc:
            raise OsScriptError(
                f"OS {script.name} script failed ({exc}), last lines in the log file {log}:\n"
                + _without_values(tail(log), script.environment)) from exc


def run(
    script: Script, output: IO[bytes], cancelled: Callable[[], bool],
    timeout: float = float("inf"),
) -> None:
    """Run a script to its end; nothing of it is left when this returns or its process dies.

    :raises ScriptFailed: it ended with an error, ran longer than `timeout` seconds, was cancelled
    """
    program = script.folder / script.name
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), str(program),
             *script.arguments],
            cwd=script.folder, env=dict(script.environment), umask=SCRIPT_UMASK,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True)
    except OSError as exc:
        raise ScriptFailed(f"could not be started: {exc.strerror or exc}") from exc
    try:
        status = _wait(process, cancelled, timeout)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    if status != 0:
        raise ScriptFailed(describe_exit(status))


def _wait(
    process: subprocess.Popen[bytes], cancelled: Callable[[], bool], timeout: float
) -> int:
    waited = 0.0
    while True:
        try:
            return process.wait(LOOK_AGAIN)
        except subprocess.TimeoutExpired as exc:
            waited += LOOK_AGAIN
            if cancelled():
                raise ScriptFailed("the job was cancelled, so it was killed") from exc
            if waited >= timeout:
                raise ScriptFailed(f"ran longer than {timeout:g} s and was killed") from exc


def tail(log: Path) -> str:
    """The last lines of a log."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def _without_values(text: str, environment: Mapping[str, str]) -> str:
    # A parameter may be secret and a script may trace what it does; the message enters a job's log.
    for name, value in environment.items():
        if name.startswith("OSP_") and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"(the value of {name})")
    return text
