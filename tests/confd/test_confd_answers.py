"""What confd says where nothing was recorded: roles, mirrored disks, secrets, odd questions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from confd_cluster import INTERVALS, KEY, ask, snapshot

from ganeti_core.confd.answers import SECRET, Answers
from ganeti_core.confd.service import Service
from ganeti_core.confd_client import messages
from ganeti_core.confd_client.ganeti_text import number
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.model import Disk


def with_objects(kind: str, *values: Any) -> Snapshot:
    base = snapshot()
    return replace(base, objects={
        **base.objects, kind: {**base.of_kind(kind), **{one.uuid: one for one in values}}})


def asked_of(state: Snapshot, kind: int, query: Any = None) -> dict[str, Any]:
    service = Service(KEY)
    service.use(Answers(state, INTERVALS))
    return ask(kind, query, service)


def test_answers_after_a_node_has_come_are_newer_than_those_before() -> None:
    node = replace(snapshot().node("node3.example.com"), uuid="new", name="new.example.com")
    store_has = replace(with_objects("node", node), serial=snapshot().serial + 1)
    before, after = asked_of(snapshot(), messages.NODES), asked_of(store_has, messages.NODES)
    assert len(after["answer"]) == len(before["answer"]) + 1
    assert after["serial"] > before["serial"] > 0


@pytest.mark.parametrize(("changes", "role"), [
    ({}, 1), ({"master_candidate": False}, 4),
    ({"offline": True, "master_candidate": False}, 2),
    ({"drained": True, "master_candidate": False}, 3)])
def test_roles_of_nodes(changes: dict[str, bool], role: int) -> None:
    node = replace(snapshot().node("node3.example.com"), **changes)
    assert asked_of(with_objects("node", node), messages.NODE_ROLE, node.name)["answer"] == role


def test_the_master_is_known_by_the_beginning_of_its_name_too() -> None:
    assert ask(messages.NODE_ROLE, "node1")["answer"] == 0


def mirrored() -> tuple[Snapshot, str, str]:
    """A disk of inst5 that two nodes hold, and their names."""
    base = snapshot()
    instance = base.instance("inst5.example.com")
    first, second = base.nodes[instance.primary_node], base.node("node1.example.com")
    disk = replace(
        next(iter(base.disks.values())), uuid="mirrored", instance=instance.uuid, logical_id=(),
        granted={"minor": {first.uuid: 3, second.uuid: 7}, "port": 11001, "secret": "hush"})
    instance = replace(instance, disks=(disk.uuid,), secondary_nodes=(second.uuid,))
    state = with_objects("disk", disk)
    return replace(state, objects={**state.objects, "instance": {
        **state.instances, instance.uuid: instance}}), first.name, second.name


def test_minors_of_both_nodes_name_instance_role_and_the_other_node() -> None:
    state, first, second = mirrored()
    assert asked_of(state, messages.NODE_MINORS, first)["answer"] == [
        [first, 3, "inst5.example.com", "disk/0", "primary", second]]
    assert asked_of(state, messages.NODE_MINORS, second)["answer"] == [
        [second, 7, "inst5.example.com", "disk/0", "secondary", first]]


def test_instances_of_a_node_are_primary_or_secondary() -> None:
    state, first, second = mirrored()
    primary, secondary = asked_of(state, messages.NODE_INSTANCES, first)["answer"]
    assert ([one["name"] for one in primary], secondary) == (["inst5.example.com"], [])
    assert list(primary[0])[:4] == ["name", "primary_node", "os", "hypervisor"]
    primary, secondary = asked_of(state, messages.NODE_INSTANCES, second)["answer"]
    assert (primary, [one["name"] for one in secondary]) == ([], ["inst5.example.com"])


def test_no_secret_is_in_a_datagram_that_anybody_can_read() -> None:
    state, _, _ = mirrored()
    instance = replace(state.instance("inst5.example.com"),
                       osparams_private={"password": "hush"})
    state = replace(state, objects={**state.objects, "instance": {
        **state.instances, instance.uuid: instance}})
    replies = [
        asked_of(state, messages.INSTANCE_DISKS, instance.name),
        asked_of(state, messages.NODE_INSTANCES, instance.primary_node),
        asked_of(state, messages.CONFIG, f"/instances/{instance.uuid}"),
        asked_of(state, messages.CONFIG, "/disks/mirrored")]
    assert [reply["status"] for reply in replies] == [0] * 4
    assert "hush" not in json.dumps(replies)
    assert replies[0]["answer"][0]["logical_id"][-1] == SECRET


@pytest.mark.parametrize(("path", "found"), [
    ("/cluster/enabled_disk_templates/1", "diskless"),
    ("/cluster/hvparams/kvm/acpi", True),
    ("/nodes/1a90d6ef-fd61-4732-859b-1b778c2cfb75/name", "node1.example.com")])
def test_a_path_leads_to_a_part_of_the_configuration(path: str, found: Any) -> None:
    assert ask(messages.CONFIG, path)["answer"] == found


@pytest.mark.parametrize("path", [
    "", "cluster", "/nosuch", "/cluster/nosuch", "/cluster/enabled_disk_templates/99",
    "/cluster/cluster_name/0", "/cluster/enabled_disk_templates/x"])
def test_a_path_that_leads_nowhere_is_a_wrong_argument(path: str) -> None:
    assert ask(messages.CONFIG, path) == {
        "protocol": 1, "status": 1, "answer": messages.ARGUMENT_ERROR, "serial": 0}


def test_an_answer_that_no_datagram_holds_says_so() -> None:
    base = snapshot()
    one = base.instance("inst5.example.com")
    many = [replace(one, uuid=f"u{number}", name=f"many{number}.example.com")
            for number in range(300)]
    reply = asked_of(with_objects("instance", *many), messages.NODE_INSTANCES, one.primary_node)
    assert reply["status"] == 1
    assert "a datagram holds 65507" in reply["answer"]


def test_a_node_without_a_copy_says_that_it_has_none() -> None:
    assert ask(messages.NODES, None, Service(KEY)) == {
        "protocol": 1, "status": 1, "answer": "Configuration not yet loaded", "serial": 0}


def test_a_new_state_replaces_what_was_kept() -> None:
    service = Service(KEY)
    service.use(Answers(snapshot(), INTERVALS))
    assert ask(messages.INSTANCE_DISKS, "inst5", service)["status"] == 0
    gone = replace(snapshot(), objects={**snapshot().objects, "instance": {}}, names={})
    service.use(Answers(gone, INTERVALS))
    assert ask(messages.INSTANCE_DISKS, "inst5", service)["status"] == 1


def test_an_inactive_collector_is_said_to_be_inactive() -> None:
    cluster = snapshot().cluster
    changed = replace(cluster, other={**cluster.other, "data_collectors": {
        "diskstats": {"active": False, "interval": 7000000}}})
    reply = asked_of(with_objects("cluster", changed), messages.COLLECTORS)
    assert reply["answer"]["diskstats"] == {"active": False, "interval": 7000000}
    assert reply["answer"]["lv"] == {"active": True, "interval": 5000000}


@pytest.mark.parametrize(("value", "text"), [
    (1795218941.8189952, "1.7952189418189952e9"), (2.5, "2.5"), (4.0, "4"), (-0.05, "-5.0e-2"),
    (1e22, "10000000000000000000000"), (1.5e-7, "1.5e-7"), (0.1, "0.1"),
    (12345678.9, "1.23456789e7"), (9999999.5, "9999999.5")])
def test_numbers_have_the_form_of_ganeti(value: float, text: str) -> None:
    assert number(value) == text
    assert float(text) == value


def test_a_disk_that_is_only_reserved_is_marked() -> None:
    base = snapshot()
    instance = replace(base.instance("inst2.example.com"), forthcoming=True)
    reply = asked_of(with_objects("instance", instance), messages.INSTANCE_DISKS, instance.name)
    assert [next(iter(disk)) for disk in reply["answer"]] == ["forthcoming"] * 2
    assert isinstance(base.disks[instance.disks[0]], Disk)
