"""Transactions: valid or refused, whole or not at all, and what a restart finds."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace

import pytest
from cluster_objects import CLUSTER, GROUP, NODE, disk, instance, new_database, open_store

from ganeti_core.config.database import Write
from ganeti_core.config.expected import Expected
from ganeti_core.config.store import Delete, Edit, Put
from ganeti_core.errors import ConfigurationError, OpPrereqError, StaleEpoch, StoreBroken
from ganeti_core.model import Network, Nic, Node


def for_version(serial):
    return Expected("instance", instance(1).uuid, "inst1", serial)


@pytest.fixture
def database(tmp_path):
    return new_database(tmp_path)


@pytest.fixture
def store(database):
    store = open_store(database)
    yield store
    store.journal.close()


def reread(database):
    """The configuration as a fresh start finds it."""
    store = open_store(database)
    store.journal.close()
    return store.snapshot


def same(one, other):
    kinds = ("cluster", "nodegroup", "node", "instance", "disk", "network", "filter")
    return all(dict(one.of_kind(kind)) == dict(other.of_kind(kind)) for kind in kinds) and {
        space: dict(found) for space, found in one.claims.items() if found} == {
        space: dict(found) for space, found in other.claims.items() if found}


def test_a_commit_is_seen_and_survives(store, database):
    before = store.snapshot
    after = store.commit([Put(instance(1))])
    assert store.snapshot is after
    assert after.instance("inst1").serial_no == 1
    assert not before.instances, "an old snapshot changed"
    assert store.commit([Put(replace(after.instance("inst1"), os="x"))]).serial == after.serial + 1
    assert store.snapshot.instance("inst1").serial_no == 2
    store.journal.close()
    assert same(reread(database), store.snapshot)


def test_a_commit_for_another_version_changes_nothing(store):
    made = store.commit([Put(instance(1))]).instance("inst1")
    store.commit([Put(replace(made, os="x"))], (), for_version(1))

    for changes in ([Put(replace(made, os="y"))], [Delete(made)], [Put(disk(9))]):
        with pytest.raises(OpPrereqError, match="serial number 2, and 1 was") as caught:
            store.commit(changes, (), for_version(1))
        assert caught.value.ecode == "wrong_state"
    assert store.snapshot.instance("inst1").os == "x"
    store.commit([Delete(made)], (), for_version(2))
    with pytest.raises(OpPrereqError, match="is gone"):
        store.commit([Put(disk(9))], (), for_version(2))


@pytest.mark.parametrize(("change", "problem"), [
    (Put(instance(2, name="inst1.example.com")), "name 'inst1.example.com'"),
    (Put(instance(2, nics=(Nic(uuid="n", mac="AA:00:00:00:00:01"),))), "mac 'aa:00:00:00:00:01'"),
    (Put(instance(2, network_port=11000)), "port '11000'"),
    (Put(Node(uuid="n2", name="n2", group="group", primary_ip="192.0.2.1")), "address"),
])
def test_what_belongs_to_another_is_refused(store, change, problem):
    store.commit([Put(instance(1, network_port=11000))])
    before = store.snapshot
    with pytest.raises(OpPrereqError, match=problem) as caught:
        store.commit([change])
    assert caught.value.ecode == "resource_not_unique"
    assert store.snapshot is before


@pytest.mark.parametrize(("changes", "problem"), [
    ([Put(instance(1, primary_node="gone"))], "node gone"),
    ([Put(instance(1, disks=("gone",)))], "disk gone"),
    ([Put(replace(NODE, group="gone"))], "nodegroup gone"),
    ([Put(replace(CLUSTER, master_node="gone"))], "node gone"),
    ([Delete(NODE)], "still used by the cluster"),
    ([Delete(GROUP)], "still used by the node node1"),
    ([Delete(instance(7))], "does not exist"),
    ([Delete(disk(5))], "still used by the instance"),
    ([Delete(instance(5))], "still owns the disk disk5"),
    ([Put(instance(1)), Put(instance(1))], "twice"),
    ([Put(instance(1)), Delete(instance(5)), Put(instance(5))], "twice"),
    ([Put(instance(1)), Put(instance(2, name="inst1.example.com"))], "two objects"),
])
def test_what_would_break_references_is_refused(store, database, changes, problem):
    store.commit([Put(disk(5, instance="inst5")), Put(instance(5, disks=("disk5",)))])
    before = store.snapshot
    with pytest.raises(ConfigurationError, match=problem):
        store.commit(changes, [Write("meta", ("mark",), "written")])
    assert store.snapshot is before
    store.journal.close()
    assert same(reread(database), before)
    with closing(sqlite3.connect(database)) as db:
        assert not db.execute("SELECT * FROM meta WHERE key = 'mark'").fetchall()


def test_a_name_is_free_in_the_transaction_that_gives_it_up(store, database):
    store.commit([Put(instance(1))])
    store.commit([Delete(instance(1)), Put(instance(2, name="inst1.example.com"))])
    assert store.snapshot.instance("inst1").uuid == "inst2"
    store.commit([Put(replace(store.snapshot.instance("inst1"), name="other.example.com"))])
    store.commit([Put(instance(3, name="inst1.example.com"))])
    store.journal.close()
    assert same(reread(database), store.snapshot)


def test_addresses_are_unique_per_network_only(store):
    networks = [Network(uuid=f"net{n}", name=f"net{n}", network="10.0.0.0/8") for n in (1, 2)]
    store.commit([Put(network) for network in networks])
    nics = [(Nic(uuid=f"n{n}", mac=f"aa:00:00:00:01:0{n}", ip="10.0.0.1", network=f"net{n}"),)
            for n in (1, 2)]
    store.commit([Put(instance(1, nics=nics[0])), Put(instance(2, nics=nics[1]))])
    with pytest.raises(OpPrereqError, match=r"ip '10\.0\.0\.1'"):
        store.commit([Put(instance(3, nics=(replace(nics[0][0], mac="aa:00:00:00:01:09"),)))])


def test_a_refused_transaction_does_not_hold_back_the_next(store):
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            store.commit([Put(instance(1, primary_node="gone"))])
        cluster = store.snapshot.cluster
        store.commit([Put(replace(cluster, tags=(*cluster.tags, "x")))])
    assert store.snapshot.cluster.tags == ("x", "x", "x")


def test_an_edit_leaves_what_others_have_changed_meanwhile(store):
    read = store.snapshot.cluster
    outcomes = [Future(), Future(), Future()]
    with_port = replace(read, highest_used_port=12000)
    store.commit_soon([Put(with_port)], (), outcomes[0])
    # What it was made of is older than what waits to be written.
    store.commit_soon([Edit(read, {"queue_drained": True})], (), outcomes[1])
    store.commit_soon([Edit(read, {"watcher_pause": 7.0})], (), outcomes[2])
    after = outcomes[2].result(60).cluster
    assert (after.highest_used_port, after.queue_drained, after.watcher_pause) == (12000, True, 7.0)
    assert after.serial_no == read.serial_no + 3
    with pytest.raises(ConfigurationError, match="does not exist"):
        store.commit([Edit(instance(99), {"os": "x"})])


def test_a_fenced_store_accepts_nothing(store):
    store.fence("replaced")
    with pytest.raises(StaleEpoch, match="replaced"):
        store.commit([Put(instance(1))])


def test_a_watcher_that_fails_keeps_nobody_waiting(store):
    def fail(*_):
        raise RuntimeError("a watcher's fault")

    store.watch(fail)
    assert store.commit([Put(instance(1))]).instance("inst1")


# The disk


def fill(store, pages=0):
    """Let the database grow no more; `pages` are left."""
    db = store.journal._db
    count = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {count + pages}")


def make_room(store):
    store.journal._db.execute("PRAGMA max_page_count = 1000000")


def test_a_full_disk_refuses_and_a_freed_one_accepts(store, database):
    store.commit([Put(instance(1))])
    before = store.snapshot
    fill(store)
    with pytest.raises(StoreBroken, match="free some space"):
        store.commit([Put(instance(2, tags=("x" * 100_000,)))])
    assert store.snapshot is before
    make_room(store)
    store.commit([Put(instance(2))])
    assert store.snapshot.instances.keys() == {"inst1", "inst2"}
    store.journal.close()
    assert same(reread(database), store.snapshot)


def test_what_was_built_on_a_failed_commit_fails_with_it(store, database):
    """The second refers to the disk of the first: it must not be written alone."""
    fill(store)
    first, second = Future(), Future()
    store.commit_soon([Put(disk(1, instance="inst1", name="x" * 100_000))], (), first)
    try:
        store.commit_soon([Put(instance(1, disks=("disk1",)))], (), second)
    except ConfigurationError:
        second.set_exception(StoreBroken("it was known to have failed already"))
    for outcome in (first, second):
        with pytest.raises(StoreBroken):
            outcome.result(60)
    make_room(store)
    store.commit([Put(disk(2))])
    store.journal.close()
    assert same(reread(database), store.snapshot)
    assert store.snapshot.disks.keys() == {"disk2"}


def test_many_threads_commit_and_nothing_is_lost(store, database):
    problems = []

    def work(number):
        dice = random.Random(number)
        for turn in range(25):
            mine = instance(number, tags=(str(turn),))
            try:
                store.commit([Put(mine)], [Write("meta", (f"turn{number}",), str(turn))])
                if dice.random() < 0.3:
                    store.commit([Delete(mine)])
                    store.commit([Put(mine)])
                clash = instance(100 + number, name=f"inst{number}.example.com")
                store.commit([Put(clash)])
            except OpPrereqError:
                continue
            problems.append(f"{clash.name} was taken twice")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert {i.tags for i in store.snapshot.instances.values()} == {("24",)}
    store.journal.close()
    assert same(reread(database), store.snapshot)


def test_bursts_of_commits_share_their_syncs(store):
    """A group is whatever waits: a burst takes far fewer serials than it has commits."""
    store.commit([Put(instance(999))])
    before = store.journal.serial
    outcomes = []
    for number in range(200):
        outcome = Future()
        store.commit_soon([Put(instance(number))], (), outcome)
        outcomes.append(outcome)
    for outcome in outcomes:
        outcome.result(60)
    assert store.journal.serial - before < 100
    assert len(store.snapshot.instances) == 201


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cluster_objects import instance, open_store
from ganeti_core.config.database import Write
from ganeti_core.config.store import Put
store = open_store(Path(sys.argv[2]))
for number in range(100_000):
    store.commit([Put(instance(1, tags=(str(number),)))], [Write("meta", ("told",), str(number))])
    print(number, flush=True)
"""


def test_killed_at_any_moment_the_last_told_commit_is_there(database):
    from cluster_objects import __file__ as here

    dice = random.Random(4)
    for _ in range(4):
        with subprocess.Popen(
                [sys.executable, "-c", WRITER, str(here).rsplit("/", 1)[0], str(database)],
                stdout=subprocess.PIPE, text=True) as writer:
            told = -1
            for _ in range(dice.randint(1, 300)):
                told = int(writer.stdout.readline())
            writer.kill()
        store = open_store(database)
        found = int(store.snapshot.instance("inst1").tags[0])
        assert found >= told
        assert store.journal.meta()["told"] == str(found), "half of a commit"
        store.journal.close()
