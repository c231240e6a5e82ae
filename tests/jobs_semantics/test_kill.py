"""``cancel --kill``: the job ends at once, its undo runs, and its thread can do no more harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from one_master import NO_OP, OneMaster

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError
from ganeti_core.opcodes.registry import parse
from ganeti_core.opcodes.test import TestJqueue as JqueueOpcode
from ganeti_core.operations import registry
from ganeti_core.operations.base import Operation
from ganeti_core.operations.expand import submitted
from ganeti_core.rpc.calls import Call, service_call

STUCK = {"OP_ID": JqueueOpcode.op_id, "reason": []}


@dataclass(frozen=True)
class Stuck(Operation[JqueueOpcode, None]):
    """Records an undo, perhaps commits, then hangs where nobody looks at cancellation."""

    opcode = JqueueOpcode
    commits: bool = False
    hangs: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    refused: list[str] = field(default_factory=list)

    def plan(self, op: JqueueOpcode, ctx: Any) -> None:
        return

    def run(self, op: JqueueOpcode, ctx: Any, plan: None) -> str:
        node = ctx.snapshot.master
        ctx.services.reservations.reserve("mac", "aa:00:00:00:00:01", ctx.owner)
        ctx.saga.record(node.uuid, _undo(), "forget what was made")
        if self.commits:
            ctx.commit([Put(replace(ctx.current.cluster, tags=("made",)))], "made")
        self.hangs.set()
        self.released.wait(30)
        ctx.services.reservations.reserve("mac", "aa:00:00:00:00:02", ctx.owner)
        for act in (lambda: ctx.saga.record(node.uuid, _undo(), "x"),
                    lambda: ctx.commit([Put(replace(ctx.current.cluster, tags=("late",)))]),
                    lambda: ctx.act(node, _undo(), _undo(), "x"),
                    lambda: ctx.submit_jobs(op, [[op]]),
                    ctx.settle):
            try:
                act()
            except GanetiError as exc:
                self.refused.append(str(exc))
        return "late"


def _undo() -> Call:
    return service_call("node.ping")


@pytest.fixture(params=[False, True], ids=["before its pivot", "after its pivot"])
def stuck(request, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    operation = Stuck(commits=request.param)
    monkeypatch.setitem(registry._OPERATIONS, JqueueOpcode.op_id, operation)
    yield operation
    operation.released.set()


def kill(master: OneMaster, job: int) -> list:
    return master.client.call("CancelJob", job, True)


def test_a_hanging_operation_ends_at_once_and_cannot_go_on(master, stuck):
    job = master.submit(STUCK, NO_OP)
    assert stuck.hangs.wait(60)
    assert kill(master, job) == [True, f"Job {job} was killed; what it had begun is undone"]
    wanted = ["success", "canceled"] if stuck.commits else ["canceled", "canceled"]
    assert master.wait(job) == "canceled"
    assert master.field(job, "opstatus") == wanted
    assert master.field(job, "opresult")[0] == (
        "made" if stuck.commits else "Job canceled by request")
    assert master.client.query("lock", ["name", "owner"], None)["data"] == []
    # The node is silent, so the undo is owed, and it is named; after the pivot there is none.
    notes = [debt["note"] for debt in master.client.call("Debts") if debt["job"] == job]
    assert notes == ([] if stuck.commits else ["forget what was made"])

    stuck.released.set()
    master.until(lambda: len(stuck.refused) == 5, "the thread that was left behind ends")
    assert set(stuck.refused) <= {"the job was killed", "Job canceled by request"}
    reservations = master.daemon.engine._services.reservations
    master.until(lambda: not reservations.held(), "its reservations are given back")
    assert master.daemon.store.snapshot.cluster.tags == (("made",) if stuck.commits else ())
    assert [debt["note"] for debt in master.client.call("Debts") if debt["job"] == job] == notes
    assert "late" not in str(master.field(job, "opresult"))
    master.configure(tags=())


@dataclass(frozen=True)
class Expands(Operation[JqueueOpcode, None]):
    """Becomes another job, then hangs before it has said so."""

    opcode = JqueueOpcode
    hangs: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def plan(self, op: JqueueOpcode, ctx: Any) -> None:
        return

    def run(self, op: JqueueOpcode, ctx: Any, plan: None) -> Any:
        result = submitted(ctx, op, [[parse(NO_OP)]], [("inst9", "no room")])
        self.hangs.set()
        self.released.wait(60)
        return result


def test_an_operation_whose_jobs_were_submitted_has_succeeded(master, monkeypatch):
    operation = Expands()
    monkeypatch.setitem(registry._OPERATIONS, JqueueOpcode.op_id, operation)
    try:
        job = master.submit(STUCK)
        assert operation.hangs.wait(60)
        kill(master, job)
        assert master.wait(job) == "success"
    finally:
        operation.released.set()
    (((_, child), failed),) = [result["jobs"] for result in master.field(job, "opresult")]
    assert failed == [False, "Instance inst9 cannot be moved: no room"]
    assert child == job + 1
    assert master.wait(child) == "success"


def test_killing_what_has_not_begun_or_has_ended_is_canceling_it(master):
    master.configure(max_running_jobs=1)
    first, second = master.submit({**NO_OP, "duration": 60}), master.submit(NO_OP)
    assert kill(master, second) == [True, f"Dequeued job {second}"]
    master.wait(first, "running")
    assert kill(master, first)[0]
    assert master.wait(first) == "canceled"
    assert kill(master, first) == [False, f"Job {first} not found in queue"]
