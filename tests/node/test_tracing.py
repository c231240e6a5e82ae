"""Calls of hooks while somebody looks: short, without secrets, bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ganeti_core.errors import GanetiError
from ganeti_core.node import tracing
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.tracing import MOST_CALLS, MOST_PLUGINS, Traces, masked
from ganeti_core.rpc.wire import failure, success


def request(kind: str = "hypervisors", driver: str = "fake", **arguments: Any) -> HookRequest:
    return HookRequest(kind, driver, "start", arguments, {})


def test_calls_are_kept_while_somebody_watches() -> None:
    traces = Traces()
    traces.note(request(at=1), 0.5, success(None))
    begun = traces.watch("hypervisors fake", 0)
    assert begun == {"serial": 0, "calls": []}
    traces.note(request(at=2), 0.25, success({"state": "up"}))
    traces.note(request(driver="other"), 0.25, success(None))
    traces.note(request(at=3), 1.5, failure(GanetiError("no")))
    found = traces.watch("hypervisors fake", begun["serial"])
    assert [(call["hook"], call["seconds"], call["failed"]) for call in found["calls"]] == [
        ("start", 0.25, False), ("start", 1.5, True)]
    assert json.loads(found["calls"][0]["arguments"]) == {"at": 2}
    assert json.loads(found["calls"][0]["result"]) == {"state": "up"}
    assert "no" in found["calls"][1]["result"]
    assert traces.watch("hypervisors fake", found["serial"])["calls"] == []


def test_nobody_looks_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = Traces()
    traces.watch("hypervisors fake", 0)
    now = tracing.time.monotonic()
    monkeypatch.setattr(tracing.time, "monotonic", lambda: now + tracing.WATCHED + 1)
    traces.note(request(), 0.1, success(None))
    assert traces.watch("hypervisors fake", 0)["calls"] == []


def test_calls_and_plugins_are_bounded() -> None:
    traces = Traces()
    for number in range(2 * MOST_PLUGINS):
        traces.watch(f"hypervisors {number}", 0)
    for number in range(MOST_CALLS + 5):
        traces.note(request(driver="0", at=number), 0.0, success(None))
    calls = traces.watch("hypervisors 0", 0)["calls"]
    assert len(calls) == MOST_CALLS
    assert json.loads(calls[0]["arguments"]) == {"at": 5}
    traces.note(request(driver=str(2 * MOST_PLUGINS - 1)), 0.0, success(None))
    assert traces.watch(f"hypervisors {2 * MOST_PLUGINS - 1}", 0)["calls"] == []


@pytest.mark.parametrize(("value", "shown"), [
    ({"password": "x", "acl_token": "x", "secret": ["a"], "api_key": "x", "name": "web"},
     {"password": "***", "acl_token": "***", "secret": ["***"], "api_key": "***", "name": "web"}),
    ({"instance": {"osparams": {"root": "x", "empty": ""}}},
     {"instance": {"osparams": {"root": "***", "empty": ""}}}),
    ({"granted": {"secret": "x", "port": 1}}, {"granted": {"secret": "***", "port": 1}}),
    ({"keyboard": "de", "monkey": "see"}, {"keyboard": "de", "monkey": "see"}),
    (list(range(20)), [0, 1, 2, 3, 4, 5, 6, 7, "... 20 items"]),
    ("x" * 200, "x" * 80 + "... 200 characters"),
])
def test_values_are_short_and_without_secrets(value: Any, shown: Any) -> None:
    assert masked(value) == shown


def test_parameters_of_operating_systems_are_hidden_whatever_they_are_called() -> None:
    traces = Traces()
    traces.watch("os tree", 0)
    traces.note(request("os", "tree", params={"colour": "blue"}, variant="x"), 0.0, success(None))
    (call,) = traces.watch("os tree", 0)["calls"]
    assert json.loads(call["arguments"]) == {"params": {"colour": "***"}, "variant": "x"}


def test_a_call_is_short_whatever_it_has() -> None:
    traces = Traces()
    traces.watch("hypervisors fake", 0)
    traces.note(request(deep={str(n): {str(m): "x" * 70 for m in range(20)} for n in range(20)}),
                0.0, success(["x" * 70] * 100))
    (call,) = traces.watch("hypervisors fake", 0)["calls"]
    assert len(call["arguments"]) <= tracing.LONGEST + 3
    assert len(call["result"]) <= tracing.LONGEST + 3
