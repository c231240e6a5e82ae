"""The lock manager: who may touch what, in which order, and whom everybody else waits for.

Locks live on *levels* (cluster, instance, node group, node, node resource, network). A request is
one immutable set over any levels and is granted whole or not at all, so it cannot deadlock with
another. An owner that asks again may only ask for higher levels, and comes before all who hold
lower ones: nobody waits behind somebody who waits for it, so chains cannot deadlock either.

A lock on one name also puts an *intention* on its level (IS, IX), so "all of a level" is a single
lock (S, X) that meets everybody: classic multiple-granularity locking. Queues are ordered by a
virtual start time, ``arrival + priority * AGEING``: a higher priority overtakes, a long wait counts
as priority, and since the order of two requests never changes, nobody starves.

Knows nothing of jobs, threads or event loops: a grant is told by a callback, outside the mutex.
"""

from __future__ import annotations

import itertools
import threading
import time
from bisect import bisect_left, insort
from dataclasses import field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from ganeti_core.errors import LockError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AGEING = 30.0
"""Seconds of waiting that weigh as much as one step of priority."""


class Level(IntEnum):
    """Levels in the order in which they are taken."""

    CLUSTER = 0
    INSTANCE = 1
    GROUP = 2
    NODE = 3
    NODE_RESOURCE = 4
    NETWORK = 5

    @property
    def title(self) -> str:
        return _TITLES[self]


_TITLES = {
    Level.CLUSTER: "cluster", Level.INSTANCE: "instance", Level.GROUP: "nodegroup",
    Level.NODE: "node", Level.NODE_RESOURCE: "node-res", Level.NETWORK: "network",
}


class Mode(Enum):
    """How a resource is held; the intentions stand on levels only."""

    INTEND_SHARED = "IS"
    INTEND_EXCLUSIVE = "IX"
    SHARED = "S"
    EXCLUSIVE = "X"


_MODES = tuple(Mode)
_IS, _IX, _S, _X = _MODES
_CONFLICTS: dict[Mode, tuple[Mode, ...]] = {
    _IS: (_X,), _IX: (_S, _X), _S: (_IX, _X), _X: (_IS, _IX, _S, _X),
}

ALL = "[lockset]"
"""In place of a name: every lock of the level, those of later objects included."""
BIG_LOCK = "BGL"
"""The one name on the cluster level."""

Resource = tuple[Level, str]
Order = tuple[int, float, int]
"""Place in a queue: the highest level held (negated), virtual start time, sequence number."""


@dataclass(frozen=True, order=True)
class Want:
    """One lock of a request; `name` may be `ALL`."""

    level: Level
    name: str
    exclusive: bool = True


@dataclass(frozen=True)
class AnyOf:
    """At least `count` of `names`, whichever are free at the moment of the grant."""

    level: Level
    names: frozenset[str]
    count: int
    exclusive: bool = True


@dataclass(frozen=True)
class LockRequest:
    """A set of locks, granted together. Equal requests mean the same; compare them as values."""

    wants: tuple[Want, ...] = ()
    any_of: AnyOf | None = None

    @classmethod
    def of(cls, *wants: Want, any_of: AnyOf | None = None) -> LockRequest:
        """Build a request in canonical order; of two wants of one name the exclusive one stays.

        All of a level shared and one of its names exclusive means all of it exclusive.
        """
        strongest: dict[Resource, Want] = {}
        exclusive = {want.level for want in wants if want.exclusive}
        for want in wants:
            known = strongest.get((want.level, want.name))
            if want.name == ALL and want.level in exclusive:
                strongest[want.level, ALL] = Want(want.level, ALL)
            elif known is None or want.exclusive:
                strongest[want.level, want.name] = want
        return cls(tuple(sorted(strongest.values())), any_of)


@dataclass(frozen=True)
class LockInfo:
    """One lock as the administrator sees it; `pending` has (mode, owners) in queue order."""

    name: str
    mode: str | None
    owners: tuple[str, ...]
    pending: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(eq=False)
class Ticket:
    """A request that waits or is granted. Made by `LockManager.request`."""

    owner: str
    request: LockRequest
    order: Order
    granted: Callable[[Ticket], None]
    since: float
    modes: dict[Resource, Mode] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    state: str = "waiting"

    def names(self, level: Level) -> frozenset[str]:
        """The names held (or asked for) on `level`, the chosen ones of `AnyOf` included."""
        return frozenset(
            name for (where, name), mode in self.modes.items()
            if where is level and name != ALL and mode in (_S, _X))


class _Lock:
    """One resource: holders by ticket, and waiting tickets per mode in queue order."""

    __slots__ = ("held", "holders", "waiting")

    def __init__(self) -> None:
        self.holders: dict[Ticket, Mode] = {}
        self.held: dict[Mode, int] = dict.fromkeys(_MODES, 0)
        self.waiting: dict[Mode, list[tuple[Order, Ticket]]] = {m: [] for m in _MODES}

    def hold(self, ticket: Ticket, mode: Mode) -> None:
        self.holders[ticket] = mode
        self.held[mode] += 1

    def drop(self, ticket: Ticket) -> Mode | None:
        mode = self.holders.pop(ticket, None)
        if mode is not None:
            self.held[mode] -= 1
        return mode

    def enqueue(self, ticket: Ticket, mode: Mode) -> None:
        insort(self.waiting[mode], (ticket.order, ticket), key=_queue_order)

    def dequeue(self, ticket: Ticket, mode: Mode) -> None:
        queue = self.waiting[mode]
        index = bisect_left(queue, ticket.order, key=_queue_order)
        if index < len(queue) and queue[index][1] is ticket:
            del queue[index]

    def blockers(self, ticket: Ticket, mode: Mode) -> Iterator[Ticket]:
        """Yield those who keep `ticket` from `mode`: conflicting holders, earlier waiters."""
        for holder, held in self.holders.items():
            if holder.owner != ticket.owner and held in _CONFLICTS[mode]:
                yield holder
        for other in _CONFLICTS[mode]:
            for order, waiter in self.waiting[other]:
                if order >= ticket.order:
                    break
                if waiter.owner != ticket.owner:
                    yield waiter

    def free_for(self, ticket: Ticket, mode: Mode) -> bool:
        for other in _CONFLICTS[mode]:
            if self.held[other] and self._held_by_another(ticket.owner, other):
                return False
            queue = self.waiting[other]
            if queue and queue[0][0] < ticket.order and queue[0][1].owner != ticket.owner:
                return False
        return True

    def _held_by_another(self, owner: str, mode: Mode) -> bool:
        return any(held is mode and holder.owner != owner
                   for holder, held in self.holders.items())

    @property
    def idle(self) -> bool:
        return not self.holders and not any(self.waiting.values())


def _queue_order(entry: tuple[Order, Ticket]) -> Order:
    return entry[0]


class LockManager:
    """Grants lock requests. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.on_grant: Callable[[float], None] = lambda _seconds: None
        """Called, with the mutex held, with how long a request has waited until it is granted."""
        self._mutex = threading.Lock()
        self._locks: dict[Resource, _Lock] = {}
        self._sequence = itertools.count()
        self._held_by_owner: dict[str, list[Ticket]] = {}
        self._choosers: list[Ticket] = []

    def request(
        self, owner: str, request: LockRequest, granted: Callable[[Ticket], None],
        priority: int = 0,
    ) -> Ticket:
        """Ask for a set of locks; `granted` is called with the ticket once all are held.

        It may be called before this method returns. A lower `priority` is more urgent.

        :raises LockError: the owner holds locks of the same or a higher level already, or more
            are to be chosen than there are
        """
        if request.any_of is not None and request.any_of.count > len(request.any_of.names):
            raise LockError(f"{owner} asks for {request.any_of.count} of "
                            f"{len(request.any_of.names)} locks")
        now = self._clock()
        modes = _modes(request)
        with self._mutex:
            top = self._check_order(owner, request, modes)
            order = (-top, now + priority * AGEING, next(self._sequence))
            ticket = Ticket(owner, request, order, granted, now, modes)
            if self._grantable(ticket):
                self._grant(ticket)
            else:
                self._enqueue(ticket)
                return ticket
        granted(ticket)
        return ticket

    def _check_order(
        self, owner: str, request: LockRequest, modes: dict[Resource, Mode]
    ) -> int:
        """Return the highest level that the owner holds; -1 for none.

        :raises LockError: it asks for that level or a lower one
        """
        wanted = [level for level, _ in modes]
        if request.any_of:
            wanted.append(request.any_of.level)
        top = max((level for held in self._held_by_owner.get(owner, ())
                   for level, _ in held.modes), default=None)
        if top is None:
            return -1
        if wanted and min(wanted) <= top:
            raise LockError(
                f"{owner} holds locks up to level {top.title} and asks for "
                f"{min(wanted).title}: locks are taken in order of their levels")
        return top

    def _grantable(self, ticket: Ticket) -> bool:
        for resource, mode in ticket.modes.items():
            lock = self._locks.get(resource)
            if lock is not None and not lock.free_for(ticket, mode):
                return False
        choice = ticket.request.any_of
        return choice is None or self._choose(ticket, choice) is not None

    def _choose(self, ticket: Ticket, choice: AnyOf) -> frozenset[str] | None:
        mode, intention = (_X, _IX) if choice.exclusive else (_S, _IS)
        level = self._locks.get((choice.level, ALL))
        if level is not None and not level.free_for(ticket, intention):
            return None
        free = frozenset(
            name for name in choice.names
            if (lock := self._locks.get((choice.level, name))) is None
            or lock.free_for(ticket, mode))
        return free if len(free) >= choice.count else None

    def _grant(self, ticket: Ticket) -> None:
        choice = ticket.request.any_of
        if choice is not None:
            ticket.taken = self._choose(ticket, choice) or frozenset()
            for name in ticket.taken:
                _add(ticket.modes, Want(choice.level, name, choice.exclusive))
        for resource, mode in ticket.modes.items():
            self._lock(resource).hold(ticket, mode)
        ticket.state = "granted"
        self.on_grant(self._clock() - ticket.since)
        self._held_by_owner.setdefault(ticket.owner, []).append(ticket)

    def _lock(self, resource: Resource) -> _Lock:
        lock = self._locks.get(resource)
        if lock is None:
            lock = self._locks[resource] = _Lock()
        return lock

    def _enqueue(self, ticket: Ticket) -> None:
        for resource, mode in ticket.modes.items():
            self._lock(resource).enqueue(ticket, mode)
        if ticket.request.any_of is not None:
            self._choosers.append(ticket)

    def cancel(self, ticket: Ticket) -> bool:
        """Give up waiting; False when the ticket is granted or gone already."""
        with self._mutex:
            if ticket.state != "waiting":
                return False
            ticket.state = "cancelled"
            changed = self._dequeue(ticket)
            woken = self._wake(changed)
        _tell(woken)
        return True

    def reorder(self, ticket: Ticket, priority: int) -> None:
        """Change the priority of a waiting ticket; what it has waited so far goes on counting."""
        with self._mutex:
            if ticket.state != "waiting":
                return
            changed = self._dequeue(ticket)
            top, _, number = ticket.order
            ticket.order = (top, ticket.since + priority * AGEING, number)
            woken: list[Ticket] = []
            if self._grantable(ticket):
                self._grant(ticket)
                woken.append(ticket)
            else:
                self._enqueue(ticket)
            woken.extend(self._wake(changed))
        _tell(woken)

    def _dequeue(self, ticket: Ticket) -> list[tuple[Resource, Mode]]:
        for resource, mode in ticket.modes.items():
            self._locks[resource].dequeue(ticket, mode)
        if ticket.request.any_of is not None:
            self._choosers.remove(ticket)
        return list(ticket.modes.items())

    def release(self, ticket: Ticket, resources: Iterable[Resource] | None = None) -> None:
        """Give back all locks of a ticket, or some; harmless when they are back already."""
        with self._mutex:
            if ticket.state != "granted":
                return
            chosen = list(ticket.modes) if resources is None else [
                resource for resource in resources if resource in ticket.modes]
            changed = [(resource, mode) for resource in chosen
                       if (mode := self._drop(ticket, resource)) is not None]
            changed += self._correct_intentions(ticket)
            if not ticket.modes or resources is None:
                ticket.state = "released"
                self._forget(ticket)
            woken = self._wake(changed)
        _tell(woken)

    def _drop(self, ticket: Ticket, resource: Resource) -> Mode | None:
        ticket.modes.pop(resource)
        return self._locks[resource].drop(ticket)

    def _correct_intentions(self, ticket: Ticket) -> list[tuple[Resource, Mode]]:
        """Let what stands on each level say what is still held there, after a partial release."""
        changed: list[tuple[Resource, Mode]] = []
        for level in {resource[0] for resource in ticket.modes}:
            names = {mode for (where, name), mode in ticket.modes.items()
                     if where is level and name != ALL}
            had = ticket.modes.get((level, ALL))
            needed = _IX if _X in names else _IS if names else None
            if had in (_S, _X) or had is needed:
                continue
            lock = self._lock((level, ALL))
            if had is not None:
                self._drop(ticket, (level, ALL))
                changed.append(((level, ALL), had))
            if needed is not None:
                lock.hold(ticket, needed)
                ticket.modes[level, ALL] = needed
        return changed

    def _forget(self, ticket: Ticket) -> None:
        tickets = self._held_by_owner.get(ticket.owner, [])
        tickets.remove(ticket)
        if not tickets:
            self._held_by_owner.pop(ticket.owner, None)

    def downgrade(self, ticket: Ticket, level: Level) -> None:
        """Turn the ticket's exclusive locks of `level` into shared ones."""
        with self._mutex:
            changed: list[tuple[Resource, Mode]] = []
            for resource, mode in list(ticket.modes.items()):
                weaker = {_X: _S, _IX: _IS}.get(mode)
                if resource[0] is level and weaker is not None and ticket.state == "granted":
                    self._locks[resource].drop(ticket)
                    self._locks[resource].hold(ticket, weaker)
                    ticket.modes[resource] = weaker
                    changed.append((resource, mode))
            woken = self._wake(changed)
        _tell(woken)

    def _wake(self, changed: list[tuple[Resource, Mode]]) -> list[Ticket]:
        """Grant what the disappearance of `changed` (held or queued modes) made possible."""
        woken: list[Ticket] = []
        for resource, mode in changed:
            lock = self._locks.get(resource)
            if lock is None:
                continue
            for other in _CONFLICTS[mode]:
                woken.extend(self._wake_queue(lock, other))
            if lock.idle:
                del self._locks[resource]
        for ticket in list(self._choosers):
            if self._grantable(ticket):
                self._promote(ticket, woken)
        return woken

    def _wake_queue(self, lock: _Lock, mode: Mode) -> list[Ticket]:
        woken: list[Ticket] = []
        index = 0
        queue = lock.waiting[mode]
        while index < len(queue):
            ticket = queue[index][1]
            if not lock.free_for(ticket, mode):
                break
            if self._grantable(ticket):
                self._promote(ticket, woken)
            else:
                # Blocked elsewhere. Exclusive requests behind it stay behind it; others may pass.
                if mode is _X:
                    break
                index += 1
        return woken

    def _promote(self, ticket: Ticket, woken: list[Ticket]) -> None:
        self._dequeue(ticket)
        self._grant(ticket)
        woken.append(ticket)

    def holds(self, owner: str, level: Level, name: str, *, exclusive: bool = True) -> bool:
        """Whether `owner` holds the lock (or all of its level) at least in this mode."""
        enough = (_X,) if exclusive else (_S, _X)
        with self._mutex:
            return any(
                ticket.modes.get((level, candidate)) in enough
                for ticket in self._held_by_owner.get(owner, ())
                for candidate in (name, ALL))

    def blockers(self, ticket: Ticket) -> list[tuple[str, str]]:
        """Tell whom a waiting ticket waits for, as (lock name, owner), each pair once."""
        with self._mutex:
            if ticket.state != "waiting":
                return []
            asked = [*ticket.modes.items(), *_chosen_from(ticket.request.any_of)]
            pairs = {
                (_lock_name(resource), other.owner): None
                for resource, mode in asked if resource in self._locks
                for other in self._locks[resource].blockers(ticket, mode)
            }
        return list(pairs)

    def describe(self) -> list[LockInfo]:
        """List every lock that is held or waited for, by name."""
        with self._mutex:
            return [_info(resource, lock)
                    for resource, lock in sorted(self._locks.items()) if _shown(resource, lock)]


def _modes(request: LockRequest) -> dict[Resource, Mode]:
    modes: dict[Resource, Mode] = {}
    for want in request.wants:
        if want.name == ALL:
            modes[want.level, ALL] = _X if want.exclusive else _S
    for want in request.wants:
        if want.name != ALL:
            _add(modes, want)
    return modes


def _add(modes: dict[Resource, Mode], want: Want) -> None:
    """Add one name, never weakening what is there."""
    if modes.get((want.level, want.name)) is not _X:
        modes[want.level, want.name] = _X if want.exclusive else _S
    if modes.get((want.level, ALL), _IS) is _IS:
        modes[want.level, ALL] = _IX if want.exclusive else _IS


def _chosen_from(choice: AnyOf | None) -> list[tuple[Resource, Mode]]:
    """All that a choice could take."""
    if choice is None:
        return []
    wants = tuple(Want(choice.level, name, choice.exclusive) for name in sorted(choice.names))
    return list(_modes(LockRequest(wants)).items())


def _tell(woken: list[Ticket]) -> None:
    for ticket in woken:
        ticket.granted(ticket)


def _lock_name(resource: Resource) -> str:
    return f"{resource[0].title}/{resource[1]}"


def _shown(resource: Resource, lock: _Lock) -> bool:
    """An intention is no lock in the eyes of an administrator."""
    if resource[1] != ALL:
        return True
    return bool(lock.held[_S] or lock.held[_X] or lock.waiting[_S] or lock.waiting[_X])


def _info(resource: Resource, lock: _Lock) -> LockInfo:
    mode = "exclusive" if lock.held[_X] else "shared" if lock.held[_S] else None
    owners = tuple(sorted(holder.owner for holder, held in lock.holders.items()
                          if held in (_S, _X)))
    waiting = sorted(
        (order, ticket.owner, "exclusive" if held is _X else "shared")
        for held in (_S, _X) for order, ticket in lock.waiting[held])
    pending = tuple((held, (owner,)) for _, owner, held in waiting)
    return LockInfo(_lock_name(resource), mode, owners, pending)
