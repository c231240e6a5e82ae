"""The node's own copy of the configuration, read again when it has changed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.config.decoded import DecodedObjects
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ganeti_core.config.replica import Replica, Sight
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
    _seen: Sight | None = None
    """The copy's files as they were when they were read last."""
    _objects: DecodedObjects = field(default_factory=DecodedObjects)

    def refresh(self) -> bool:
        """Read what is new; whether there is anything new.

        :raises ConfigurationError: the copy holds what cannot be read
        """
        seen = self.replica.sight()
        if seen is not None and seen == self._seen:
            return False
        if not self.paths.database.exists():
            return self._forget()
        found = self.replica.configuration(self._known)
        if self.snapshot is not None or found is not None:
            self._seen = seen  # whoever makes the copy may do so without another change of it
        if found is None:
            return False
        known, meta, rows = found
        self.snapshot = self._objects.snapshot(rows, meta)
        self._known = known
        return True

    def _forget(self) -> bool:
        had = self.snapshot is not None
        self.snapshot, self._known = None, None
        self._objects.forget()
        return had
