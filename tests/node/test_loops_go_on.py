"""Threads that a node needs as long as it runs go on after an error that nobody foresaw."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from one_node import OneNode, eventually

from ganeti_core.node import catch_up, collecting
from ganeti_core.node.catch_up import CatchUp
from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.data import Collected, Report
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.calls import service_call


class Steady:
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "says that all is well", interval=1.0)

    @hookimpl
    def collect(self) -> Collected:
        return Collected(Report({}))


def told(node: OneNode, collectors: Any) -> None:
    node.call(service_call("node.ssconf", {"values": {
        "data_collectors": collectors, "hook_settings": "{}"}}))


def reported(node: OneNode) -> int:
    """When the collector reported last, in nanoseconds."""
    (row,) = node.call(service_call("node.collectors", {"names": ["steady"]}))
    return (row["report"] or {}).get("timestamp", 0)  # type: ignore[no-any-return]


def test_collectors_run_again_once_their_settings_make_sense(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = PluginHost()
    host.add(COLLECTORS, "steady", Steady())
    node = OneNode.begin(tmp_path, host=host)
    try:
        told(node, '{"steady": 5}')
        assert eventually(lambda: "collectors could not be started" in caplog.text)
        told(node, "{}")
        assert eventually(lambda: reported(node))

        def fail(*_: Any) -> None:
            raise RuntimeError("no memory")

        with monkeypatch.context() as broken:
            broken.setattr(collecting, "publish", fail)
            last = reported(node)
            assert eventually(lambda: reported(node) != last)
        last = reported(node)
        assert eventually(lambda: reported(node) != last)
    finally:
        node.end()


class Members:
    """A list of members that cannot be read at first.

    :param asked: grows with each try
    """

    version = 1

    def __init__(self) -> None:
        self.asked: list[int] = []

    def known(self) -> Members:
        return self

    @property
    def members(self) -> list[Any]:
        self.asked.append(1)
        if len(self.asked) < 3:
            raise MemoryError
        return []


def test_a_node_asks_the_others_again_after_a_round_that_failed(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "START_SECONDS", 0.0)
    members, opened = Members(), threading.Event()
    state: Any = SimpleNamespace(
        members=members, leave=threading.Event(), gate=SimpleNamespace(open=opened.set),
        world=SimpleNamespace(local=SimpleNamespace(identity=SimpleNamespace(uuid="own"))))
    clients: Any = SimpleNamespace(close=lambda: None)
    asking = CatchUp(state, clients)
    asking.start()
    try:
        assert opened.wait(60.0), "what may change the node is let through"
        for tries in (2, 3):
            asking.want()
            assert eventually(lambda tries=tries: len(members.asked) >= tries)
    finally:
        state.leave.set()
        asking.stop()

