"""Send an allocator's process only what it does not know yet of a document.

Most of a document is parts of which little changes between two requests: one document for each
instance, and one for each node. An unchanged object has the very same dict in the next document
(`instance_documents`, `node_documents`), so nothing is compared and nothing is encoded twice. The
order of a part is that of the document at both ends.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = ("instances", "nodes")
"""The keys of a document under which there is a document for each name."""


@dataclass(frozen=True)
class SentParts:
    """What a process knows, as its master sees it: the parts of the last document sent."""

    _sent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return what a process knows once this document has been sent to it as a whole."""
        return cls({key: dict(document[key]) for key in PARTS})

    def changes(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what makes this document of the last one."""
        return {
            "rest": {key: value for key, value in document.items() if key not in PARTS},
            "parts": {key: _changes(self._sent.get(key, {}), document[key]) for key in PARTS}}


def _changes(sent: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    gone = [name for name in sent if name not in now]
    left = [name for name in sent if name in now] if gone else list(sent)
    if left != list(now)[:len(left)]:
        # What is set again keeps its place, so all of it has to go first.
        sent, gone = {}, list(sent)
    return {"gone": gone, "changed": {
        name: one for name, one in now.items() if sent.get(name) is not one}}


@dataclass
class KnownParts:
    """The same in the process."""

    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def document(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the whole document.

        The allocator may change in it what it likes, but for the instances' documents: each of
        them is the very same object as long as it does not change.
        """
        for key, change in changes["parts"].items():
            known = self._known.setdefault(key, {})
            for name in change["gone"]:
                known.pop(name, None)
            known.update(change["changed"])
        return {
            **changes["rest"], "instances": dict(self._known["instances"]),
            "nodes": {name: _copy(node) for name, node in self._known["nodes"].items()}}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        # Hardly anything in it holds something else: a call for each value would take longer.
        return {key: _copy(item) if isinstance(item, (dict, list)) else item
                for key, item in value.items()}
    return [_copy(item) if isinstance(item, (dict, list)) else item for item in value]
