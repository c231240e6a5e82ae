"""What is owed to nodes: a silent node is paid before it takes work, a refusal holds up one object.

The nodes are functions that obey orders; the store is a real one.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.config.journal import Journal
from ganeti_core.config.store import Put, Store
from ganeti_core.errors import (
    AccessDenied,
    GanetiError,
    HypervisorError,
    NodeUnreachable,
    OpPrereqError,
    OutcomeUnknown,
)
from ganeti_core.jobs.debts import Debts, debt_document
from ganeti_core.model import Node
from ganeti_core.operations.debt import FIRST_PAUSE, LONGEST_PAUSE, Debt, objects_of
from ganeti_core.operations.saga import Entry, Saga, tags_of
from ganeti_core.rpc.calls import Call

sys.path.insert(0, str(Path(__file__).parents[1] / "config"))
from cluster_objects import NODE, instance, new_database, open_store

OTHER = replace(NODE, uuid="node2", name="node2.example.com", primary_ip="192.0.2.2")
REFUSED = HypervisorError("it will not stop")
SILENT = NodeUnreachable("no route")


def entry(seq: int, subject: str, *, job: int = 7, node: str = "node1", note: str = "",
          **arguments: Any) -> Entry:
    args = {"kind": "hypervisors", "driver": "fake", "hook": "stop", "arguments": arguments}
    return Entry(job, 0, seq, "forward", node, Call("hook", args, subject, True),
                 note or f"step {seq} of {subject}", Debt("silent", "it was away"))


class Nodes:
    """What the nodes do: note a call, or raise what was ordered for its object or node."""

    def __init__(self) -> None:
        self.orders: dict[str, GanetiError] = {}
        self.made: list[tuple[str, str]] = []
        self.tried: list[tuple[str, str]] = []
        self.gate: threading.Event | None = None
        self.entered = threading.Event()

    def __call__(self, node: Node, call: Call) -> None:
        self.tried.append((node.uuid, call.subject))
        if self.gate is not None and call.subject == "slow":
            self.entered.set()
            assert self.gate.wait(60)
        for key in (node.uuid, call.subject):
            if key in self.orders:
                raise self.orders[key]
        self.made.append((node.uuid, call.subject))


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    made = open_store(new_database(tmp_path))
    made.commit([Put(OTHER)])
    yield made
    made.journal.close()


def owed(store: Store, nodes: Nodes, *entries: Entry) -> Debts:
    debts = Debts(store, nodes)
    store.journal.write([one.to_write() for one in entries])
    debts.remember(entries)
    return debts


def left(debts: Debts) -> list[str]:
    return [one.id for one in debts.all()]


def in_database(store: Store) -> list[str]:
    store.journal.write([])
    return [Entry.from_row(row).id for row in store.journal.rows("saga")]


def test_a_node_that_answers_is_paid_in_order(store, nodes) -> None:
    debts = owed(store, nodes, entry(2, "a"), entry(0, "a"), entry(1, "b", job=6))
    assert debts.clear("node1", frozenset()) == []
    assert nodes.made == [("node1", "b"), ("node1", "a"), ("node1", "a")]
    assert left(debts) == in_database(store) == []


def test_nothing_is_kept_of_what_was_paid(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "a"), entry(1, "b"), entry(2, "c", job=6))
    nodes.orders["b"] = REFUSED
    debts.clear("node1", frozenset({"b"}))
    debts.forget(["7-0-1"])
    assert (left(debts), debts._paying) == ([], {})


@pytest.mark.parametrize("error", [SILENT, OutcomeUnknown("?"), AccessDenied("not you")])
def test_a_silent_node_takes_no_work_on_anything(store, nodes, error) -> None:
    debts = owed(store, nodes, entry(0, "a"), entry(1, "b"), entry(2, "c", node="node2"))
    nodes.orders["node1"] = error
    assert [one.id for one in debts.clear("node1", frozenset(["new"]))] == ["7-0-0", "7-0-1"]
    assert nodes.tried == [("node1", "a")], "one try is enough to know that it is silent"
    assert debts.clear("node2", frozenset()) == []
    del nodes.orders["node1"]
    assert debts.clear("node1", frozenset(["new"])) == []


def test_a_node_that_is_offline_is_not_called(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "a"))
    store.commit([Put(replace(store.snapshot.nodes["node1"], offline=True))])
    debts.pay_due()
    assert (nodes.tried, left(debts)) == ([], ["7-0-0"])


def test_a_refusal_holds_up_its_object_only(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "stuck"), entry(1, "stuck"), entry(2, "fine"))
    nodes.orders["stuck"] = REFUSED
    assert debts.clear("node1", frozenset(["new"])) == []
    assert nodes.made == [("node1", "fine")]
    assert nodes.tried.count(("node1", "stuck")) == 1, "its second step was made below it"
    assert left(debts) == in_database(store) == ["7-0-0", "7-0-1"]
    assert [one.why for one in debts.clear("node1", frozenset(["stuck"]))] == [str(REFUSED)]
    del nodes.orders["stuck"]
    assert debts.clear("node1", frozenset(["stuck"])) == []
    assert left(debts) == in_database(store) == []


@pytest.mark.parametrize("arguments", [
    {"name": "web1"}, {"instance": {"name": "web1", "uuid": "old"}},
    {"disk": {"instance": "web1", "name": "root"}}])
def test_what_an_instance_left_is_in_the_way_of_the_next_one_of_its_name(
    store, nodes, arguments,
) -> None:
    debts = owed(store, nodes, entry(0, "old", **arguments))
    nodes.orders["old"] = REFUSED
    assert [one.id for one in debts.clear("node1", frozenset(["new", "web1"]))] == ["7-0-0"]
    assert debts.clear("node1", frozenset(["new", "web2", "root"])) == []


def test_a_disk_that_could_not_be_closed_is_opened_for_nobody_else(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "giver", disk={"uuid": "data", "instance": "web1"}))
    nodes.orders["giver"] = REFUSED
    shown = debt_document(debts.all()[0], store.snapshot)
    assert (shown["object"], shown["subject"]) == ("web1", "giver")
    opens = objects_of("taker", {"disk": {"uuid": "data", "instance": "web2"}})
    assert [one.id for one in debts.clear("node1", opens)] == ["7-0-0"]
    assert debts.clear("node1", objects_of("taker", {"disk": {"uuid": "other"}})) == []


@pytest.mark.parametrize("call", [
    {"hook": "start"}, {"hook": "plug_disk"}, {"hook": "modify_nic"}])
def test_what_a_guest_should_get_back_is_not_owed_if_it_is_refused(
    store, nodes, caplog, call,
) -> None:
    store.commit([Put(replace(instance(1), admin_state="up"))])
    subject = instance(1).uuid
    start = entry(1, subject)
    meant = replace(start.call, args=start.call.args | call)
    start = replace(start, call=meant, tags=tags_of(meant))
    debts = owed(store, nodes, start, entry(2, subject))
    nodes.orders["node1"] = SILENT
    assert len(debts.clear("node1", frozenset())) == 1
    assert left(debts) == ["7-0-1", "7-0-2"], "nothing is known of it while the node is silent"
    del nodes.orders["node1"]
    nodes.orders[subject] = REFUSED
    assert [one.id for one in debts.clear("node1", frozenset([subject]))] == ["7-0-2"]
    assert left(debts) == in_database(store) == ["7-0-2"]
    assert "which is given up: it will not stop" in caplog.text


def test_a_refused_call_is_repeated_at_growing_intervals(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "stuck"))
    nodes.orders["stuck"] = REFUSED
    debts.pay_due()
    debts.pay_due()
    (one,) = debts.all()
    assert (len(nodes.tried), one.debt.kind, one.debt.attempts) == (1, "refused", 1)
    pauses = []
    for _ in range(11):
        (one,) = debts.retry(["7-0-0"])
        pauses.append(round(one.debt.next_try - time.time()))
    wanted = [min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** number) for number in range(1, 12)]
    assert pauses == pytest.approx(wanted, abs=5)
    debts.remember([replace(one, debt=replace(one.debt, next_try=one.debt.next_try - 3601))])
    tried = len(nodes.tried)
    debts.pay_due()
    assert len(nodes.tried) == tried + 1, "its time had come"


def test_a_clock_that_was_set_back_puts_nothing_off_for_ever() -> None:
    assert Debt("refused", "", 1, sys.maxsize).is_due


def test_what_was_refused_stays_so_while_its_node_is_silent(store, nodes) -> None:
    debts = owed(store, nodes, entry(0, "stuck"))
    nodes.orders["stuck"] = REFUSED
    debts.pay_due()
    nodes.orders["node1"] = SILENT
    debts.retry(["7-0-0"])
    assert debts.clear("node1", frozenset(["new"])) == []
    assert [one.debt.kind for one in debts.all()] == ["refused"]


def test_other_objects_do_not_wait_for_a_call_that_hangs(store, nodes) -> None:
    refused = Debt("refused", "no", 1, 0.0)
    debts = owed(store, nodes, replace(entry(0, "slow"), debt=refused), entry(1, "stuck"))
    nodes.gate = threading.Event()
    hanging = threading.Thread(target=debts.pay_due)
    hanging.start()
    try:
        assert nodes.entered.wait(60)
        assert debts.clear("node1", frozenset(["new"])) == []
        assert nodes.made == [("node1", "stuck")]
    finally:
        nodes.gate.set()
        hanging.join(10)
    assert left(debts) == []


def test_it_survives_the_master(tmp_path, nodes) -> None:
    database = new_database(tmp_path)
    store = open_store(database)
    debts = owed(store, nodes, entry(0, "stuck", instance={"uuid": "stuck", "name": "web1"}))
    nodes.orders["stuck"] = REFUSED
    debts.pay_due()
    before = debts.all()
    store.journal.close()
    journal = Journal(database)
    assert [Entry.from_row(row) for row in journal.rows("saga")] == before
    journal.close()
    assert before[0].debt.next_try > 0


def test_rows_of_older_databases_are_read(tmp_path) -> None:
    database = new_database(tmp_path)
    document = {"direction": "undo", "node": "node1", "note": "stop a", "debt": "no route",
                "call": Call("hook", {}, "a", True).to_dict()}
    with closing(sqlite3.connect(database)) as db, db:
        for seq, debt in enumerate(["no route", "", None]):
            db.execute("INSERT INTO saga VALUES (7, 0, ?, ?)",
                       (seq, json.dumps(document | {"debt": debt})))
    journal = Journal(database)
    found = [Entry.from_row(row).debt for row in journal.rows("saga")]
    journal.close()
    assert found == [Debt("silent", "no route"), None, None]


def test_giving_up_is_for_good(store, nodes, caplog) -> None:
    debts = owed(store, nodes, entry(0, "a", note="stop web1"), entry(1, "a"))
    nodes.orders["a"] = REFUSED
    debts.pay_due()
    with pytest.raises(OpPrereqError, match="no debt 9-9-9"):
        debts.forget(["7-0-0", "9-9-9"])
    assert len(left(debts)) == 2
    assert [one.id for one in debts.forget(["7-0-0"])] == ["7-0-0"]
    assert "7-0-0 of job 7 to node1.example.com is given up by request: stop web1" in caplog.text
    assert left(debts) == in_database(store) == ["7-0-1"]
    del nodes.orders["a"]
    assert debts.retry(["7-0-1"]) == []
    assert nodes.made == [("node1", "a")]


def test_a_document_names_what_it_is_about(store) -> None:
    document = debt_document(entry(3, "uuid1", name="web1"), store.snapshot)
    assert document["id"] == "7-0-3"
    assert (document["object"], document["node_name"]) == ("web1", "node1.example.com")
    assert debt_document(entry(3, "uuid1"), store.snapshot)["object"] == "uuid1"


def test_a_job_leaves_behind_only_what_depends_on_its_failure(store, nodes) -> None:
    """Entries of one object wait for each other; those of other objects are made."""
    saga = Saga(store.journal, 8, 0)
    for subject in ("fine", "stuck", "fine", "stuck"):
        saga.record("node1", Call("hook", {}, subject, True), f"undo {subject}")
    made: list[str] = []

    def perform(one: Entry) -> Debt | None:
        if one.call.subject == "stuck":
            return Debt.of(REFUSED)
        made.append(one.id)
        return None

    debts = saga.settle(perform)
    assert made == ["8-0-2", "8-0-0"]
    assert [one.id for one in debts] == ["8-0-3", "8-0-1"]
    assert in_database(store) == ["8-0-1", "8-0-3"]


def test_a_job_leaves_everything_of_a_silent_node(store) -> None:
    saga = Saga(store.journal, 8, 0)
    for node, subject in (("node1", "a"), ("node1", "b"), ("node2", "a")):
        saga.record(node, Call("hook", {}, subject, True), "undo")
    tried: list[str] = []

    def perform(one: Entry) -> Debt | None:
        tried.append(one.id)
        return Debt.of(SILENT) if one.node == "node1" else None

    assert [one.id for one in saga.settle(perform)] == ["8-0-1", "8-0-0"]
    assert tried == ["8-0-2", "8-0-1"]
