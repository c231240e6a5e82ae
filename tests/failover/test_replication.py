"""Commits reach every candidate, or a majority has in writing which ones they did not reach."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import Master, Network, contents, jobs_in, running, start, stop
from virtual_cluster import wait_until

from ganeti_core.config import marks, replicate
from ganeti_core.config.database import Write
from ganeti_core.config.journal import START_GAP
from ganeti_core.config.marks import Mark
from ganeti_core.config.replica import Group, Position, Replica
from ganeti_core.errors import StoreBroken
from ganeti_core.node.services.replica import MarkArgs, note, noted
from ganeti_core.paths import Paths

pytestmark = pytest.mark.usefixtures("short_patience")
master_on = contextmanager(running)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds between machines takes moments within a process."""
    monkeypatch.setattr(replicate, "APPEND_SECONDS", 0.3)
    monkeypatch.setattr(replicate, "RETRY", 0.02)
    monkeypatch.setattr(marks, "MARK_SECONDS", 0.5)
    monkeypatch.setattr(marks, "_PAUSE", 0.05)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path, ["b", "c"])


def all_equal(master: Master) -> bool:
    wanted = contents(master.path)
    return all(contents(master.network.nodes[name].path) == wanted
               for name in master.network.roles)


def test_every_commit_is_on_every_candidate_when_it_is_reported(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        for number in range(1, 30):
            master.commit(number)
            for node in network.nodes.values():
                assert number in jobs_in(node.path)
        assert all_equal(master)


def test_groups_arrive_in_order_from_many_threads(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        def work(first: int) -> None:
            for number in range(first, first + 25):
                master.commit(number)

        threads = [threading.Thread(target=work, args=(n * 1000,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert master.current() == {"b", "c"}
        assert all_equal(master)
        # Never a position that did not fit: each was told once who is stale, at the start.
        assert [word for word in network.nodes["b"].asked if word == "copy"] == ["copy"]


def test_a_dead_candidate_is_noted_by_a_majority_before_the_commit_is_reported(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        master.commit(1)
        assert network.may_win("b")
        network.nodes["b"].state = "dead"
        master.commit(2)
        assert not network.may_win("b")
        assert network.may_win("c")
        network.nodes["b"].state = "up"
        wait_until(lambda: master.current() == {"b", "c"}, "b has caught up")
        assert all_equal(master)
        wait_until(lambda: network.may_win("b"), "b may win again")
        # By what it missed, not by a whole copy.
        assert network.nodes["b"].asked.count("copy") == 1


def test_a_candidate_that_hangs_costs_the_patience_once(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        master.commit(1)
        network.nodes["b"].state = "hung"
        began = time.monotonic()
        master.commit(2)
        assert 0.25 < time.monotonic() - began < 30
        began = time.monotonic()
        for number in range(3, 20):
            master.commit(number)
        assert time.monotonic() - began < 17 * 0.25 - 0.5
        network.nodes["b"].state = "up"
        network.nodes["b"].released.set()
        wait_until(lambda: master.current() == {"b", "c"}, "b has caught up")
        assert all_equal(master)


def test_many_dead_candidates_do_not_hold_up_the_living(tmp_path: Path) -> None:
    network = Network(tmp_path, [f"n{i}" for i in range(40)])
    for number in range(20, 40):
        network.nodes[f"n{number}"].state = "hung"
    with master_on(tmp_path, network) as master:
        for number in range(1, 10):
            master.commit(number)
        assert {f"n{i}" for i in range(20)} <= master.current()


def test_without_a_majority_nothing_is_reported(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        for node in network.nodes.values():
            node.state = "dead"
        with pytest.raises(StoreBroken, match="no majority"):
            master.commit(1)
        with pytest.raises(StoreBroken, match="no majority"):
            master.commit(2)


def test_alone_it_goes_on_because_the_administrator_said_so(
    tmp_path: Path, network: Network,
) -> None:
    for node in network.nodes.values():
        node.state = "dead"
    with master_on(tmp_path, network, alone=True) as master:
        master.commit(1)
        network.nodes["b"].state = "up"
        wait_until(lambda: master.current() == {"b"}, "b has caught up")
        master.commit(2)
        assert jobs_in(network.nodes["b"].path) == {1, 2}


def test_in_a_cluster_of_two_the_master_notes_by_itself(tmp_path: Path) -> None:
    network = Network(tmp_path, ["b"])
    with master_on(tmp_path, network) as master:
        network.nodes["b"].state = "dead"
        master.commit(1)
        assert network.here.stale == {"b"}
        assert not network.may_win("b")


def test_a_candidate_whose_answer_is_lost_has_the_group_once(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        network.nodes["b"].state = "deaf"
        master.commit(1)
        assert master.current() == {"c"}
        network.nodes["b"].state = "up"
        wait_until(lambda: master.current() == {"b", "c"}, "b has caught up")
        assert all_equal(master)


def test_a_candidate_that_was_away_too_long_gets_a_whole_copy(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        network.nodes["b"].state = "dead"
        for number in range(1, 20):
            # More than memory keeps for those who come back.
            master.commit(number, "x" * 1_000_000)
        network.nodes["b"].state = "up"
        wait_until(lambda: master.current() == {"b", "c"}, "b has caught up")
        assert network.nodes["b"].asked.count("copy") > 1
        assert all_equal(master)


def test_a_group_that_fits_no_message_comes_as_a_whole_copy(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        master.commit(1, "x" * 9_000_000)
        assert not network.may_win("b")
        wait_until(lambda: master.current() == {"b", "c"}, "both have a copy")
        assert all_equal(master)


def test_a_candidate_joins_while_commits_never_pause(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        network.nodes["b"].state = "dead"
        over = threading.Event()
        numbers = iter(range(1, 1_000_000))
        mutex = threading.Lock()

        def work() -> None:
            while not over.is_set():
                with mutex:
                    number = next(numbers)
                master.commit(number)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.2)
            network.nodes["b"].state = "up"
            wait_until(lambda: "b" in master.current(), "b joins under load", 60.0)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert all_equal(master)


def test_a_replaced_master_is_fenced_and_reports_nothing(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        master.commit(1)
        network.nodes["c"].epoch = 2
        with pytest.raises(StoreBroken, match="replaced"):
            master.commit(2)
        assert master.fences
        with pytest.raises(StoreBroken, match="replaced"):
            master.commit(3)


def test_a_replaced_master_without_candidates_notices_when_it_looks(tmp_path: Path) -> None:
    network = Network(tmp_path, ["b"])
    network.nodes["b"].state = "dead"
    with master_on(tmp_path, network) as master:
        master.commit(1)
        network.nodes["b"].epoch = 2
        network.nodes["b"].state = "up"
        wait_until(lambda: master.fences, "the master learns that it was replaced")


@pytest.mark.parametrize("here_is_full", [False, True])
def test_a_commit_that_the_full_disk_refused_counts_nowhere(
    tmp_path: Path, network: Network, here_is_full: bool,
) -> None:
    """The mark of who is stale may find no room on that disk, either: the others have it."""
    with master_on(tmp_path, network) as master:
        master.commit(1)
        network.here_is_full = here_is_full
        db = master.journal._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreBroken, match="free some space"):
            master.commit(2, "x" * 100_000)
        # Whoever has it is not what a failover would take.
        for name in ("b", "c"):
            assert 2 not in jobs_in(network.nodes[name].path) or not network.may_win(name)
        db.execute("PRAGMA max_page_count = 1000000")
        master.commit(3)
        wait_until(lambda: master.current() == {"b", "c"}, "both follow again")
        assert jobs_in(master.path) == {1, 3}
        assert all_equal(master)


def test_a_group_that_died_with_its_master_is_never_taken_for_another(
    tmp_path: Path, network: Network,
) -> None:
    """It reached a copy only; the next run must not use its number."""
    with master_on(tmp_path, network) as master:
        master.commit(1)
        before = master.journal.serial
        phantom = Group(Position(1, before + 1), before, (
            Write("job", (666,), '"phantom"'),
            Write("meta", ("journal_serial",), str(before + 1))))
        assert network.nodes["b"].replica.append(phantom)
        network.nodes["b"].state = "dead"
        stop(master)
        for _ in range(3):  # also runs that commit nothing
            stop(start(tmp_path, network))
        with master_on(tmp_path, network) as again:
            again.commit(2)
            assert again.journal.serial > before + START_GAP
            network.nodes["b"].state = "up"
            wait_until(lambda: again.current() == {"b", "c"}, "b has caught up")
            assert jobs_in(network.nodes["b"].path) == {1, 2}
            assert all_equal(again)


def test_a_late_mark_does_not_undo_a_newer_one(tmp_path: Path, network: Network) -> None:
    node = network.nodes["c"]
    assert node.note(Mark(5, frozenset({"b"})))
    assert not node.note(Mark(4, frozenset()))
    assert node.mark.stale == {"b"}


def test_of_marks_noted_at_once_the_newest_stays(tmp_path: Path) -> None:
    """Two candidates that join at the same moment are told of in two threads."""
    paths = Paths(tmp_path)
    paths.data.mkdir(parents=True)
    for first in range(0, 40, 8):
        together = threading.Barrier(8)

        def tell(number: int, together: threading.Barrier = together) -> None:
            together.wait()
            note(paths, MarkArgs(1, number, [f"node{number}"]))

        threads = [threading.Thread(target=tell, args=(first + n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert noted(paths) == MarkArgs(1, first + 7, [f"node{first + 7}"])


def test_stopping_does_not_wait_for_a_majority(tmp_path: Path, network: Network,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganeti_core.config.marks.MARK_SECONDS", 60.0)
    master = start(tmp_path, network)
    master.replicator.synchronise(10.0)
    for node in network.nodes.values():
        node.state = "dead"
    failures: list[BaseException | None] = []
    master.journal.submit([Write("job", (1,), '"x"')], failures.append)
    began = time.monotonic()
    stop(master)
    assert time.monotonic() - began < 40
    assert isinstance(failures[0], StoreBroken)


def test_a_callback_that_fails_does_not_end_the_writer(tmp_path: Path, network: Network) -> None:
    with master_on(tmp_path, network) as master:
        def broken(_error: BaseException | None) -> None:
            raise RuntimeError("the event loop is closed")

        master.journal.submit([Write("job", (1,), '"x"')], broken)
        master.commit(2)
        assert jobs_in(master.path) == {1, 2}


@pytest.mark.parametrize("seed", range(6))
def test_no_reported_commit_can_be_lost_by_a_failover(tmp_path: Path, seed: int) -> None:
    """Nodes die, hang, answer into the void and come back, whenever; after every report, whoever
    lacks that commit cannot win a vote."""
    network = Network(tmp_path, ["b", "c", "d"], ["e"])
    chance = random.Random(seed)
    over = threading.Event()

    def torment() -> None:
        while not over.is_set():
            # At most two of the four: the master keeps its majority.
            for node in network.nodes.values():
                if node.state == "hung":
                    node.released.set()
                node.state = "up"
                node.released = threading.Event()
            for name in chance.sample(sorted(network.nodes), chance.randint(0, 2)):
                network.nodes[name].state = chance.choice(["dead", "deaf", "hung"])
            time.sleep(chance.uniform(0.0, 0.05))
        for node in network.nodes.values():
            node.state = "up"
            node.released.set()

    with master_on(tmp_path, network) as master:
        thread = threading.Thread(target=torment)
        thread.start()
        try:
            for number in range(1, 60):
                master.commit(number)
                for name in network.roles:
                    # First who may win, then what it has: both only grow meanwhile.
                    if network.may_win(name):
                        assert number in jobs_in_busy(network.nodes[name].path), name
        finally:
            over.set()
            thread.join()
        wait_until(lambda: master.current() == {"b", "c", "d"}, "all have caught up")
        master.commit(1000)
        assert all_equal(master)


def jobs_in_busy(path: Path) -> set[int]:
    """As `jobs_in`, for a copy that may be replaced this very moment."""
    for _ in range(50):
        try:
            return jobs_in(path)
        except (StoreBroken, sqlite3.Error):
            time.sleep(0.01)
    raise AssertionError(f"{path} cannot be read")


def test_a_copy_notices_that_its_file_was_replaced(tmp_path: Path) -> None:
    from ganeti_core.config.journal import Journal

    path = tmp_path / "cluster.db"
    first = Journal(path)
    first.write([Write("meta", ("epoch",), "1")])
    first.close()
    copy = Replica(path)
    assert copy.position().epoch == 1
    path.unlink()
    other = Journal(path)
    other.write([Write("meta", ("epoch",), "7")])
    other.close()
    assert copy.position().epoch == 7
    copy.close()


def test_a_replica_that_is_damaged_says_that_it_has_nothing(
    tmp_path: Path, network: Network,
) -> None:
    with master_on(tmp_path, network) as master:
        master.commit(1)
        node = network.nodes["b"]
        node.state = "dead"
        master.commit(2)
        node.replica.close()
        for left in (0, 100):
            node.path.write_bytes(node.path.read_bytes()[:left])
            assert node.replica.position() == Position(0, 0)
        node.state = "up"
        wait_until(lambda: master.current() == {"b", "c"}, "b has a whole copy")
        assert all_equal(master)


