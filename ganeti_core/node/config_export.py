"""``config.data`` as Ganeti has it, for programs that read that file. It is an export.

A note beside it says so, and tells which file is ours: one that Ganeti itself has left behind is
kept under another name before the first export.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.config.decoded import DecodedObjects
from ganeti_core.config.ganeti_text import ConfigText
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.config.replica import Replica, Sight
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

MODE = 0o640
_NOTE = """config.data is an export of cluster.db, written after every change of the configuration.
Nothing of this cluster reads it, and changing it changes nothing.
sha256: {}
"""


@dataclass
class ConfigFile:
    """The export on one node; used by one thread.

    :param replica: where the configuration is read from, on the master as on other candidates
    """

    paths: Paths
    replica: Replica
    _written: tuple[int, int] | None = None
    """Epoch and serial of what was exported last."""
    _seen: Sight | None = None
    """The database as it was when the configuration was read last."""
    _objects: DecodedObjects = field(default_factory=DecodedObjects)
    _text: ConfigText = field(default_factory=ConfigText)

    def refresh(self) -> bool:
        """Write the file if the configuration has changed; whether it had to be written.

        A node without a copy of the configuration has no export of it either.

        :raises OSError: it cannot be written
        """
        seen = self.replica.sight()
        if seen is not None and seen == self._seen:
            return False
        found = self.replica.configuration(self._written)
        if found is None:
            self._forget_if_gone()
            self._seen = seen
            return False
        at, meta, rows = found
        text = self._text.write(self._objects.snapshot(rows, meta)).encode()
        file = self.paths.config_data
        if not is_export(self.paths):
            _keep(file)
        # The note comes first: whose digest it has is ours, also if we end between the two.
        note = _NOTE.format(hashlib.sha256(text).hexdigest())
        if file.exists():
            note += f"or, before: {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
        # An export that a crash loses is written again: nothing waits for the disk.
        write_atomically(note_file(self.paths), note.encode(), 0o644, durable=False)
        write_atomically(file, text, MODE, durable=False)
        self._written, self._seen = at, seen
        self._forget_if_gone()  # it may have left the cluster meanwhile
        return True

    def _forget_if_gone(self) -> None:
        if not self.paths.database.exists():
            self._written = None
            self._objects.forget()
            self._text.forget()
            remove_export(self.paths)


def note_file(paths: Paths) -> Path:
    """The note that says what ``config.data`` is."""
    return paths.config_data.with_name(f"{paths.config_data.name}.note")


def is_export(paths: Paths) -> bool:
    """Whether ``config.data`` was written here, or is not there at all."""
    try:
        content = paths.config_data.read_bytes()
    except FileNotFoundError:
        return True
    try:
        return hashlib.sha256(content).hexdigest() in note_file(paths).read_text()
    except FileNotFoundError:
        return False


def _keep(file: Path) -> None:
    """Put aside what another program has written."""
    other = next(name for number in range(1, 1000)
                 if not (name := file.with_name(f"{file.name}.ganeti-{number}")).exists())
    file.rename(other)
    log.warning("%s was not written here: it is kept as %s", file, other)


def remove_export(paths: Paths) -> None:
    """Remove the export; a ``config.data`` of another program stays."""
    if note_file(paths).exists():
        if is_export(paths):
            paths.config_data.unlink(missing_ok=True)
        note_file(paths).unlink(missing_ok=True)
