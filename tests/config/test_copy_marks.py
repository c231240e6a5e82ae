"""Marks of copies that miss something: a report of a node is never undone by what a job knew."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cluster_objects import NODE, disk, new_database, open_store

from ganeti_core.config.store import Put
from ganeti_core.errors import OpPrereqError
from ganeti_core.operations import copy_marks
from ganeti_core.operations.context import OpContext
from ganeti_core.operations.copy_marks import CopyMarks

A, B, C = "node1", "node2", "node3"


@pytest.fixture
def marks(tmp_path):
    store = open_store(new_database(tmp_path))
    store.commit([Put(replace(
        NODE, uuid=uuid, name=f"{uuid}.example.com", primary_ip=f"10.0.0.{at}"))
                  for at, uuid in enumerate((B, C), 2)])
    store.commit([Put(disk(1, nodes=(A, B)))])
    yield CopyMarks(store)
    store.journal.close()


def stale(marks, disk="disk1"):
    return marks.store.snapshot.disks[disk].stale


def commit(marks, *changes):
    """Commit as a job does."""
    OpContext(
        services=SimpleNamespace(store=marks.store, marks=marks, remember_debts=list),
        snapshot=marks.store.snapshot, job_id=1, op_index=0,
        saga=SimpleNamespace(alive=nullcontext, pivot=lambda _owed: ([], []), adopt=list,
                             settle=lambda _perform: [], changed_config=False),
        journaling=SimpleNamespace(rows_of_result=lambda _: [], committed=lambda _: None),
        log_entry=print, take_locks=list).commit(changes)


def test_what_is_reported_while_somebody_looks_stays(marks):
    marks.report("disk1", B, A)
    before = marks.reports()
    marks.forget("disk1", before)
    assert stale(marks) == ()
    marks.report("disk1", B, A)
    marks.forget("disk1", before)
    assert stale(marks) == (B,), "whoever looked before that saw an older state"


def test_of_two_that_report_each_other_the_first_goes_on(marks):
    marks.report("disk1", B, A)
    marks.report("disk1", B, A)
    with pytest.raises(OpPrereqError, match="must not be written on node node2"):
        marks.report("disk1", A, B)
    assert marks.add("disk1", [A], writer=B) == (B,), "nor may an operation write there"
    assert marks.add("disk1", [A]) == (B, A), "unless it was told to"
    marks.drop("disk1", B)
    assert stale(marks) == (A,)


@pytest.mark.parametrize(("copy", "by"), [(B, C), (A, A), (B, "")])
def test_who_has_no_other_copy_reports_nothing(marks, copy, by):
    with pytest.raises(OpPrereqError, match="this report changes nothing"):
        marks.report("disk1", copy, by)
    assert stale(marks) == ()


def test_a_disk_that_is_only_being_made_holds_nobody_up(marks):
    marks.report("disk2", B, A)
    assert marks.add("disk2", [B]) == (B,)
    assert "disk2" not in marks.store.snapshot.disks


NEW = disk(2, nodes=(A, B))


def test_the_commit_of_a_new_disk_brings_what_was_reported_while_it_was_filled(marks):
    marks.report("disk2", B, A)
    with pytest.raises(OpPrereqError, match="must not be written on node node2"):
        marks.report("disk2", A, B)
    marks.add("disk3", [C])  # where its new disk is, that one is no copy
    commit(marks, Put(NEW), Put(disk(3, nodes=(A, B))))
    assert (stale(marks, "disk2"), stale(marks, "disk3")) == ((B,), ())
    marks.forget("disk2", marks.reports())
    commit(marks, Put(replace(marks.store.snapshot.disks["disk2"], size=2)))
    assert stale(marks, "disk2") == (), "it comes once"


def test_copies_of_a_new_disk_that_were_seen_alike_come_without_marks(marks):
    marks.report("disk2", B, A)
    marks.forget("disk2", marks.reports())
    marks.add("disk3", [A, B])
    marks.drop("disk3", A)
    commit(marks, Put(NEW), Put(disk(3, nodes=(A, B))))
    assert (stale(marks, "disk2"), stale(marks, "disk3")) == ((), (B,))


def test_a_report_during_the_commit_of_the_disk_is_not_lost(marks):
    reported = threading.Thread(target=marks.report, args=("disk2", B, A))
    with marks.committing([Put(NEW)]) as changes:
        reported.start()
        reported.join(0.2)
        assert reported.is_alive(), "it waits"
        marks.store.commit(changes)
    reported.join()
    assert stale(marks, "disk2") == (B,)


def test_marks_of_disks_that_never_come_are_bounded(marks, monkeypatch):
    monkeypatch.setattr(copy_marks, "MOST_EARLY", 1)
    marks.report("disk3", B, A)
    marks.report("disk2", B, A)
    commit(marks, Put(NEW), Put(disk(3, nodes=(A, B))))
    assert (stale(marks, "disk2"), stale(marks, "disk3")) == ((B,), ())


def test_a_job_that_writes_the_disk_as_it_knew_it_keeps_a_report(marks):
    known = marks.store.snapshot.disks["disk1"]
    marks.report("disk1", B, A)
    marks.report("disk1", C, A)  # a copy that is only being made
    marks.store.commit([Put(replace(known, size=2))])
    assert stale(marks) == (B, C)
    marks.store.commit([Put(replace(known, nodes=(A, C)))])
    assert stale(marks) == (C,), "the other copy was given up"


def test_of_disks_whose_marks_nobody_changes_nothing_is_kept(marks):
    commit(marks, Put(disk(2, nodes=(A, B))))
    marks.add("disk2", [B])
    marks.forget("disk2", marks.reports())
    assert stale(marks, "disk2") == ()
    assert not marks._held
