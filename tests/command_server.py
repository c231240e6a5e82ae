"""Run the project's commands in forks of one process that has imported what they need.

Each command is a process of its own with its own arguments, environment, folder and files; only
the start of an interpreter and its imports, most of the CPU time of a short command, are shared.
Tests of how a command starts run the installed program themselves.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from typing import BinaryIO

from ganeti_core.node.world import load_node_host

_HEADER = 8
_PREFIX = "gnt-"


@dataclass(frozen=True)
class Ended:
    """How a command ended; `status` as in `subprocess`: negative for a signal."""

    status: int
    stdout: str
    stderr: str


def commands() -> dict[str, EntryPoint]:
    """The commands that can be run here, by name: those for administrators."""
    return {entry.name: entry for entry in distribution("ganeti-core").entry_points
            if entry.group == "console_scripts" and entry.name.startswith(_PREFIX)}


class CommandServer:
    """The client's side; may be used from several threads.

    :param environment: in which the interpreter starts; without it this process's own
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="commands")
        self._path = f"{self._folder.name}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._path)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())], stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=None if environment is None else dict(environment))
        atexit.register(self.close)

    def close(self) -> None:
        """End the server; commands under way go on."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def run(self, words: list[str], *, stdin: str, environment: dict[str, str],
            timeout: float) -> Ended:
        """Run a command and wait for its end.

        :raises subprocess.TimeoutExpired: it was killed after `timeout` seconds
        """
        with _file() as given, _file() as said, _file() as complained:
            given.write(stdin.encode())
            given.seek(0)
            request = json.dumps([words, environment, os.getcwd()]).encode()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                socket.send_fds(connection, [len(request).to_bytes(_HEADER, "big")],
                                [given.fileno(), said.fileno(), complained.fileno()])
                connection.sendall(request)
                pid = int.from_bytes(_exactly(connection, _HEADER), "big")
                connection.settimeout(timeout)
                try:
                    status = int.from_bytes(_exactly(connection, _HEADER), "big")
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(words, timeout, _read(said),
                                                    _read(complained)) from None
            return Ended(os.waitstatus_to_exitcode(status), _read(said), _read(complained))


def _file() -> BinaryIO:
    return os.fdopen(os.memfd_create("command"), "r+b")


def _read(file: BinaryIO) -> str:
    # The command wrote through a copy of the descriptor, so the position is at its end.
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode()


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the server of commands has ended")
        data += more
    return data


def _serve(listener: socket.socket) -> None:
    """Fork a process for each request, and report its end to who asked."""
    entries = commands()
    _import_all()
    gc.collect()
    gc.freeze()  # collectors of the forks need not look at it, so its pages stay shared
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    # The end of who started this: nobody writes there.
    waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj == sys.stdin.fileno():
                return
            if key.fileobj is listener:
                connection, _ = listener.accept()
                pid = _begin(connection, entries)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
                continue
            waiting.unregister(key.fileobj)
            assert isinstance(key.fileobj, int)
            os.close(key.fileobj)
            pid, connection = key.data
            _, status = os.waitpid(pid, 0)
            with connection, suppress(OSError):  # who asked may have waited long enough
                connection.sendall(status.to_bytes(_HEADER, "big"))


def _begin(connection: socket.socket, entries: dict[str, EntryPoint]) -> int:
    header, files, _, _ = socket.recv_fds(connection, _HEADER, 3)
    header += _exactly(connection, _HEADER - len(header)) if len(header) < _HEADER else b""
    words, environment, folder = json.loads(
        _exactly(connection, int.from_bytes(header, "big")))
    pid = os.fork()
    if pid == 0:
        _become(files, words, environment, folder, entries)
    for number in files:
        os.close(number)
    connection.sendall(pid.to_bytes(_HEADER, "big"))
    return pid


def _become(files: list[int], words: list[str], environment: dict[str, str], folder: str,
            entries: dict[str, EntryPoint]) -> None:
    status = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(3, 1024)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]
        ended = entries[words[0]].load()()
        status = ended if isinstance(ended, int) else int(ended is not None)
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        if isinstance(exc.code, str):
            print(exc.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status & 0xff)


def _import_all() -> None:
    load_node_host()  # the modules of all plugins
    for package in ("ganeti_core.cli", "ganeti_core.luxi", "ganeti_core.daemons.vcluster"):
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
