"""Why a call that is owed to a node has not been made, and what waits because of it.

A *silent* node says nothing about the call: whatever changes that node waits until it was made. A
node that *refused* is well: only work on the very object of the call waits, and the call is tried
again at growing intervals.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, Self

from ganeti_core.errors import (
    AccessDenied,
    GanetiError,
    JobCanceled,
    NodeUnreachable,
    OutcomeUnknown,
    StaleEpoch,
)
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ganeti_core.rpc.calls import Call

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 3600.0
_SILENT = (NodeUnreachable, OutcomeUnknown, StaleEpoch, AccessDenied, JobCanceled)
"""Errors that say nothing of the call: the node does not answer, or does not obey this master, or
the master stopped asking."""


@dataclass(frozen=True)
class Debt:
    """Why a call is owed.

    :param reason: the error's text, for people
    :param attempts: how often the node has refused the call
    :param next_try: seconds since the epoch, before which a refused call is not repeated without
        need; it survives the master, so it is no monotonic time
    """

    kind: Literal["silent", "refused"]
    reason: str
    attempts: int = 0
    next_try: float = 0.0

    @classmethod
    def of(cls, error: GanetiError, before: Debt | None = None) -> Self:
        """The debt that follows from a failed call; `before` is what was known of it."""
        if isinstance(error, _SILENT):
            return cls("silent", str(error), before.attempts if before else 0)
        attempts = (before.attempts if before else 0) + 1
        # The exponent is bounded, for 2.0 ** 1024 is no number.
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 20))
        return cls("refused", str(error), attempts, time.time() + pause)

    @property
    def is_due(self) -> bool:
        """Whether to try again; a clock that was set back does not put it off for ever."""
        return not 0 < self.next_try - time.time() <= LONGEST_PAUSE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_doc(cls, doc: object) -> Self | None:
        """Read what `to_dict` made, or the text that older databases have; None if nothing is owed.

        What an older database says is taken for silence, which the next try puts right.
        """
        if isinstance(doc, dict):
            return cls(doc["kind"], doc["reason"], doc["attempts"], doc["next_try"])
        return cls("silent", str(doc)) if doc else None


def objects_of(subject: str, arguments: Mapping[str, Any]) -> frozenset[str]:
    """What a hook's call is about: the object's uuid, and the names by which drivers know it.

    Names count because a guest that an instance left behind is in the way of a new instance of the
    same name, whose uuid is another; a disk's uuid counts because it may be another instance's by
    now. `arguments` may be encoded or not.
    """
    return _texts({subject, _part(arguments.get("disk"), "uuid")}) | _names(arguments)


def _names(arguments: Mapping[str, Any]) -> frozenset[str]:
    return _texts({arguments.get("name"), _part(arguments.get("instance"), "name"),
                   _part(arguments.get("disk"), "instance")})


def _texts(found: Iterable[object]) -> frozenset[str]:
    return frozenset(item for item in found if isinstance(item, str) and item)


def name_of_call(call: Call) -> str:
    """Return by which name people know what a call is about; its subject where it has none."""
    arguments = call.args.get("arguments")
    names = _names(arguments if isinstance(arguments, Mapping) else {}) - {call.subject}
    return min(names, default=call.subject)


def objects_of_call(call: Call) -> frozenset[str]:
    """As `objects_of`, of a call that is data."""
    arguments = call.args.get("arguments")
    return objects_of(call.subject, arguments if isinstance(arguments, Mapping) else {})


def _part(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
