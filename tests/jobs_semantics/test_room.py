"""Room that creations compete for: the first has it, the others choose again, then give up."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from one_master import delay

from ganeti_core.config.reservations import Reservations, Room
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, ECODE_TEMP_NORES, OpPrereqError
from ganeti_core.operations.instance import place


@pytest.fixture
def reservations() -> Reservations:
    return Reservations(Snapshot)


def full() -> None:
    raise OpPrereqError("no room", ECODE_NORES)


def attempts(reservations: Reservations, attempt, *, opportunistic: bool = False):
    ctx = SimpleNamespace(services=SimpleNamespace(reservations=reservations), owner="mine",
                          info=lambda _text: None, check_cancelled=lambda: None)
    op = SimpleNamespace(opportunistic_locking=opportunistic)
    return place.until_there_is_room(op, ctx, attempt)


def test_of_two_who_choose_the_same_room_the_first_has_it(reservations):
    reservations.hold_room({"node": Room(512, 10)}, "first")
    reservations.hold_room({"node": Room(512, 10)}, "second")
    assert reservations.held_on("node", "first") == Room(0, 0)
    assert reservations.held_on("node", "second") == Room(512, 10)
    assert reservations.held_on("node", "anybody") == Room(1024, 20)


def test_who_chooses_again_comes_last(reservations):
    reservations.hold_room({"a": Room(1)}, "first")
    reservations.hold_room({"b": Room(1)}, "second")
    reservations.hold_room({"b": Room(2)}, "first")
    assert reservations.held_on("b", "second") == Room(0)
    assert reservations.held_on("b", "first") == Room(1)
    assert reservations.held_on("a", "anybody") == Room(0)


def test_without_competitors_there_is_one_more_look_and_then_no_room(reservations):
    calls = []
    with pytest.raises(OpPrereqError) as refused:
        attempts(reservations, lambda: calls.append(1) or full())
    assert (refused.value.ecode, len(calls)) == (ECODE_NORES, 2)


def test_room_that_a_competitor_gives_back_is_used(reservations):
    reservations.hold_room({"node": Room(512)}, "other")
    looked = threading.Event()

    def attempt() -> str:
        if reservations.others_hold_room("mine"):
            looked.set()
            full()
        return "placed"

    def give_back() -> None:
        looked.wait(10)
        reservations.release("other")

    helper = threading.Thread(target=give_back)
    helper.start()
    assert attempts(reservations, attempt) == "placed"
    helper.join()


@pytest.mark.parametrize(("competitor", "opportunistic"), [(True, False), (False, True)])
def test_what_may_be_free_later_is_told_so(reservations, monkeypatch, competitor, opportunistic):
    monkeypatch.setattr(place, "PATIENCE", 0.01)
    if competitor:
        reservations.hold_room({"node": Room(512)}, "other")
    with pytest.raises(OpPrereqError) as refused:
        attempts(reservations, full, opportunistic=opportunistic)
    assert refused.value.args == ("no room", ECODE_TEMP_NORES)


def test_other_errors_are_final(reservations):
    def wrong() -> None:
        raise OpPrereqError("wrong", ECODE_INVAL)

    with pytest.raises(OpPrereqError, match="wrong"):
        attempts(reservations, wrong)


def test_an_opportunistic_creation_does_not_wait_for_nodes_that_are_locked(master):
    holder = master.submit(delay(on_nodes=["node1.example.com"], no_locks=False))
    master.wait(holder, "running")
    job = master.submit({
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x.example.com", "mode": "create",
        "disks": [], "nics": [], "disk_template": "diskless", "os_type": "noop",
        "no_install": True, "opportunistic_locking": True, "reason": []})
    assert master.wait(job) == "error"
    [[kind, [_, ecode]]] = master.field(job, "opresult")
    assert (kind, ecode) == ("OpPrereqError", ECODE_TEMP_NORES)
