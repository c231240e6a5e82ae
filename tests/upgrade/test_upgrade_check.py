"""What hinders an upgrade, from what nodes have said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ganeti_core.bootstrap.upgrade import unfinished
from ganeti_core.bootstrap.upgrade_check import NodeSaid, Survey, Version

OLD = Version("1.9.0", 1, {"hypervisors/kvm": 3, "disk_templates/file": 1})
NEW = replace(OLD, version="1.10.0")


def node(name: str, running: Version = OLD, installed: Version = NEW, **more: bool) -> NodeSaid:
    return NodeSaid(name, running=running, installed=installed, **more)


def hindrances(*nodes: NodeSaid, wanted: str = "1.10.0", schema: int = 1) -> list[str]:
    return [f"{one.node}: {one.text}" for one in Survey(nodes, schema).findings(wanted)
            if one.hinders]


def test_nothing_hinders_where_all_have_it() -> None:
    assert hindrances(node("a", is_master=True), node("b", running=NEW)) == []


def test_the_master_is_restarted_last_and_what_runs_already_is_left() -> None:
    survey = Survey([node("a", is_master=True), node("b"), node("c", running=NEW),
                     node("d")], 1)
    assert [one.name for one in survey.to_restart("1.10.0")] == ["b", "d", "a"]


@pytest.mark.parametrize(("installed", "side"), [("1.9.0", "behind"), ("1.10.1", "ahead of"),
                                                 ("1.2", "behind"), ("2.0", "ahead of")])
def test_a_node_with_another_version_is_named(installed: str, side: str) -> None:
    found = hindrances(node("a", installed=replace(OLD, version=installed)))
    assert found == [f"a: has {installed} installed, which is {side} 1.10.0"]


def test_a_silent_node_hinders_and_one_that_is_offline_does_not() -> None:
    silent = NodeSaid("b", problem="Node is unreachable")
    assert hindrances(node("a"), silent) == ["b: Node is unreachable"]
    offline = NodeSaid("b", offline=True)
    assert hindrances(node("a"), offline) == []
    (said,) = Survey([node("a"), offline], 1).findings("1.10.0")
    assert "install 1.10.0 on it" in said.action


def test_an_older_version_is_refused_where_it_cannot_read_what_is_there() -> None:
    assert hindrances(node("a"), schema=2) == [
        "a: 1.10.0 knows databases up to schema 1, and that of this cluster has 2"]
    behind = replace(NEW, states={**NEW.states, "hypervisors/kvm": 2})
    assert hindrances(node("a", installed=behind), node("b")) == [
        "a: hypervisors/kvm there knows state version 2, and version 3 runs in this cluster: "
        "guests could be lost from sight"]


def test_a_master_daemon_that_is_down_hinders_and_is_named_once() -> None:
    survey = Survey([node("a", is_master=True, running=NEW), node("b", running=NEW)], 1,
                    master_is_up=False)
    assert [(one.node, one.action) for one in survey.findings("1.10.0") if one.hinders] == [
        ("a", "start ganeti-masterd")]
    assert not survey.all_run("1.10.0")


def test_a_plugin_that_was_not_installed_with_it_is_named() -> None:
    without = replace(NEW, states={"hypervisors/kvm": 3})
    assert hindrances(node("a"), node("b", installed=without)) == [
        "b: disk_templates/file runs in this cluster and is not in what is installed there"]


def test_all_run_it_only_where_every_node_has_said_so() -> None:
    new = [node("a", is_master=True, running=NEW), node("b", running=NEW)]
    assert Survey([*new, NodeSaid("c", offline=True)], 1).all_run("1.10.0")
    assert not Survey([*new, node("c")], 1).all_run("1.10.0")
    assert not Survey([*new, NodeSaid("c", problem="Node is unreachable")], 1).all_run("1.10.0")


def test_whatever_is_not_final_is_waited_for() -> None:
    jobs = [[1, "success"], [2, "a later version's"], [3, "running"], [4, "error"], [5, "canceled"]]
    client = SimpleNamespace(query_jobs=lambda _ids, _fields: jobs)
    assert unfinished(client) == [2, 3]
