"""Objects of a copy of the configuration that is read again and again."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.config.codec import decode_object
from ganeti_core.config.store import snapshot_of
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import ConfigObject


@dataclass
class DecodedObjects:
    """Decodes documents of the database once: an object stays the same one while its document does.

    Used by one thread.
    """

    _held: dict[tuple[str, str], tuple[str, ConfigObject]] = field(default_factory=dict)

    def snapshot(self, rows: Iterable[tuple[str, str, str]], meta: Mapping[str, str]) -> Snapshot:
        """Put together what was read: (kind, uuid, document) of each object and the small facts.

        :raises ConfigurationError: a document does not fit its kind
        """
        self._held = {(kind, uuid): self._decoded(kind, uuid, doc) for kind, uuid, doc in rows}
        return snapshot_of(
            ((kind, uuid, value) for (kind, uuid), (_, value) in self._held.items()), meta)

    def forget(self) -> None:
        """Hold nothing any more."""
        self._held = {}

    def _decoded(self, kind: str, uuid: str, doc: str) -> tuple[str, ConfigObject]:
        before = self._held.get((kind, uuid))
        return before if before and before[0] == doc else (doc, decode_object(kind, doc))
