"""OS definitions: what may be used is listed, the rest is told; what is blacklisted is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from virtual_cluster import VirtualCluster

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import RpcError
from ganeti_core.model import Cluster, Node
from ganeti_core.opcodes.other import OsDiagnose
from ganeti_core.operations.os import Diagnose
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.query.live import NodeLive, os_info

NEW = ("--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1", "-B", "memory=16M", "-s",
       "1M", "-t", "file")


def definition(name: str, *variants: str, problem: str = "") -> OsInfo:
    return OsInfo(name, f"/os/{name}", (20,), variants, (), problem)


@dataclass
class Nodes:
    """Nodes with OS definitions, as an operation sees them; None is a node that is silent."""

    has: Mapping[str, Sequence[OsInfo] | None]
    cluster: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        nodes = {name: Node(uuid=name, name=f"{name}.example.com", group="g",
                            primary_ip="127.0.0.1") for name in self.has}
        cluster = Cluster(uuid="c", name="c", master_node="node1", **self.cluster)
        return Snapshot(objects={"cluster": {"c": cluster}, "node": nodes})

    @property
    def services(self) -> Any:
        return SimpleNamespace(live=self)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def fan_out(self, nodes: Sequence[Node], _call: Any) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for node in nodes:
            found = self.has[node.uuid]
            told[node.uuid] = (RpcError("silent") if found is None else
                               {"kinds": {"os": {info.name: {} for info in found}}})
        return told

    def gather(self, nodes: Sequence[Node], questions: frozenset[Any]) -> dict[str, NodeLive]:
        return {node.uuid: NodeLive({
            os_info(info.name): info for info in self.has[node.uuid] or ()
            if os_info(info.name) in questions}) for node in nodes}

    def diagnose(self, *fields: str) -> list[list[Any]]:
        op = OsDiagnose(output_fields=list(fields))
        context: Any = self
        Diagnose().plan(op, context)
        return Diagnose().run(op, context, None)


def test_only_what_every_node_can_use_is_listed() -> None:
    noop, odd = definition("noop"), definition("odd", problem="script create is missing")
    nodes = Nodes({"node1": [noop, odd, definition("one")], "node2": [noop, odd]})
    assert nodes.diagnose("name") == [["noop"]]
    assert nodes.diagnose("name", "valid") == [["noop", True], ["odd", False], ["one", False]]
    (status,) = nodes.diagnose("name", "valid", "node_status")[2][2:]
    assert status["node2"] == []
    assert status["node1"][0][:3] == ["/os/one", True, ""]


def test_a_silent_node_makes_nothing_invalid() -> None:
    nodes = Nodes({"node1": [definition("noop")], "node2": None})
    assert nodes.diagnose("name", "node_status")[0][0] == "noop"
    assert nodes.warnings == ["Node node2.example.com cannot be asked: silent"]


def test_hidden_and_blacklisted_ones_are_left_out_unless_that_is_asked_for() -> None:
    has = {"node1": [definition("a", "x", "y"), definition("b", "x"), definition("c")]}
    nodes = Nodes(has, {"hidden_os": ("a+x", "b+x"), "blacklisted_os": ("c",)})
    assert nodes.diagnose("name", "variants") == [["a", ["y"]]]
    assert nodes.diagnose("name", "hidden", "blacklisted") == [
        ["a", False, False], ["b", False, False], ["c", False, True]]


def test_settings_of_variants_are_given_by_name() -> None:
    nodes = Nodes({"node1": [definition("a", "x")]}, {
        "osparams": {"a+x": {"colour": "red"}, "other": {"size": "1"}},
        "os_hvp": {"a": {"fake": {"migration_mode": "live"}}}})
    assert nodes.diagnose("osparams", "os_hvp") == [
        [{"a+x": {"colour": "red"}}, {"a": {"fake": {"migration_mode": "live"}}}]]


@pytest.fixture(scope="module")
def names(cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    """The cluster of this folder; its settings of OS definitions are taken back."""
    yield cluster
    cluster.gnt("gnt-os", "modify", "--hidden=no", "--blacklisted=no", "noop")


def listed(cluster: VirtualCluster) -> list[str]:
    return cluster.gnt("gnt-os", "list", "--no-headers").lines


def test_a_hidden_definition_can_be_installed_a_blacklisted_one_not(names: VirtualCluster) -> None:
    assert "noop" in listed(names)
    names.gnt("gnt-os", "modify", "--hidden=yes", "noop")
    assert "noop" not in listed(names)
    names.gnt("gnt-instance", "add", *NEW, "-o", "noop", "hid.example.com")
    names.gnt("gnt-instance", "remove", "-f", "hid.example.com")
    names.gnt("gnt-os", "modify", "--hidden=no", "--blacklisted=yes", "noop")
    assert "noop" not in listed(names)
    for system in ("noop", "noop+any"):
        refused = names.try_("gnt-instance", "add", *NEW, "-o", system, "bl.example.com")
        assert refused.status == 1
        assert f"wrong_state, error details:\nGuest OS '{system}' is not allowed" in refused.stderr
    diagnosed = names.gnt("gnt-os", "diagnose").stdout
    assert "OS: noop [global status: valid] [blacklisted]\n  Node: node1.example.com," in diagnosed
    assert "[no variants] [no parameters] [trusted]" in diagnosed
    names.gnt("gnt-os", "modify", "--blacklisted=no", "noop")
    assert "noop" in listed(names)


def test_parameters_of_a_definition(names: VirtualCluster) -> None:
    names.gnt("gnt-os", "modify", "-O", "size=3", "later+big")
    shown = names.gnt("gnt-os", "info", "later+big").stdout
    assert shown == ("later+big: \n  OS-specific hypervisor parameters: \n"
                     "  OS parameters: \n    size: 3\n\n")
    names.gnt("gnt-os", "modify", "-O", "-size", "later+big")
    refused = names.try_("gnt-os", "modify", "-O", "nosuch=1", "noop")
    assert refused.status == 1
    assert ("OS Parameters validation failed on node node1.example.com: The following parameters"
            " are not supported by the OS noop: nosuch") in refused.stderr


def test_what_is_not_there_fails(names: VirtualCluster) -> None:
    ran = names.try_("gnt-os", "info", "later+big")
    assert (ran.status, ran.stdout) == (1, "later+big: \n\n")
    assert ran.stderr == "There is no OS definition 'later+big'\n"
    ran = names.try_("gnt-os", "modify", "noop")
    assert ran.status == 1
    assert ran.stderr.startswith("At least one of OS parameters or hypervisor parameters must")
    ran = names.try_("gnt-os", "modify", "-H", "nosuch:x=1", "noop")
    assert ran.status == 1
