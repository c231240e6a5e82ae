"""A node runs its data collectors: at their intervals, each for itself, with what they remember."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_node import NAME, OneNode, eventually

from ganeti_core.errors import OpExecError, OpPrereqError
from ganeti_core.node import collecting
from ganeti_core.plugin_api import Description, HookContext, hookimpl
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.data import Collected, Report
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.calls import service_call

SECOND = 1_000_000


class Counting:
    """Counts its calls in its state."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "counts", interval=1.0, category="daemon")

    @hookimpl
    def collect(self, ctx: HookContext, previous: dict[str, Any] | None) -> Collected:
        calls = (previous or {"calls": 0})["calls"] + 1
        return Collected(Report({"calls": calls, "cluster": ctx.config["cluster_name"]}),
                         {"calls": calls})


class Failing(Counting):
    @hookimpl
    def collect(self) -> Collected:
        raise OpExecError("there is no sensor")


class Crashing(Counting):
    @hookimpl
    def collect(self) -> Collected:
        os._exit(3)


class Hanging(Counting):
    @hookimpl
    def collect(self) -> Collected:
        time.sleep(1000)
        raise AssertionError


class Rubbish(Counting):
    @hookimpl
    def collect(self) -> Collected:
        return Collected(Report("some text"))


class Large(Counting):
    @hookimpl
    def collect(self) -> Collected:
        return Collected(Report({}), {"all": "x" * 2_000_000})


class WithoutStatus(Counting):
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "stands", interval=1.0, report_kind=1)

    @hookimpl
    def collect(self) -> Collected:
        return Collected(Report({"well": True}))


class Asking(Counting):
    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        return Collected(Report({"rows": ctx.query("job", ["id"])}))


WRONG = {
    "failing": (Failing, "there is no sensor"),
    "crashing": (Crashing, "died (exit status 3)"),
    "hanging": (Hanging, "did not end within its time"),
    "rubbish": (Rubbish, "no JSON object or list: 'some text'"),
    "large": (Large, "a state of 2000011 bytes"),
    "without-status": (WithoutStatus, "its data have no status"),
}


def begin(root: Path) -> OneNode:
    host = PluginHost()
    host.add(COLLECTORS, "counting", Counting())
    host.add(COLLECTORS, "other", Counting())
    host.add(COLLECTORS, "asking", Asking())
    for name, (made, _) in WRONG.items():
        host.add(COLLECTORS, name, made())
    node = OneNode.begin(root, host=host)
    node.noded.state.collecting.limit = 2.0
    return node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OneNode]:
    made = begin(tmp_path)
    yield made
    made.end()


def configure(node: OneNode, collectors: dict[str, Any], **settings: Any) -> None:
    """Send what the master sends when the cluster's settings change."""
    node.call(service_call("node.ssconf", {"values": {
        "master_node": settings.pop("master", "other.example.com"),
        "data_collectors": json.dumps(collectors),
        "hook_settings": json.dumps({"cluster_name": "cluster.example.com", **settings})}}))


def rows(node: OneNode, *names: str) -> dict[str, dict[str, Any]]:
    found = node.call(service_call("node.collectors", {"names": list(names)}))
    return {row["name"]: row for row in found}


def only(*names: str) -> dict[str, Any]:
    """Switch all others off."""
    return {name: {"active": name in names}
            for name in (*WRONG, "counting", "other", "asking")}


def calls(node: OneNode, name: str = "counting") -> int:
    report = rows(node, name)[name]["report"]
    return 0 if report is None else int(report["data"]["calls"])


def test_nothing_runs_before_the_settings_are_known(node: OneNode) -> None:
    assert not any(row["active"] or row["report"] for row in rows(node).values())


def test_one_that_goes_wrong_says_so_in_its_own_report_and_delays_no_other(node: OneNode) -> None:
    configure(node, {name: {"interval": SECOND} for name in WRONG})
    for name, (_, said) in WRONG.items():
        assert eventually(lambda name=name: rows(node, name)[name]["error"], 30), name
        row = rows(node, name)[name]
        assert said in row["error"]
        assert row["report"]["data"] == {"status": {"code": 2, "message": row["error"]}}
        assert row["report"]["kind"] == (1 if name == "without-status" else 0)
    assert eventually(lambda: calls(node) >= 2, 30)


def test_a_report_has_ganetis_form_and_the_settings_reach_the_collector(node: OneNode) -> None:
    before = time.time_ns()
    configure(node, only("counting"))
    assert eventually(lambda: calls(node), 30)
    row = rows(node, "counting")["counting"]
    assert (row["active"], row["interval"], row["error"]) == (True, 1.0, "")
    report = row["report"]
    assert before < report.pop("timestamp") <= time.time_ns()
    assert report["data"].pop("calls") >= 1
    assert report == {
        "name": "counting", "version": "B", "format_version": 1, "category": "daemon", "kind": 0,
        "data": {"cluster": "cluster.example.com"}}


def test_the_interval_is_the_clusters(node: OneNode) -> None:
    configure(node, only("counting", "other") | {
        "other": {"active": True, "interval": 20 * SECOND}})
    assert eventually(lambda: calls(node, "other"), 30)
    assert rows(node, "other")["other"]["interval"] == 20.0
    assert calls(node) > calls(node, "other")
    configure(node, only("other") | {"other": {"active": True, "interval": SECOND}})
    assert eventually(lambda: calls(node, "other") >= 3, 30)


@pytest.mark.parametrize("settings", [
    (only("other"), {}), (only("counting", "other"), {"disabled_plugins": ["collectors:counting"]}),
])
def test_what_is_switched_off_does_not_run(node: OneNode, settings: Any) -> None:
    collectors, others = settings
    configure(node, collectors, **others)
    assert eventually(lambda: calls(node, "other") >= 2, 30)
    row = rows(node, "counting")["counting"]
    assert (row["active"], row["report"]) == (False, None)


def test_state_and_report_outlive_the_daemon(node: OneNode, tmp_path: Path) -> None:
    configure(node, only("counting"))
    assert eventually(lambda: calls(node) >= 2, 30)
    configure(node, only())
    last = calls(node)
    node.end()
    again = begin(tmp_path)
    try:
        assert calls(again) >= last, "the last report is there before the next one"
        configure(again, only("counting"))
        assert eventually(lambda: calls(again) > last + 1, 30)
    finally:
        again.end()


def test_a_restart_asks_none_again_before_its_time(node: OneNode, tmp_path: Path) -> None:
    hourly = only("counting", "other") | {"counting": {"active": True, "interval": 3600 * SECOND}}
    configure(node, only("counting"))
    assert eventually(lambda: calls(node), 30)
    configure(node, hourly)
    last = calls(node)
    node.end()
    again = begin(tmp_path)
    try:
        configure(again, hourly)
        before = calls(again, "other")
        assert eventually(lambda: calls(again, "other") >= before + 3, 30)
        assert calls(again) == last
    finally:
        again.end()


def test_a_long_interval_begins_with_a_part_of_it(node: OneNode) -> None:
    configure(node, only("counting", "other") | {
        "other": {"active": True, "interval": 3600 * SECOND}})
    assert eventually(lambda: calls(node) >= 3, 30)
    assert not calls(node, "other"), "a node that starts has better to do"


def test_a_damaged_state_is_begun_anew(node: OneNode, tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/ganeti/collectors"
    folder.mkdir()
    (folder / "counting.json").write_text('{"report": ')
    configure(node, only("counting"))
    assert eventually(lambda: calls(node) >= 1, 30)


def test_only_the_masters_collectors_can_ask_the_master(node: OneNode) -> None:
    configure(node, only("asking"))
    assert eventually(lambda: rows(node, "asking")["asking"]["error"], 30)
    assert rows(node, "asking")["asking"]["error"] == (
        f"{NAME} cannot ask for job: it is not the master node (other.example.com)")
    configure(node, only("asking"), master=NAME)
    assert eventually(lambda: "ganeti-query" in rows(node, "asking")["asking"]["error"], 30), (
        "its master daemon is down")


def test_an_unknown_collector_is_refused(node: OneNode) -> None:
    with pytest.raises(OpPrereqError, match=f"{NAME} has no data collector 'nosuch'.*counting"):
        rows(node, "nosuch")


def test_what_could_not_be_kept_is_kept_with_the_next_report(tmp_path: Path) -> None:
    """A disk that was full for a moment loses no state that has not changed since."""
    setting = collecting._Setting(Counting().describe(), True, 1.0)
    one = collecting._Collector("counting", setting, tmp_path / "collectors/counting.json")
    one.state = {"calls": 7}
    (tmp_path / "collectors").touch()
    one.keep()
    (tmp_path / "collectors").unlink()
    one.keep()
    assert json.loads(one.file.read_text())["state"] == {"calls": 7}
