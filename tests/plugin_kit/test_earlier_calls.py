"""What an earlier version recorded as owed to a node is done by a node of this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from on_a_node import OnANode

from ganeti_core.errors import NotSupported
from ganeti_core.node.hooks import HookRequest, run_hook
from ganeti_core.operations.saga import Entry
from ganeti_core.plugin_api import DiskSpec, InstanceSpec, codec
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_plugins.disk_file import FileTemplate
from ganeti_plugins.hv_fake import FakeHypervisor

RECORDED = Path(__file__).resolve().parents[1] / "data/sagas/hypervisors_by_name.json"
"""Rows of the table of sagas, as the version wrote them whose hooks took an instance's name."""
INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="mine",
    beparams={"maxmem": 256, "minmem": 128, "vcpus": 2})


def recorded() -> dict[str, Entry]:
    entries = [Entry.from_row(row) for row in json.loads(RECORDED.read_text())]
    return {entry.call.args["hook"]: entry for entry in entries}


def perform(node: OnANode, entry: Entry) -> Any:
    args = entry.call.args
    return run_hook(node.world, HookRequest(
        args["kind"], "mine", args["hook"], args["arguments"], args.get("settings") or {}))


@pytest.fixture
def node(tmp_path: Path) -> OnANode:
    found = OnANode.with_driver(tmp_path, HYPERVISORS, FakeHypervisor())
    found.call("start", instance=INSTANCE, paused=False)
    return found


@pytest.mark.parametrize("hook", ["stop", "migration_abort"])
def test_calls_with_a_name_are_made_for_the_instance(node: OnANode, hook: str) -> None:
    entry = recorded()[hook]
    assert INSTANCE.name in entry.objects
    perform(node, entry)
    assert [guest.name for guest in node.call("running")] == (
        [] if hook == "stop" else [INSTANCE.name])


def test_changes_of_devices_have_hooks_of_their_own() -> None:
    found = recorded()
    assert {name: sorted(found[name].call.args["arguments"])
            for name in ("unplug_nic", "plug_disk")} == {
        "unplug_nic": ["instance", "nic"], "plug_disk": ["disk", "instance"]}


def disks() -> dict[tuple[str, str], Entry]:
    """Calls for disks as the version wrote them that gave a disk its role and its peers."""
    rows = json.loads(RECORDED.with_name("disks_by_role.json").read_text())
    entries = [Entry.from_row(row) for row in rows]
    return {(entry.call.args["driver"], entry.call.args["hook"]): entry for entry in entries}


def test_what_was_owed_for_a_disk_is_done(tmp_path: Path) -> None:
    (tmp_path / "srv/ganeti/file-storage").mkdir(parents=True)
    node = OnANode.with_driver(tmp_path, DISK_TEMPLATES, FileTemplate())
    found = disks()
    for hook in ("create", "open", "grow"):
        perform(node, found["file", hook])
    (image,) = tmp_path.rglob("*.disk0")
    assert image.stat().st_size == 9 << 20
    perform(node, found["file", "remove"])
    assert not image.exists()


@pytest.mark.parametrize("hook", ["close", "remove"])
def test_a_disk_of_two_nodes_knows_its_nodes_and_what_it_drew(hook: str) -> None:
    entry = disks()["pair", hook]
    assert entry.objects >= {"c0ffee00-0000-4000-8000-000000000001"}
    disk = codec.decode(DiskSpec, entry.call.args["arguments"]["disk"])
    assert (disk.role, disk.here, disk.minor) == ("secondary", "node-uuid-2", 5)
    assert [peer.name for peer in disk.peers] == ["node1.example.com"]
    assert (disk.granted["port"], disk.params) == (11000, {"resync-rate": 1024})
    assert disk.children[0].role == "secondary"
    assert Entry.from_row([7, 0, 0, entry.to_write().doc]).call == entry.call


def test_a_call_that_nobody_takes_any_more_is_refused_by_name(node: OnANode) -> None:
    row = next(row for row in json.loads(RECORDED.read_text()) if '"hotplug"' in row[3])
    entry = Entry.from_row([*row[:3], row[3].replace('"action":"remove"', '"action":"polish"')])
    with pytest.raises(NotSupported, match="hypervisors have no hook hotplug on this node"):
        perform(node, entry)


def test_calls_of_this_versions_form_are_as_they_were() -> None:
    rows = {json.loads(row[3])["call"]["args"]["hook"]: row
            for row in json.loads(RECORDED.read_text())}
    start = recorded()["start"]
    assert json.loads(rows["start"][3])["call"] == start.call.to_dict()
    written = json.loads(json.dumps([7, 0, 0, recorded()["stop"].to_write().doc]))
    assert Entry.from_row(written) == recorded()["stop"]
