"""The status of an instance follows from what is wanted and what nodes found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from recorded_cluster import FakeNodes, at_recording, with_objects

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.plugin_api.data import RunningInstance
from ganeti_core.query.engine import QueryEngine

NAME, HOME, AWAY = "inst1.example.com", "node1.example.com", "node2.example.com"


def guest(state: Any = "running") -> RunningInstance:
    return RunningInstance(NAME, "5311cf72-d61b-47a6-95be-f154baf616fc", state, 128, 1)


def wanted(admin_state: Any, *, source: Any = "admin", **more: Any) -> Snapshot:
    snapshot = at_recording()
    instance = snapshot.instance(NAME)
    return with_objects(snapshot, "instance", replace(
        instance, admin_state=admin_state, admin_state_source=source, **more))


def told(engine: QueryEngine, snapshot: Snapshot) -> dict[str, Any]:
    fields = ["status", "oper_state", "oper_ram", "console"]
    rows = engine.query(snapshot, "instance", [*fields, "name"])["data"]
    return next(dict(zip(fields, row, strict=False)) for row in rows if row[-1][1] == NAME)


@pytest.mark.parametrize(("admin_state", "found", "status"), [
    ("up", guest(), "running"),
    ("up", guest("paused"), "running"),
    ("up", None, "ERROR_down"),
    ("down", None, "ADMIN_down"),
    ("down", guest(), "ERROR_up"),
    ("offline", None, "ADMIN_offline"),
    ("offline", guest(), "ERROR_up"),
    ("up", guest("user-down"), "ERROR_down"),
    ("down", guest("user-down"), "ADMIN_down"),
    ("up", guest("crashed"), "ERROR_down"),
    ("up", guest("stuck"), "ERROR_down"),
    ("down", guest("crashed"), "ERROR_up"),
    ("down", guest("stuck"), "ERROR_up"),
])
def test_status(
    engine: QueryEngine, nodes: FakeNodes, admin_state: str, found: Any, status: str
) -> None:
    nodes.guests = {HOME: [found] if found else []}
    answered = told(engine, wanted(admin_state))
    assert answered["status"] == [0, status]
    running = found is not None and found.state in ("running", "paused")
    assert answered["oper_state"] == [0, running]
    assert answered["oper_ram"] == ([0, 128] if found else [3, None])


def test_one_that_runs_elsewhere_is_an_error(engine: QueryEngine, nodes: FakeNodes) -> None:
    nodes.guests = {AWAY: [guest()]}
    assert told(engine, wanted("up"))["status"] == [0, "ERROR_wrongnode"]


def test_a_silent_node_hides_how_its_instances_are(engine: QueryEngine, nodes: FakeNodes) -> None:
    nodes.silent = {HOME}
    answered = told(engine, wanted("up"))
    assert answered["status"] == [0, "ERROR_nodedown"]
    assert answered["oper_state"] == [2, None]
    assert answered["oper_ram"] == [2, None]


def test_a_node_that_is_marked_offline_is_not_asked(
    engine: QueryEngine, nodes: FakeNodes
) -> None:
    snapshot = wanted("up")
    snapshot = with_objects(snapshot, "node", replace(snapshot.node(HOME), offline=True))
    answered = told(engine, snapshot)
    assert answered["status"] == [0, "ERROR_nodeoffline"]
    assert answered["oper_ram"] == [4, None]
    assert answered["console"] == [4, None]
    assert HOME not in {name for names, _ in nodes.asked for name in names}


@pytest.mark.parametrize(("hypervisor", "hvparams", "status"), [
    ("fake", {}, "USER_down"),  # has no such parameter: nothing forbids it
    ("kvm", {}, "ERROR_down"),
    ("kvm", {"user_shutdown": True}, "USER_down"),
])
def test_users_may_shut_down_where_it_is_allowed(
    engine: QueryEngine, nodes: FakeNodes, hypervisor: str, hvparams: dict[str, Any], status: str
) -> None:
    nodes.guests = {HOME: [guest("user-down")]}
    snapshot = wanted("up", hypervisor=hypervisor, hvparams=hvparams)
    # The recorded cluster has a value of its own for this hypervisor.
    cluster = replace(snapshot.cluster, enabled_user_shutdown=True, hvparams={})
    assert told(engine, with_objects(snapshot, "cluster", cluster))["status"] == [0, status]


def test_one_that_its_user_stopped_stays_so(engine: QueryEngine, nodes: FakeNodes) -> None:
    nodes.guests = {}
    snapshot = wanted("down", source="user")
    assert told(engine, snapshot)["status"] == [0, "ADMIN_down"]
    cluster = replace(snapshot.cluster, enabled_user_shutdown=True)
    assert told(engine, with_objects(snapshot, "cluster", cluster))["status"] == [0, "USER_down"]
