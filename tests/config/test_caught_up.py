"""Marks of copies that follow again are forgotten, but neither below a job nor over a newer report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cluster_objects import NODE, disk, instance, new_database, open_store

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError, NodeUnreachable
from ganeti_core.locking import Level, LockManager, LockRequest, Want
from ganeti_core.operations.caught_up import CaughtUp
from ganeti_core.operations.copy_marks import CopyMarks
from ganeti_core.plugin_api.data import DiskStatus
from ganeti_core.plugins import PluginHost
from ganeti_core.query.live import DiskQuestion

A, B = "node1", "node2"
WHOLE = DiskStatus(exists=True, is_open=True)
BEHIND = DiskStatus(exists=True, is_open=True, degraded=True)
NAME = "inst1.example.com"


@dataclass
class Nodes:
    """Answer as `state` says; `asked` is called with each question."""

    state: DiskStatus | GanetiError = WHOLE
    asked: Callable[[], None] = lambda: None
    questions: list[tuple[str, str]] = field(default_factory=list)

    def disk_states(
        self, questions: Sequence[DiskQuestion]
    ) -> dict[tuple[str, str], DiskStatus | GanetiError]:
        self.questions += [question.key for question in questions]
        self.asked()
        return {question.key: self.state for question in questions}


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[CaughtUp]:
    store = open_store(new_database(tmp_path))
    store.commit([Put(replace(NODE, uuid=B, name="node2.example.com", primary_ip="192.0.2.2"))])
    store.commit([Put(disk(1, nodes=(A, B), instance="inst1", stale=(B,))),
                  Put(instance(1, disks=("disk1",), disks_active=True))])
    yield CaughtUp(store, PluginHost(), LockManager(), Nodes(), CopyMarks(store))  # type: ignore[arg-type]
    store.journal.close()


def stale(watch: CaughtUp) -> tuple[str, ...]:
    return watch.store.snapshot.disks["disk1"].stale


def test_a_copy_that_follows_again_has_no_mark(watch: CaughtUp) -> None:
    watch.look()
    assert stale(watch) == ()
    assert not watch.locks.describe()
    questions = watch.live.questions
    assert set(questions) == {(A, "disk1")}
    watch.look()
    assert watch.live.questions == questions, "without a mark nobody is asked"


@pytest.mark.parametrize("state", [BEHIND, NodeUnreachable("it is silent")])
def test_one_that_does_not_keeps_it_and_no_lock_is_taken(
    watch: CaughtUp, state: DiskStatus | GanetiError
) -> None:
    watch.live.state = state
    watch.locks.request = None  # type: ignore[method-assign,assignment]
    watch.look()
    assert stale(watch) == (B,)


def test_what_a_job_has_marked_stays_until_it_has_ended(watch: CaughtUp) -> None:
    """Copies may still be alike when it is written down that one is not going to follow."""
    job = watch.locks.request("1", LockRequest.of(Want(Level.INSTANCE, NAME)), lambda _: None)
    watch.look()
    assert stale(watch) == (B,)
    assert all(not lock.pending for lock in watch.locks.describe()), "it does not wait either"
    watch.locks.release(job)
    watch.look()
    assert stale(watch) == ()


def test_what_is_reported_while_the_node_is_asked_stays(watch: CaughtUp) -> None:
    watch.live.asked = lambda: watch.marks.report("disk1", B, A)
    watch.look()
    assert stale(watch) == (B,)
