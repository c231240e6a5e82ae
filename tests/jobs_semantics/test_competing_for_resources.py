"""Room that creations compete for: the first has it, the others choose again, then give up."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from one_master import delay

from ganeti_core.config.reservations import Reservations, Resources
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, ECODE_TEMP_NORES, OpPrereqError
from ganeti_core.operations.placement import retry
from ganeti_core.operations.placement.disk_space import reserve_space
from ganeti_core.plugin_api.data import StorageSpace
from ganeti_core.plugin_api.disk import SHARED
from ganeti_core.specs.storages import SpaceNeeded

POOL = ("file", "pool")
CURRENT = SimpleNamespace(cluster=SimpleNamespace(ndparams={}), groups={})
LOCAL = SimpleNamespace(describe=lambda *_: SimpleNamespace(capabilities=frozenset()))
COMMON = SimpleNamespace(describe=lambda *_: SimpleNamespace(capabilities=frozenset({SHARED})))


@pytest.fixture
def reservations() -> Reservations:
    return Reservations(Snapshot)


def full() -> None:
    raise OpPrereqError("no room", ECODE_NORES)


def attempts(reservations: Reservations, attempt, *, opportunistic: bool = False):
    ctx = SimpleNamespace(services=SimpleNamespace(reservations=reservations), owner="mine",
                          info=lambda _text: None, check_cancelled=lambda: None)
    return retry.retry_for_resources(ctx, attempt, opportunistic=opportunistic)


def test_of_two_who_choose_the_same_room_the_first_has_it(reservations):
    reservations.hold_resources("a", {"node": Resources(512, {POOL: 10})}, "first")
    reservations.hold_resources("b", {"node": Resources(512, {POOL: 10})}, "second")
    for asking, memory, disk in (("first", 0, 0), ("second", 512, 10), ("anybody", 1024, 20)):
        before = reservations.reserved_before(asking)
        assert (before.memory("node"), before.disk(POOL, "node")) == (memory, disk)
        assert before.disk(("file", "another"), "node") == 0


def test_who_chooses_again_comes_last(reservations):
    reservations.hold_resources("x", {"a": Resources(1)}, "first")
    reservations.hold_resources("y", {"b": Resources(1)}, "second")
    reservations.hold_resources("x", {"b": Resources(2)}, "first")
    assert reservations.reserved_before("second").memory("b") == 0
    assert reservations.reserved_before("first").memory("b") == 1
    assert reservations.reserved_before("anybody").memory("a") == 0


def test_the_same_room_again_keeps_its_place(reservations):
    reservations.hold_resources("x", {"a": Resources(1)}, "first")
    reservations.hold_resources("y", {"a": Resources(2)}, "second")
    reservations.hold_resources("x", {"a": Resources(1)}, "first")
    assert reservations.reserved_before("second").memory("a") == 1
    assert reservations.reserved_before("first").memory("a") == 0


def test_what_a_guest_uses_already_is_not_counted_twice(reservations):
    reservations.hold_resources("x", {"a": Resources(500, {POOL: 7})}, "first")
    reserved = reservations.reserved_before("mine")
    assert reserved.memory("a", {"other": 500}) == 500
    assert reserved.memory("a", {"x": 200}) == 300
    assert reserved.memory("a", {"x": 600}) == 0
    assert reserved.memory("a", settled={"x"}.__contains__) == 0


def test_room_of_one_instance_counts_once_whoever_holds_it(reservations):
    reservations.hold_resources("x", {"a": Resources(500)}, "expanded into")
    reservations.hold_resources("x", {"a": Resources(500)}, "the move")
    assert reservations.reserved_before("mine").memory("a") == 500


def test_without_competitors_there_is_one_more_look_and_then_no_room(reservations):
    calls = []
    with pytest.raises(OpPrereqError) as refused:
        attempts(reservations, lambda: calls.append(1) or full())
    assert (refused.value.ecode, len(calls)) == (ECODE_NORES, 2)


def test_room_that_a_competitor_gives_back_is_used(reservations):
    reservations.hold_resources("x", {"node": Resources(512)}, "other")
    looked = threading.Event()

    def attempt() -> str:
        if reservations.others_hold_resources("mine"):
            looked.set()
            full()
        return "placed"

    def give_back() -> None:
        looked.wait(60)
        reservations.release("other")

    helper = threading.Thread(target=give_back)
    helper.start()
    assert attempts(reservations, attempt) == "placed"
    helper.join()


@pytest.mark.parametrize(("competitor", "opportunistic"), [(True, False), (False, True)])
def test_what_may_be_free_later_is_told_so(reservations, monkeypatch, competitor, opportunistic):
    monkeypatch.setattr(retry, "PATIENCE", 0.01)
    if competitor:
        reservations.hold_resources("x", {"node": Resources(512)}, "other")
    with pytest.raises(OpPrereqError) as refused:
        attempts(reservations, full, opportunistic=opportunistic)
    assert refused.value.args == ("no room", ECODE_TEMP_NORES)


def node(name: str) -> SimpleNamespace:
    return SimpleNamespace(uuid=name, name=name, group="", ndparams={})


def needed(size: int, storage: str = "") -> SpaceNeeded:
    return SpaceNeeded({("file", storage): size})


def test_room_is_that_of_the_storage_in_which_a_disk_lies(reservations):
    spaces = [StorageSpace("small", 100, 80), StorageSpace("large", 1000, 800)]
    ctx = SimpleNamespace(services=SimpleNamespace(reservations=reservations), owner="first",
                          hook=lambda *_, **__: spaces, host=LOCAL, current=CURRENT)
    nodes = [node("a")]
    reserve_space(ctx, "x", nodes, needed(500, "large"))
    with pytest.raises(OpPrereqError, match="storage small of disk template file"):
        reserve_space(ctx, "x", nodes, needed(90, "small"))
    with pytest.raises(OpPrereqError, match=r"no storage lost .*there are: small, large"):
        reserve_space(ctx, "x", nodes, needed(1, "lost"))


def test_room_for_disks_is_set_aside_on_all_their_nodes(reservations):
    def ctx(owner: str):
        return SimpleNamespace(
            services=SimpleNamespace(reservations=reservations), owner=owner,
            hook=lambda *_, **__: [StorageSpace("pool", 1000, 800)], host=LOCAL, current=CURRENT)

    nodes = [node("a"), node("b")]
    reserve_space(ctx("first"), "x", nodes, needed(500, "pool"))
    assert reservations.reserved_before("second").disk(POOL, "b") == 500
    with pytest.raises(OpPrereqError, match=r"node b .*: required 301 MiB, available 300"):
        reserve_space(ctx("second"), "y", nodes[1:], needed(301, "pool"))
    reserve_space(ctx("second"), "y", nodes[1:], needed(300, "pool"))
    reservations.release("first")
    reserve_space(ctx("third"), "z", nodes, needed(500, "pool"))


@pytest.mark.parametrize(("devices", "left"), [
    ({"file": "disk1", "sharedfile": "disk1"}, 300),
    ({"file": "disk1", "sharedfile": "disk2"}, 800),
    ({"file": "", "sharedfile": ""}, 800)])
def test_storages_on_one_device_share_its_room(reservations, devices, left):
    def ctx(owner: str):
        return SimpleNamespace(
            services=SimpleNamespace(reservations=reservations), owner=owner,
            hook=lambda _node, _kind, template, _hook: [
                StorageSpace(f"/{template}", 1000, 800, device=devices[template])],
            host=LOCAL, current=CURRENT)

    reserve_space(ctx("first"), "x", [node("a")], needed(500))
    second = {size: SpaceNeeded({("sharedfile", ""): size - 1, ("sharedfile", "/sharedfile"): 1})
              for size in (left, left + 1)}
    with pytest.raises(OpPrereqError, match=rf"required {left + 1} MiB, available {left} MiB"):
        reserve_space(ctx("second"), "y", [node("a")], second[left + 1])
    reserve_space(ctx("second"), "y", [node("a")], second[left])
    reserve_space(ctx("third"), "z", [node("b")], needed(800))


def test_other_errors_are_final(reservations):
    def wrong() -> None:
        raise OpPrereqError("wrong", ECODE_INVAL)

    with pytest.raises(OpPrereqError, match="wrong"):
        attempts(reservations, wrong)


def test_an_opportunistic_creation_does_not_wait_for_nodes_that_are_locked(master):
    holder = master.submit(delay(no_locks=False))  # that of the only node, the master's
    master.wait(holder, "running")
    job = master.submit({
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x.example.com", "mode": "create",
        "disks": [], "nics": [], "disk_template": "diskless", "os_type": "noop",
        "no_install": True, "opportunistic_locking": True, "reason": []})
    assert master.wait(job) == "error"
    [[kind, [_, ecode]]] = master.field(job, "opresult")
    assert (kind, ecode) == ("OpPrereqError", ECODE_TEMP_NORES)


def test_a_storage_that_all_nodes_share_is_set_aside_for_all(reservations):
    def ctx(owner: str):
        return SimpleNamespace(
            services=SimpleNamespace(reservations=reservations), owner=owner, host=COMMON,
            hook=lambda *_, **__: [StorageSpace("pool", 1000, 800)], current=CURRENT)

    first, second = node("a"), node("b")
    reserve_space(ctx("first"), "x", [first], needed(500, "pool"))
    with pytest.raises(OpPrereqError, match=r"on target node b .*: required 301 MiB"):
        reserve_space(ctx("second"), "y", [second], needed(301, "pool"))
