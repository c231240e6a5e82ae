"""Run a script of an OS definition in its folder, with its own log."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ganeti_core.plugin_api import OsScriptError
from ganeti_core.plugin_api.run import describe_exit

from .environment import variable
from .hiding import Hidden
from .logs import Output

SUPERVISOR = Path(__file__).with_name("supervise.py")
SCRIPT_UMASK = 0o077
LOOK_AGAIN = 0.5
"""Seconds between questions whether the job was cancelled."""
PATIENCE = 10.0
LINGERING = 0.5
"""Seconds that output is awaited after the script has ended: a daemon may hold the pipe."""
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Script:
    """One run: a program of the definition in `folder`, its arguments and its environment.

    :param secret: names of parameters whose values must not be in its log either
    """

    folder: Path
    name: str
    environment: Mapping[str, str]
    arguments: Sequence[str] = ()
    secret: Collection[str] = ()

    @cached_property
    def hidden(self) -> Hidden:
        """Hides the values of all parameters: messages enter jobs, and jobs are shown."""
        return Hidden({name: value for name, value in self.environment.items()
                       if name.startswith("OSP_")})

    @cached_property
    def hidden_in_log(self) -> Hidden:
        return Hidden({name: self.environment[name] for name in map(variable, self.secret)
                       if name in self.environment})


@dataclass(frozen=True)
class Pipes:
    """Descriptors that a script gets besides its log; they are closed here once it has them.

    :param passed: those that it finds as 3, 4 ...
    """

    stdin: int | None = None
    stdout: int | None = None
    passed: tuple[int, ...] = ()

    def close(self) -> None:
        for descriptor in (self.stdin, self.stdout, *self.passed):
            if descriptor is not None:
                os.close(descriptor)


NO_PIPES = Pipes()


class ScriptFailed(Exception):
    """A script did not end well; says how."""


def run_logged(
    script: Script, log: Path, cancelled: Callable[[], bool], pipes: Pipes = NO_PIPES
) -> None:
    """Run a script with its output in the file `log`; with `pipes`, what is left of that.

    :raises OsScriptError: it failed, or `cancelled` became true; the message names the log and
        ends with its last lines
    """
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        output = Output(file, script.hidden_in_log, script.hidden.longest)
        try:
            run(script, output, cancelled, pipes=pipes)
        except ScriptFailed as exc:
            raise OsScriptError(
                f"OS {script.name} script failed ({exc}), last lines in the log file {log}:\n"
                + output.tail(script.hidden)) from exc


def run(
    script: Script, output: Output, cancelled: Callable[[], bool],
    timeout: float = float("inf"), pipes: Pipes = NO_PIPES,
) -> None:
    """Run a script to its end; nothing of it is left when this returns or its process dies.

    What a daemon that the script left behind prints later is lost.

    :param output: gets what it prints

    :raises ScriptFailed: it ended with an error, ran longer than `timeout` seconds, was cancelled
    """
    deadline = time.monotonic() + timeout
    pipe, end = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            process = _start(script, end, pipes)
        finally:
            os.close(end)
            pipes.close()
        status = _until_ended(process, pipe, output, lambda: (
            cancelled() or time.monotonic() >= deadline))
    finally:
        os.close(pipe)
        output.close()
    if status is None:
        raise ScriptFailed("the job was cancelled, so it was killed" if cancelled()
                           else f"ran longer than {timeout:g} s and was killed")
    if status != 0:
        raise ScriptFailed(describe_exit(status))


def _start(script: Script, output: int, pipes: Pipes) -> subprocess.Popen[bytes]:
    whose = ",".join(map(str, (os.getpid(), *pipes.passed)))
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), whose,
             str(script.folder / script.name), *script.arguments],
            cwd=script.folder, env=dict(script.environment), umask=SCRIPT_UMASK,
            stdin=subprocess.DEVNULL if pipes.stdin is None else pipes.stdin,
            stdout=output if pipes.stdout is None else pipes.stdout, stderr=output,
            pass_fds=pipes.passed, start_new_session=True)
    except OSError as exc:
        raise ScriptFailed(f"could not be started: {exc.strerror or exc}") from exc


def _until_ended(
    process: subprocess.Popen[bytes], pipe: int, output: Output, is_over: Callable[[], bool],
) -> int | None:
    """Move what it prints until it has ended; kill it, and return None, once `is_over`."""
    try:
        return _wait(process, pipe, output, is_over)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(
    process: subprocess.Popen[bytes], pipe: int, output: Output, is_over: Callable[[], bool],
) -> int | None:
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            selector.register(pidfd, selectors.EVENT_READ)
            while not is_over():
                ready = {key.fd for key, _ in selector.select(LOOK_AGAIN)}
                if pipe in ready:
                    data = os.read(pipe, _CHUNK)
                    output.add(data)
                    if not data:
                        selector.unregister(pipe)
                if pidfd in ready:
                    _drain(pipe, output)
                    return process.wait()
        return None
    finally:
        os.close(pidfd)


def _drain(pipe: int, output: Output) -> None:
    """Read what is left of an ended script's output."""
    until = time.monotonic() + LINGERING
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            data = os.read(pipe, _CHUNK)
            if not data or time.monotonic() >= until:
                return
            output.add(data)
