"""Opening a console for whoever relays it: which ones, where they are said to be, and which not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from recorded_cluster import FakeNodes

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import OpPrereqError
from ganeti_core.operations.consoles import Consoles
from ganeti_core.plugin_api.data import Console
from ganeti_core.plugins import PluginHost
from ganeti_core.query.live import ConsoleRequest

NAME = "inst1.example.com"


@dataclass
class WithConsole(FakeNodes):
    """Nodes whose guests have this console."""

    console: Console = field(default_factory=lambda: Console("msg", NAME))

    def consoles(self, requests: Sequence[ConsoleRequest]) -> Mapping[str, Console]:
        return {request.instance.uuid: self.console for request in requests}


@dataclass
class Called:
    """Notes the one call to a node."""

    args: list[dict[str, Any]] = field(default_factory=list)

    def call(self, _peer: Any, call: Any, owner: str) -> dict[str, Any]:
        assert owner == "tests"
        self.args.append(call.args)
        return {"address": "127.0.0.1", "port": 1, "token": "t"}


def opened(
    snapshot: Snapshot, host: PluginHost, console: Console,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is said of a console, and what its node was asked for."""
    recorded = FakeNodes.as_recorded()
    live, nodes = WithConsole(recorded.guests, console=console), Called()
    consoles = Consoles(cast("Any", nodes), cast("Any", live), host, "tests")
    return consoles.open(snapshot, NAME), nodes.args


@pytest.mark.parametrize(("console", "kind", "where"), [
    (Console("unix", NAME, path="/run/x"), "serial", {"path": "/run/x"}),
    (Console("serial", NAME, path="/dev/pts/7"), "serial", {"path": "/dev/pts/7"}),
    (Console("vnc", NAME, path="/srv/vnc/x.vnc"), "vnc", {"path": "/srv/vnc/x.vnc"}),
    (Console("vnc", NAME, host="127.0.0.1", port=5901), "vnc",
     {"host": "127.0.0.1", "port": 5901}),
    (Console("spice", NAME, host="::1", port=5902), "spice", {"host": "::1", "port": 5902})])
def test_sockets_and_devices_are_opened_where_they_are(
    snapshot: Snapshot, host: PluginHost, console: Console, kind: str, where: dict[str, Any]
) -> None:
    said, (asked,) = opened(snapshot, host, console)
    assert (said["kind"], said["instance"], said["token"]) == (kind, NAME, "t")
    assert {key: asked[key] for key in where} == where


@pytest.mark.parametrize(("console", "why"), [
    (Console("ssh", NAME, host="node1", command=("lxc-console", "-n", "x")),
     r"it is a command that root runs on node1 \(lxc-console -n x\), not a socket or a device: "
     "gnt-instance console runs it"),
    (Console("msg", NAME, message="there is no screen"), "there is no screen")])
def test_commands_and_messages_are_refused_by_name(
    snapshot: Snapshot, host: PluginHost, console: Console, why: str
) -> None:
    with pytest.raises(OpPrereqError, match=f"{NAME} cannot be relayed: {why}") as caught:
        opened(snapshot, host, console)
    assert caught.value.args[1] == "wrong_input"


def test_an_instance_that_does_not_run_has_none(snapshot: Snapshot, host: PluginHost) -> None:
    live = WithConsole()
    consoles = Consoles(cast("Any", Called()), cast("Any", live), host, "tests")
    with pytest.raises(OpPrereqError, match="does not run on its node"):
        consoles.open(snapshot, NAME)
