"""The order in which queued jobs start, against a model that looks at all of them each time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_core.jobs.backlog import AGEING, Backlog
from ganeti_core.jobs.filters import Bucket, Verdict
from ganeti_core.jobs.job import Job, OpState
from ganeti_core.jobs.scheduler import Block, Fail, Park, Start, choose
from ganeti_core.opcodes.registry import parse


def job(number: int, priority: int = 0, received: float = 0.0, depends=None) -> Job:
    op = parse({"OP_ID": "OP_TEST_DELAY", "duration": 1, "reason": [], "depends": depends})
    return Job(number, [OpState(op, None, priority)], (int(received), 0))


def taken(backlog: Backlog) -> list[int]:
    return [one.id for one in backlog.take()]


def filled(*jobs: Job) -> Backlog:
    backlog = Backlog()
    for one in jobs:
        backlog.put(one, Verdict())
    return backlog


def test_higher_priority_overtakes_and_equals_keep_their_order():
    assert taken(filled(job(1), job(2, -10), job(3, 10), job(4, -10), job(5))) == [2, 4, 1, 5, 3]


def test_a_long_wait_counts_as_priority():
    old, new = job(1, 1, received=0), job(2, 0, received=AGEING - 1)
    assert taken(filled(old, new)) == [2, 1]
    assert taken(filled(old, job(2, 0, received=AGEING + 1))) == [1, 2]


def test_a_changed_priority_counts_at_once():
    first, second = job(1), job(2)
    backlog = filled(first, second)
    second.ops[0].priority = -5
    backlog.reorder(second)
    first.ops[0].priority = -1
    backlog.reorder(first)
    assert taken(backlog) == [2, 1]


def test_paused_and_removed_jobs_are_not_taken():
    paused, gone, ready = job(1), job(2), job(3)
    backlog = filled(gone, ready)
    backlog.put(paused, Verdict("PAUSE", "rule"))
    assert backlog.remove(gone)
    assert not backlog.remove(gone)
    assert taken(backlog) == [3]
    assert backlog.paused_by(1) == "rule"
    backlog.put(paused, Verdict())
    assert taken(backlog) == [1]
    assert backlog.paused_by(1) is None


def test_who_waits_for_a_job_is_ready_when_it_ends():
    backlog = filled(job(2), job(3))
    for one in backlog.take():
        backlog.block(one, 1)
    assert taken(backlog) == []
    backlog.unblock(1)
    assert taken(backlog) == [2, 3]


class Model:
    """Carries out decisions as the engine does, and starts jobs in rounds."""

    def __init__(self, jobs: dict[int, Job], verdicts: dict[int, Verdict]) -> None:
        self.jobs, self.verdicts = jobs, verdicts
        self.backlog = Backlog()
        for number, one in jobs.items():
            self.backlog.put(one, verdicts[number])
        self.running: list[int] = []
        self.ended: set[int] = set()

    def used(self) -> Counter[str]:
        return Counter(b.name for n in self.running for b in self.verdicts[n].buckets)

    def status(self, number: int) -> str | None:
        if number in self.ended:
            return "success"
        return "queued" if number in self.jobs else None

    def kick(self, limit: int) -> None:
        while True:
            moved = self.backlog.refill(self.used())
            decisions = choose(self.backlog.take(), limit - len(self.running), self.used(),
                               self.backlog.buckets, self.status)
            for decision in decisions:
                match decision:
                    case Block(one, by):
                        self.backlog.block(one, by)
                    case Park(one, bucket):
                        self.backlog.park(one, bucket)
                    case Start(one):
                        self.backlog.remove(one)
                        self.running.append(one.id)
                    case Fail(one, _):
                        self.backlog.remove(one)
            if not moved or not decisions:
                return

    def end(self, index: int) -> None:
        number = self.running.pop(index % len(self.running))
        self.ended.add(number)
        self.backlog.unblock(number)

    def startable(self) -> list[int]:
        """Whoever could start at once, most urgent first."""
        used = self.used()
        return [one.id for one in sorted(self.backlog.jobs(), key=lambda j: (j.priority, j.id))
                if all(used[b.name] < b.limit for b in self.verdicts[one.id].buckets)
                and all(dep in self.ended for dep, _ in one.ops[0].op.depends or ())]


BUCKETS = (Bucket("a", 1), Bucket("b", 2), Bucket("c", 3))


@settings(max_examples=150)
@given(data=st.data(), limit=st.integers(1, 5))
def test_nobody_waits_who_could_run_and_no_limit_is_exceeded(data, limit):
    count = data.draw(st.integers(1, 12))
    jobs, verdicts = {}, {}
    for number in range(1, count + 1):
        depends = data.draw(st.lists(st.integers(1, number - 1), max_size=2)) if number > 1 else []
        jobs[number] = job(number, data.draw(st.sampled_from([-10, 0, 10])),
                           depends=[[d, ["success"]] for d in depends])
        verdicts[number] = Verdict(buckets=tuple(data.draw(
            st.lists(st.sampled_from(BUCKETS), unique=True, max_size=2))))
    model = Model(jobs, verdicts)
    while len(model.ended) < count:
        model.kick(limit)
        assert len(model.running) <= limit
        assert all(model.used()[b.name] <= b.limit for b in BUCKETS)
        if len(model.running) < limit:
            assert model.startable() == []
        assert model.running
        model.end(data.draw(st.integers(0, 20)))
