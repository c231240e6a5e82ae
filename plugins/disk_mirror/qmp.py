"""How a ``qemu-storage-daemon`` is told what to do, by its machine protocol."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.plugin_api import BlockDeviceError
from ganeti_core.plugin_api.qmp import QmpClient, QmpRefusal

if TYPE_CHECKING:
    import socket

SECONDS = 20.0
"""For the greeting, and for each command."""
QUESTION_SECONDS = 5.0
"""For a question as a whole, while writes may wait for what is decided by its reply."""


class QmpLost(BlockDeviceError):
    """The storage daemon is not there, hangs, or hung up."""


class QmpRefused(QmpRefusal, BlockDeviceError):
    """The storage daemon said no."""


class Qmp(QmpClient):
    """One connection; a context manager. The daemon serves one client at a time.

    :raises QmpLost: (all methods) nobody listens, nobody replies in time, or it hung up
    :raises QmpRefused: (`run`) the command was refused
    """

    who, lost, refused = "the storage daemon", QmpLost, QmpRefused

    @classmethod
    def at(cls, path: Path) -> Self:
        """Connect to the daemon that listens at `path`."""
        return cls.connect(path, SECONDS)

    def run(self, command: str, **arguments: Any) -> Any:
        """Run a command and return what it returns; ``_`` in names stands for ``-``."""
        return self.execute(
            command, {name.replace("_", "-"): value for name, value in arguments.items()})

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


class Question(Qmp):
    """A connection whose limit is one for all of it: the greeting and every reply."""

    def __init__(self, connection: socket.socket, limit: float = QUESTION_SECONDS) -> None:
        self._end = time.monotonic() + limit
        super().__init__(connection, limit)

    def _read(self, deadline: float) -> dict[str, Any]:
        return super()._read(min(deadline, self._end))
