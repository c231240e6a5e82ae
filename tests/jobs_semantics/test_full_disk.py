"""The disk is full: nothing that was accepted is lost, and all goes on when there is room again."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from one_master import NO_OP, delay

from ganeti_core.config.database import Write
from ganeti_core.errors import GanetiError, StoreBroken
from ganeti_core.operations.saga import Saga


@contextmanager
def full_disk(master):
    """Let the database grow no more within the body."""
    journal = master.daemon.journal
    db = journal._db

    def stuff():
        """Use up what is left of the last pages."""
        size, number = 4096, 0
        while size > 8:
            number += 1
            try:
                journal.write([Write("meta", (f"ballast{number}",), "x" * size)])
            except StoreBroken:
                size //= 2

    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    stuff()
    try:
        yield
    finally:
        db.execute("PRAGMA max_page_count = 1000000")


def big(**more):
    return delay(1e-6, reason=[["test", "x" * 20_000, 1]], **more)


def test_what_is_submitted_meanwhile_is_refused_and_what_was_accepted_runs(master):
    accepted = [master.submit(NO_OP) for _ in range(5)]
    with full_disk(master):
        with pytest.raises(GanetiError, match="free some space"):
            master.submit(big())
        assert master.client.query_cluster_info()["name"] == "cluster.example.com"
    accepted += [master.submit(NO_OP) for _ in range(5)]
    for job in accepted:
        assert master.wait(job) == "success"
    assert len(set(accepted)) == 10


def test_a_job_that_ends_meanwhile_ends_when_there_is_room(master):
    job = master.submit(delay(0.3), {"OP_ID": "OP_TEST_DUMMY", "result": "x" * 50_000})
    master.wait(job, "running")
    with full_disk(master):
        refused = threading.Event()
        watched = master.daemon.journal.on_failure

        def failed():
            watched()
            refused.set()

        master.daemon.journal.on_failure = failed
        assert refused.wait(60)
        master.daemon.journal.on_failure = watched
    assert master.wait(job) == "success"
    master.restart()
    assert master.status(job) == "success"


def test_a_job_waits_for_room_to_begin(master):
    """It was accepted: that its beginning cannot be written is no reason to fail it."""
    first = master.submit(delay(0.3))
    second = master.submit(NO_OP | {"depends": [[first, []]]})
    with full_disk(master):
        master.until(lambda: master.daemon.journal.broken is None, "the journal is sound")
    for job in (first, second):
        assert master.wait(job) == "success"


def test_what_acts_when_there_is_room_again_is_known_to_have_begun(master):
    """Its row was lost; a master that dies now would have it done a second time by the next."""
    journal = master.daemon.journal
    running = Write("local", ("an opcode runs",), "x" * 50_000)
    with full_disk(master):
        with pytest.raises(StoreBroken):
            journal.write([running])
        saga = Saga(journal, 1, 0, running=running)
        with pytest.raises(StoreBroken):
            saga.begin()
    saga.begin()
    assert journal.read("local", running.key) == running.doc
