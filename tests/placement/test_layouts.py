"""Specs and storages of what is not committed yet: a disk on another template's device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import GanetiError
from ganeti_core.model import Cluster, Instance, Nic, Node, NodeGroup
from ganeti_core.plugin_api import Description, DiskSpec, hookimpl
from ganeti_core.plugin_api.data import DiskRequest, StorageSpace
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE
from ganeti_core.plugin_api.file_disks import FileDisks
from ganeti_core.plugins import PluginHost
from ganeti_core.specs.disks import Layout, NoCalls, disk_spec
from ganeti_core.specs.instances import instance_spec
from ganeti_core.specs.storages import NewDisks, default_storages, space_in, space_needed

REQUEST = DiskRequest("00000000-0000-4000-8000-00000000000a", 0, 64, "new.example.com")


@dataclass(frozen=True)
class InThisProcess:
    """Calls hooks as a master calls those of the core's own drivers."""

    host: PluginHost

    def call(self, kind: Any, driver: str, hook: str, functions: Any = None, **given: Any) -> Any:
        return getattr(self.host.driver(kind, driver), hook)(**given, **(functions or {}))


class Pooled(FileDisks):
    """Lies in the pool that its parameter names."""

    template = "pooled"

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Pools", {"type": "object", "properties": {"pool": {
            "type": "string", "default": "first", "description": "Which pool"}}},
            frozenset({LOCAL_SPACE}))

    def further_id(self, request: DiskRequest) -> tuple[Any, ...]:
        return ((request.params | request.options)["pool"],)

    @hookimpl
    def storage_of(self, disk: DiskSpec) -> str:
        return str(disk.logical_id[1])

    def make(self, disk: DiskSpec, draft: Path) -> None:
        draft.touch()

    @hookimpl
    def verify(self) -> list[str]:
        return []


class Upper(Pooled):
    """Lies on a device of the other template, twice: data and notes."""

    template = "upper"

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "On pools", nodes=2, pools=frozenset({"minor", "port", "secret"}))

    @hookimpl
    def layout(self, request: DiskRequest, plan_child: Any, granted: dict[str, Any]) -> DiskSpec:
        assert granted.keys() == {"minor", "port", "secret"}
        plan_child("pooled", request)
        plan_child("pooled", replace(request, size=4, options={"pool": "notes"}))
        return DiskSpec(request.uuid, request.index, "upper", request.size)

    @hookimpl
    def storage_of(self, disk: DiskSpec) -> str:
        return ""


@pytest.fixture(scope="module")
def host() -> PluginHost:
    found = PluginHost()
    found.add(DISK_TEMPLATES, "pooled", Pooled())
    found.add(DISK_TEMPLATES, "upper", Upper())
    return found


@pytest.fixture(scope="module")
def calls(host: PluginHost) -> InThisProcess:
    return InThisProcess(host)


@pytest.fixture
def snapshot() -> Snapshot:
    """Two groups with a node each; in the second one another pool is set."""
    cluster = Cluster(uuid="c", name="cluster", master_node="n1",
                      enabled_disk_templates=("pooled", "upper"))
    groups = {"g1": NodeGroup(uuid="g1", name="one"), "g2": NodeGroup(
        uuid="g2", name="two", diskparams={"pooled": {"pool": "second"}})}
    nodes = {f"n{at}": Node(uuid=f"n{at}", name=f"node{at}", group=f"g{at}",
                            primary_ip=f"192.0.2.{at}") for at in (1, 2)}
    return Snapshot(objects={"cluster": {"c": cluster}, "nodegroup": groups, "node": nodes})


def test_a_new_disk_takes_space_where_its_lowest_devices_lie(
    snapshot: Snapshot, calls: InThisProcess
) -> None:
    new = NewDisks(snapshot, calls, {}, "upper", (REQUEST,))
    needed = new.space_on([snapshot.nodes["n2"], snapshot.nodes["n1"]])
    assert needed.storages == {("upper", ""): 64, ("pooled", "second"): 64, ("pooled", "notes"): 4}
    assert needed.main == ("pooled", "second")
    by_group = {"g1": ("pooled", "first"), "g2": ("pooled", "second")}
    assert new.by_group() == NewDisks(snapshot, calls, {}, "upper").by_group() == by_group


def test_what_an_option_says_counts_more_than_the_group(
    snapshot: Snapshot, calls: InThisProcess
) -> None:
    asked = replace(REQUEST, options={"pool": "mine"})
    assert NewDisks(snapshot, calls, {}, "pooled", (asked,)).by_group() == dict.fromkeys(
        ("g1", "g2"), ("pooled", "mine"))


def test_the_default_storage_is_that_of_each_group(
    snapshot: Snapshot, calls: InThisProcess
) -> None:
    assert default_storages(snapshot, calls, {}) == {
        "g1": ("pooled", "first"), "g2": ("pooled", "second")}


def test_a_storage_without_name_is_the_first() -> None:
    spaces = [StorageSpace("a", 10, 1), StorageSpace("b", 10, 9)]
    assert (space_in(spaces, ""), space_in(spaces, "b")) == (spaces[0], spaces[1])
    assert space_in(spaces, "c") is None
    assert space_in([], "") is None


def test_children_have_the_filled_parameters_of_their_template(
    snapshot: Snapshot, host: PluginHost, calls: InThisProcess
) -> None:
    nodes = [snapshot.nodes["n2"], snapshot.nodes["n1"]]
    grants = {"minor": {"n1": 3, "n2": 4}, "port": 11000, "secret": "x"}
    planned = Layout(snapshot, calls, {}, nodes, lambda template, _: (
        grants if template == "upper" else {})).plan("upper", REQUEST)
    spec = disk_spec(snapshot, host, planned, 0, "new.example.com")
    assert [child.params for child in spec.children] == [{"pool": "second"}] * 2
    assert (spec.granted, [node.name for node in spec.nodes]) == (grants, ["node2", "node1"])
    assert space_needed(calls, [spec]).main == ("pooled", "second")


def test_an_instance_is_described_before_it_is_in_the_configuration(
    snapshot: Snapshot, host: PluginHost, calls: InThisProcess
) -> None:
    instance = Instance(uuid="i", name="new.example.com", primary_node="n2", hypervisor="none",
                        nics=(Nic(uuid="card", mac="aa:00:00:00:00:01"),))
    planned = Layout(snapshot, calls, {}, [snapshot.nodes["n2"]], lambda *_: {}).plan(
        "pooled", REQUEST)
    spec = instance_spec(snapshot, host, instance, [planned])
    assert (spec.primary_node, spec.disks[0].logical_id[1]) == ("node2", "second")
    assert [(nic.uuid, nic.index, nic.bridge) for nic in spec.nics] == [("card", 0, "")]


def test_a_template_whose_layout_is_no_disk_is_named(snapshot: Snapshot) -> None:
    class Broken(Pooled):
        @hookimpl
        def layout(self) -> None:
            return None

    broken = InThisProcess(PluginHost())
    broken.host.add(DISK_TEMPLATES, "pooled", Broken())
    assert default_storages(snapshot, broken, {}) == dict.fromkeys(("g1", "g2"), ("pooled", ""))
    with pytest.raises(GanetiError, match="plugin disk_templates pooled: layout: it returned no"):
        NewDisks(snapshot, broken, {}, "pooled", (REQUEST,)).space_on([snapshot.nodes["n1"]])


def test_where_no_hook_can_be_called_the_first_storage_counts(
    snapshot: Snapshot, host: PluginHost
) -> None:
    assert default_storages(snapshot, NoCalls(host), {}) == dict.fromkeys(
        ("g1", "g2"), ("pooled", ""))
