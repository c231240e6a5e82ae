"""A client of the machine protocol (QMP) of a ``qemu-storage-daemon``: commands and returns."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ganeti_core.plugin_api import BlockDeviceError

SECONDS = 20.0


class QmpLost(BlockDeviceError):
    """The storage daemon is not there, hangs, or hung up."""


class Qmp:
    """One connection; a context manager. The daemon serves one client at a time.

    :raises QmpLost: nobody listens at `path`, or nobody replies in time
    """

    def __init__(self, path: Path) -> None:
        self._socket = connect(path)
        self._socket.settimeout(SECONDS)
        self._lines = self._socket.makefile("rb")
        try:
            while "event" in self._read():
                pass  # meant for the client before, it may come ahead of the greeting
            self.run("qmp_capabilities")
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._lines.close()
        self._socket.close()

    def run(self, command: str, **arguments: Any) -> Any:
        """Run a command and return what it returns; ``_`` in names stands for ``-``.

        :raises BlockDeviceError: it was refused
        :raises QmpLost: no reply came
        """
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            self._socket.sendall(json.dumps(
                {"execute": command, "arguments": given}).encode() + b"\n")
        except OSError as exc:
            raise QmpLost(f"the storage daemon hung up before {command}: {exc}") from exc
        while "event" in (found := self._read()):
            pass
        if "error" in found:
            raise BlockDeviceError(
                f"the storage daemon refused {command}: {found['error'].get('desc')}")
        return found.get("return")

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The jobs that there are, by name."""
        return {job["id"]: job for job in self.run("query-jobs")}

    def exports(self) -> set[str]:
        return {export["id"] for export in self.run("query-block-exports")}

    def nodes(self) -> set[str]:
        return {node["node-name"] for node in self.run("query-named-block-nodes", flat=True)}

    def bitmaps(self) -> set[str]:
        """The records of what was written to the data, by name."""
        [data] = [node for node in self.run("query-named-block-nodes", flat=True)
                  if node["node-name"] == "data"]
        return {one["name"] for one in data.get("dirty-bitmaps", ())}

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as exc:
            raise QmpLost(f"the storage daemon does not reply: {exc}") from exc
        if not line:
            raise QmpLost("the storage daemon hung up")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError as exc:  # it was killed while it said this
            raise QmpLost("the storage daemon hung up in the middle of a reply") from exc
        return found


def connect(path: Path) -> socket.socket:
    """Connect to a socket, however long its folder's path is.

    :raises QmpLost: nobody listens
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made.settimeout(SECONDS)
            # The kernel takes 107 bytes of path, and a folder's may be longer.
            made.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError as exc:
        made.close()
        raise QmpLost(f"nobody listens at {path}: {exc.strerror or exc}") from exc
    return made


def listen(path: Path) -> socket.socket:
    """Listen at a socket, in the place of one left there.

    :raises OSError: the folder is missing
    """
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
        made.listen()
    except OSError:
        made.close()
        raise
    finally:
        os.close(folder)
    return made
