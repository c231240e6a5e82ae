"""The node's own copy of the configuration, read again when it has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganeti_core.config.decoded import DecodedObjects

if TYPE_CHECKING:
    from ganeti_core.config.replica import Replica
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.paths import Paths


@dataclass
class CopyReader:
    """Follows the copy of one node; used by one thread.

    Only objects whose documents have changed are decoded again.
    """

    paths: Paths
    replica: Replica
    snapshot: Snapshot | None = None
    """What the copy said last; None where the node has none."""
    _known: tuple[int, int] | None = None
    _stamp: tuple[object, ...] = ()
    _objects: DecodedObjects = field(default_factory=DecodedObjects)

    def refresh(self) -> bool:
        """Read what is new; whether there is anything new.

        :raises ConfigurationError: the copy holds what cannot be read
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        if not self.paths.database.exists():
            return self._forget()
        found = self.replica.configuration(self._known)
        if found is None:
            if self.snapshot is None:
                self._stamp = ()  # whoever makes the copy may do so without another change of it
            return False
        known, meta, rows = found
        self.snapshot = self._objects.snapshot(rows, meta)
        self._known = known
        return True

    def _look(self) -> tuple[object, ...]:
        """When the files of the copy changed last: that costs less than opening them."""
        found: list[object] = []
        for suffix in ("", "-wal"):
            try:
                state = self.paths.database.with_name(self.paths.database.name + suffix).stat()
            except FileNotFoundError:
                found.append(None)
            else:
                found.append((state.st_ino, state.st_mtime_ns, state.st_size))
        return tuple(found)

    def _forget(self) -> bool:
        had = self.snapshot is not None
        self.snapshot, self._known = None, None
        self._objects.forget()
        return had
