"""The lock manager against the simple model, for whatever order of requests hypothesis invents."""

from __future__ import annotations

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from lock_model import Entry, Model, conflict, request_of

from ganeti_core.locking import ALL, AnyOf, Level, LockManager, Ticket, Want

OWNERS = [f"job{number}" for number in range(5)]
LEVELS = [Level.INSTANCE, Level.NODE, Level.NODE_RESOURCE]
NAMES = ["a", "b", "c"]

wants = st.builds(Want, st.sampled_from(LEVELS), st.sampled_from([*NAMES, ALL]), st.booleans())
want_sets = st.lists(wants, min_size=1, max_size=4)
choices = st.none() | st.builds(
    AnyOf, st.sampled_from(LEVELS), st.frozensets(st.sampled_from(NAMES), min_size=1),
    st.integers(1, 2), st.booleans())


class LockMachine(RuleBasedStateMachine):
    """Several owners ask, give back, weaken and give up; time passes by itself."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.manager = LockManager(clock=lambda: self.now)
        self.model = Model()
        self.told: list[Ticket] = []

    # What owners do

    @rule(target=tickets, owner=st.sampled_from(OWNERS), asked=want_sets, any_of=choices,
          priority=st.integers(-2, 2), later=st.floats(0, 40))
    def ask(self, owner, asked, any_of, priority, later):
        self.now += later
        if any(entry.owner == owner for entry in self.model.waiting()):
            return None  # an owner waits for one request at a time
        held = {lock[0] for entry in self.model.granted() if entry.owner == owner
                for lock in entry.held}
        lowest = max(held, default=Level.CLUSTER)
        asked = [want for want in asked if want.level > lowest]
        if any_of is not None and (
                any_of.level <= lowest or any(want.level == any_of.level for want in asked)
                or any_of.count > len(any_of.names)):
            any_of = None
        if not asked and any_of is None:
            return None
        request = request_of(asked, any_of)
        ticket = self.manager.request(owner, request, self.told.append, priority)
        entry = Entry(owner, request, ticket)
        self.model.entries.append(entry)
        self.hear()
        return entry

    @rule(entry=tickets)
    def give_back(self, entry):
        if entry is not None and entry.state == "granted":
            entry.state, entry.held = "released", set()
            self.manager.release(entry.ticket)
            self.manager.release(entry.ticket)
            self.hear()

    @rule(entry=tickets, data=st.data())
    def give_back_some(self, entry, data):
        if entry is None or entry.state != "granted" or not entry.held:
            return
        some = data.draw(st.sets(st.sampled_from(sorted(entry.held)), min_size=1))
        entry.held -= some
        if not entry.held:
            entry.state = "released"
        self.manager.release(entry.ticket, [(level, name) for level, name, _ in some])
        self.hear()

    @rule(entry=tickets, level=st.sampled_from(LEVELS))
    def weaken(self, entry, level):
        if entry is not None and entry.state == "granted":
            entry.held = {(where, name, exclusive and where is not level)
                          for where, name, exclusive in entry.held}
            self.manager.downgrade(entry.ticket, level)
            self.hear()

    @precondition(lambda self: self.model.waiting())
    @rule(data=st.data())
    def give_up(self, data):
        entry = data.draw(st.sampled_from(self.model.waiting()))
        entry.state = "cancelled"
        assert self.manager.cancel(entry.ticket)
        assert not self.manager.cancel(entry.ticket)
        self.hear()

    def hear(self):
        """Take the grants in the order in which they were told; each must be allowed."""
        for ticket in self.told:
            entry = next(e for e in self.model.entries if e.ticket is ticket)
            assert entry.state == "waiting", "granted twice, or after it was given up"
            assert not conflict_with_holders(self.model, entry)
            self.model.grant(entry)
        self.told.clear()

    # What must hold at any time

    @invariant()
    def nobody_waits_without_a_reason(self):
        for entry in self.model.waiting():
            assert not self.model.grantable(entry), f"{entry.owner} was forgotten: {entry.request}"

    @invariant()
    def no_two_hold_what_conflicts(self):
        held = self.model.granted()
        for index, one in enumerate(held):
            for other in held[index + 1:]:
                assert one.owner == other.owner or not conflict(one.held, other.held)

    @invariant()
    def the_manager_tells_the_same(self):
        for entry in self.model.entries:
            assert entry.ticket.state == entry.state
            if entry.state == "waiting":
                told = {owner for _, owner in self.manager.blockers(entry.ticket)}
                assert self.model.blockers(entry) <= told
            elif entry.state == "granted":
                for level, name, exclusive in entry.held:
                    assert self.manager.holds(entry.owner, level, name, exclusive=exclusive)
        shown = {(lock.name, owner) for lock in self.manager.describe() for owner in lock.owners}
        assert shown == {(f"{level.title}/{name}", entry.owner)
                         for entry in self.model.granted() for level, name, _ in entry.held}

    def teardown(self):
        """Whoever can go on ends: then everybody gets what it waits for, and nothing is left."""
        while True:
            blocked = {entry.owner for entry in self.model.waiting()}
            free = [entry for entry in self.model.granted() if entry.owner not in blocked]
            if not free:
                break
            self.give_back(free[0])
            self.nobody_waits_without_a_reason()
        assert not self.model.waiting(), "deadlock"
        assert self.manager.describe() == []
        assert not self.manager._locks, "a lock that nobody holds or wants takes memory for ever"


def conflict_with_holders(model, entry):
    held = {(want.level, want.name, want.exclusive) for want in entry.request.wants}
    return any(other.owner != entry.owner and conflict(other.held, held)
               for other in model.granted())


LockMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=25, database=None,
    phases=[Phase.generate, Phase.shrink])
TestLockMachine = LockMachine.TestCase
