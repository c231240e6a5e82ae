"""What the lock manager promises, one case each, and many threads at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from ganeti_core.errors import LockError
from ganeti_core.locking import (
    AGEING,
    ALL,
    BIG_LOCK,
    AnyOf,
    Level,
    LockInfo,
    LockManager,
    LockRequest,
    Ticket,
    Want,
)

INSTANCE, NODE, RESOURCE = Level.INSTANCE, Level.NODE, Level.NODE_RESOURCE


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def manager(clock):
    return LockManager(clock)


def ask(manager, owner, *wants, priority=0, any_of=None):
    return manager.request(owner, LockRequest.of(*wants, any_of=any_of), lambda _: None, priority)


def shared(level, name):
    return Want(level, name, exclusive=False)


def test_higher_priority_overtakes_waiting_requests(manager):
    holder = ask(manager, "1", Want(NODE, "a"))
    late = ask(manager, "2", Want(NODE, "a"))
    urgent = ask(manager, "3", Want(NODE, "a"), priority=-1)
    manager.release(holder)
    assert (urgent.state, late.state) == ("granted", "waiting")


def test_a_long_wait_weighs_as_much_as_priority(manager, clock):
    holder = ask(manager, "1", Want(NODE, "a"))
    old = ask(manager, "2", Want(NODE, "a"), priority=1)
    clock.now += AGEING + 1
    urgent = ask(manager, "3", Want(NODE, "a"), priority=0)
    manager.release(holder)
    assert (old.state, urgent.state) == ("granted", "waiting")


def test_shared_requests_do_not_starve_an_exclusive_one(manager):
    first = ask(manager, "1", shared(NODE, "a"))
    writer = ask(manager, "2", Want(NODE, "a"))
    reader = ask(manager, "3", shared(NODE, "a"))
    assert reader.state == "waiting"
    manager.release(first)
    assert (writer.state, reader.state) == ("granted", "waiting")
    manager.release(writer)
    assert reader.state == "granted"


def test_a_waiting_set_holds_nothing(manager):
    ask(manager, "1", Want(NODE, "a"))
    both = ask(manager, "2", Want(NODE, "a"), Want(RESOURCE, "r"))
    assert not manager.holds("2", RESOURCE, "r")
    assert both.state == "waiting"


def test_all_of_a_level_meets_later_names_too(manager):
    everything = ask(manager, "1", Want(NODE, ALL))
    one = ask(manager, "2", shared(NODE, "new"))
    assert manager.blockers(one) == [("node/[lockset]", "1")]
    manager.downgrade(everything, NODE)
    assert one.state == "granted"
    assert ask(manager, "3", Want(NODE, "new")).state == "waiting"


def test_who_gave_back_every_name_of_a_level_blocks_nobody_there(manager):
    some = ask(manager, "1", Want(INSTANCE, "i"), Want(NODE, "a"), Want(NODE, "b"))
    everything = ask(manager, "2", Want(NODE, ALL))
    manager.release(some, [(NODE, "a")])
    assert everything.state == "waiting"
    manager.release(some, [(NODE, "b")])
    assert everything.state == "granted"
    assert manager.holds("1", INSTANCE, "i")


def test_a_holder_that_asks_for_more_comes_before_who_waits_for_it(manager):
    holder = ask(manager, "1", Want(NODE, "a"))
    waiter = ask(manager, "2", Want(NODE, "a"), Want(RESOURCE, "r"))
    more = ask(manager, "1", Want(RESOURCE, "r"))
    assert more.state == "granted"
    manager.release(more)
    manager.release(holder)
    assert waiter.state == "granted"


@pytest.mark.parametrize("level", [INSTANCE, NODE])
def test_locks_are_taken_upwards_only(manager, level):
    ask(manager, "1", Want(NODE, "a"))
    with pytest.raises(LockError, match="order of their levels"):
        ask(manager, "1", Want(level, "b"))


def test_any_of_takes_what_is_free_and_at_least_the_count(manager):
    holder = ask(manager, "1", Want(NODE, "a"))
    choice = AnyOf(NODE, frozenset("abc"), 2)
    opportunist = ask(manager, "2", Want(INSTANCE, "i"), any_of=choice)
    assert opportunist.taken == {"b", "c"}
    assert opportunist.names(NODE) == {"b", "c"}
    hungry = ask(manager, "3", any_of=AnyOf(NODE, frozenset("abc"), 2))
    assert {owner for _, owner in manager.blockers(hungry)} == {"1", "2"}
    manager.release(holder)
    assert hungry.state == "waiting"
    manager.release(opportunist, [(NODE, "b")])
    assert hungry.taken == {"a", "b"}


def test_a_choice_keeps_the_intention_of_names_asked_for_by_name(manager):
    ask(manager, "1", Want(NODE, "a"), any_of=AnyOf(NODE, frozenset("bc"), 1, exclusive=False))
    assert ask(manager, "2", shared(NODE, ALL)).state == "waiting"


def test_a_choice_of_more_than_there_is_is_refused(manager):
    with pytest.raises(LockError, match="3 of 2"):
        ask(manager, "1", any_of=AnyOf(NODE, frozenset("ab"), 3))


def test_cancelled_waiter_lets_those_behind_it_pass(manager):
    ask(manager, "1", shared(NODE, "a"))
    writer = ask(manager, "2", Want(NODE, "a"))
    reader = ask(manager, "3", shared(NODE, "a"))
    assert manager.cancel(writer)
    assert reader.state == "granted"
    assert not manager.cancel(reader)


def test_locks_are_described_with_holders_and_queue(manager):
    ask(manager, "1", shared(Level.CLUSTER, BIG_LOCK), Want(NODE, "a"))
    ask(manager, "2", Want(NODE, "a"))
    ask(manager, "3", shared(NODE, "a"), priority=-5)
    assert manager.describe() == [
        LockInfo("cluster/BGL", "shared", ("1",), ()),
        LockInfo("node/a", "exclusive", ("1",),
                 (("shared", ("3",)), ("exclusive", ("2",)))),
    ]


@dataclass
class Crowd:
    """Threads that take random sets in one or two steps, and check who else holds."""

    manager: LockManager = field(default_factory=LockManager)
    holders: Counter[Want] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def work(self, number: int) -> None:
        dice = random.Random(number)
        for _ in range(30):
            taken = []
            for level in (NODE, RESOURCE)[: dice.randint(1, 2)]:
                step = LockRequest.of(*(Want(level, dice.choice("abcd"), dice.random() < 0.6)
                                        for _ in range(dice.randint(1, 3))))
                taken.append((self.take(step, str(number), dice.randint(-2, 2)), step.wants))
                self.enter(step.wants)
            if self.problems:
                return
            for ticket, wants in reversed(taken):
                self.leave(wants)
                self.manager.release(ticket)

    def take(self, request: LockRequest, owner: str, priority: int) -> Ticket:
        event = threading.Event()
        ticket = self.manager.request(owner, request, lambda _: event.set(), priority)
        if not event.wait(30):
            self.problems.append(f"{owner} waits for ever: {self.manager.blockers(ticket)}")
        return ticket

    def enter(self, wants) -> None:
        with self.guard:
            for want in wants:
                others = self.holders[replace(want, exclusive=True)]
                if want.exclusive:
                    others += self.holders[replace(want, exclusive=False)]
                if others:
                    self.problems.append(f"{want} was held")
                self.holders[want] += 1

    def leave(self, wants) -> None:
        with self.guard:
            self.holders.subtract(wants)


def test_64_threads_get_all_they_want_and_never_too_much():
    crowd = Crowd()
    threads = [threading.Thread(target=crowd.work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crowd.problems == []
    assert crowd.manager.describe() == []


def test_ten_thousand_waiting_requests_do_not_slow_a_grant():
    manager = LockManager()
    holder = ask(manager, "holder", Want(NODE, "a"))
    waiting = [ask(manager, str(number), Want(NODE, "a")) for number in range(10_000)]
    spent = []
    for follower in waiting[:200]:
        began = time.perf_counter()
        manager.release(holder)
        spent.append(time.perf_counter() - began)
        assert follower.state == "granted"
        holder = follower
    assert sorted(spent)[100] < 0.001
