"""A lock manager so simple that one sees it is right: lists, and a look at everybody each time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ganeti_core.locking import ALL, AnyOf, Level, LockRequest, Ticket, Want

Held = tuple[Level, str, bool]
"""Level, name or `ALL`, exclusive."""


def overlap(one: Held, other: Held) -> bool:
    return one[0] is other[0] and (one[1] == other[1] or ALL in (one[1], other[1]))


def conflict(one: Iterable[Held], other: Iterable[Held]) -> bool:
    others = list(other)
    return any(overlap(a, b) and (a[2] or b[2]) for a in one for b in others)


@dataclass(eq=False)
class Entry:
    """What the model knows of a ticket."""

    owner: str
    request: LockRequest
    ticket: Ticket
    held: set[Held] = field(default_factory=set)
    state: str = "waiting"

    @property
    def wanted(self) -> set[Held]:
        return {(want.level, want.name, want.exclusive) for want in self.request.wants}

    @property
    def order(self):
        return self.ticket.order


class Model:
    """All tickets that wait or hold."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def waiting(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "waiting"]

    def granted(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "granted"]

    def against(self, entry: Entry) -> Iterator[tuple[Entry, set[Held]]]:
        """Whom `entry` must respect: who holds, and who waits and came before it."""
        for other in self.entries:
            if other.owner == entry.owner:
                continue
            if other.state == "granted":
                yield other, other.held
            elif other.state == "waiting" and other.order < entry.order:
                yield other, other.wanted

    def blockers(self, entry: Entry) -> set[str]:
        return {other.owner for other, locks in self.against(entry)
                if conflict(locks, entry.wanted)}

    def free_choice(self, entry: Entry) -> set[str]:
        choice = entry.request.any_of
        assert choice is not None
        return {name for name in choice.names if not any(
            conflict(locks, [(choice.level, name, choice.exclusive)])
            for _, locks in self.against(entry))}

    def grantable(self, entry: Entry) -> bool:
        if self.blockers(entry):
            return False
        choice = entry.request.any_of
        return choice is None or len(self.free_choice(entry)) >= choice.count

    def grant(self, entry: Entry) -> None:
        entry.state = "granted"
        entry.held = set(entry.wanted)
        if (choice := entry.request.any_of) is not None:
            entry.held |= {(choice.level, name, choice.exclusive) for name in entry.ticket.taken}


def request_of(wants: Iterable[Want], any_of: AnyOf | None = None) -> LockRequest:
    return LockRequest.of(*wants, any_of=any_of)
