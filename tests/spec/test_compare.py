"""What differs, in documents alone: which device is which, what is refused, and in what order."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.opcodes.base import OpCode, parameters
from ganeti_core.opcodes.cluster import ClusterSetParams
from ganeti_core.opcodes.unavailable import PARAMETERS
from ganeti_core.spec.compare import compare
from ganeti_core.spec.devices import compare_disks, compare_nics
from ganeti_core.spec.schema import CLUSTER
from ganeti_core.spec.steps import Plan

WEB: dict[str, Any] = {
    "state": "down", "hypervisor": "fake", "disk_template": "file", "primary_node": "n1",
    "beparams": {"maxmem": 64}, "tags": ["a", "b"], "hvparams": {},
    "disks": [{"size": 10, "mode": "rw"}, {"size": 20, "mode": "rw"}],
    "nics": [{"mac": "aa:00:00:00:00:01", "link": "br1"}]}
HAVE: dict[str, Any] = {
    "version": 1,
    "cluster": {"enabled_hypervisors": ["fake"], "enabled_disk_templates": ["file", "diskless"],
                "hvparams": {"fake": {"x": 1}}, "tags": ["t"], "hidden_os": ["old"]},
    "groups": {"default": {"alloc_policy": "preferred"}, "g2": {"alloc_policy": "preferred",
                                                                "ndparams": {"ssh_port": 1}}},
    "nodes": {"n1": {"group": "default"}, "n2": {"group": "g2"}},
    "networks": {"lan": {"network": "10.0.0.0/24", "reserved": ["10.0.0.5"],
                         "groups": {"default": {"mode": "bridged", "link": "br0"}}}},
    "instances": {"web": WEB, "db": {**WEB, "disks": [], "nics": [{"mac": "aa:00:00:00:00:02",
                                                                   "network": "lan"}]}},
}


def planned(prune: bool = False, **sections: Any) -> Plan:
    return compare(HAVE, {"version": 1, **sections}, prune=prune)


def opcodes(plan: Plan) -> list[str]:
    return [opcode["OP_ID"].removeprefix("OP_") for step in plan.ordered()
            for opcode in step.opcodes]


def test_every_setting_of_the_cluster_is_in_the_file() -> None:
    own = parameters(ClusterSetParams).keys() - parameters(OpCode).keys()
    # A pool can only lose users, and secrets have no place in a file. States are of machines, and
    # are told where those are. The network for communication is made by being named, while the file
    # has networks of its own.
    left_out = {"force", "uid_pool", "add_uids", "remove_uids", "osparams_private_cluster",
                "hv_state", "disk_state", "instance_communication_network"}
    assert (CLUSTER["properties"].keys() - {"tags"}
            == own - PARAMETERS.get("OP_CLUSTER_SET_PARAMS", frozenset()) - left_out)


def test_the_cluster_itself_differs_in_nothing() -> None:
    for prune in (False, True):
        plan = compare(HAVE, copy.deepcopy(HAVE), prune=prune)
        assert (plan.steps, plan.refused, plan.left) == ([], [], [])


@given(st.sets(st.sampled_from(sorted(HAVE.keys() - {"version"}))))
def test_what_a_file_does_not_name_is_left_alone(sections: set[str]) -> None:
    plan = planned(prune=True, **{name: HAVE[name] for name in sections})
    assert (plan.steps, plan.left) == ([], [])


def test_nothing_is_removed_without_being_asked() -> None:
    lacking: dict[str, Any] = {
        "cluster": {"tags": [], "hvparams": {}, "hidden_os": []}, "groups": {"default": {}},
        "nodes": {}, "networks": {}, "instances": {"web": {"tags": ["a"], "beparams": {},
                                                           "nics": []}}}
    plan = planned(**lacking)
    assert plan.steps == []
    assert set(plan.left) == {
        "cluster: tags/t", "cluster: hvparams/fake/x", "cluster: hidden_os/old", "group g2",
        "network lan", "network lan in group default", "instance db", "instance web: tags/b",
        "instance web: beparams/maxmem", "instance web: nics/0"}
    lacking["nodes"] = {"n2": {"group": "default"}}
    pruned = planned(prune=True, **lacking)
    assert opcodes(pruned) == [
        "CLUSTER_SET_PARAMS", "TAGS_DEL", "GROUP_ASSIGN_NODES", "INSTANCE_SET_PARAMS", "TAGS_DEL",
        "INSTANCE_REMOVE", "NETWORK_DISCONNECT", "NETWORK_REMOVE", "GROUP_REMOVE"]
    assert pruned.steps[0].opcodes[0] == {
        "OP_ID": "OP_CLUSTER_SET_PARAMS", "hvparams": {"fake": {"x": "default"}},
        "hidden_os": [["remove", "old"]]}
    assert [step.what for step in pruned.ordered() if step.destroys] == ["instance db"]


def test_each_job_follows_those_of_the_stage_before() -> None:
    plan = planned(groups={"new": {}, "g2": {"alloc_policy": "unallocable"}},
                   nodes={"n1": {"group": "new"}}, instances={"x": {"state": "down"}})
    assert [(step.what, [at for at, _ in job[0].get("depends", ())])
            for step, job in zip(plan.ordered(), plan.batch(), strict=True)] == [
        ("group new", []), ("group g2", []), ("node n1", [-2, -1]), ("instance x", [-1])]
    assert plan.batch()[2][0]["depends"] == [[-2, ["success"]], [-1, ["success"]]]


def test_what_is_in_use_is_disabled_last() -> None:
    plan = planned(prune=True, instances={}, cluster={
        "enabled_disk_templates": ["diskless", "sharedfile"]})
    first, *_, last = plan.ordered()
    assert first.opcodes[0]["enabled_disk_templates"] == ["diskless", "sharedfile", "file"]
    assert last.opcodes[0]["enabled_disk_templates"] == ["diskless", "sharedfile"]
    assert opcodes(plan)[1:3] == ["INSTANCE_REMOVE", "INSTANCE_REMOVE"]


@pytest.mark.parametrize(("sections", "refusal"), [
    ({"instances": {"web": {"disks": [{"size": 9}, {"size": 20}]}}},
     "instance web: disks/0: a disk cannot be made smaller: it has 10 MiB, the file says 9"),
    ({"instances": {"web": {"disks": [{"size": 20}]}}},
     "instance web: disks: it has 2, and which of them the file lacks cannot be known"),
    ({"instances": {"web": {"disks": [{"size": 10, "params": {"x": 1}}, {"size": 20}]}}},
     "instance web: disks/0: params/x cannot be changed in place: it is (none), the file says 1"),
    ({"instances": {"web": {"hypervisor": "kvm"}}},
     "instance web: hypervisor cannot be changed in place: it is fake, the file says kvm"),
    ({"instances": {"web": {"disk_template": "plain"}}}, "instance web: disk_template cannot"),
    ({"instances": {"web": {"primary_node": "n2"}}}, "instance web: primary_node cannot be"),
    ({"instances": {"new": {"disks": [{"size": 1}]}}}, "instance new: a new instance with disks"),
    ({"instances": {"-x": {}}}, "instance -x: Invalid hostname"),
    ({"nodes": {"n9": {}}}, "node n9: it is not in the cluster"),
    ({"nodes": {"n1": {"group": "nowhere"}}}, "node n1: there is no group 'nowhere'"),
    ({"networks": {"lan": {"network": "10.1.0.0/24"}}},
     "network lan: its range cannot be changed in place: it is 10.0.0.0/24"),
    ({"networks": {"lan": {"network": "10.0.0.0/24", "groups": {
        "default": {"mode": "bridged", "link": "br7"}}}}},
     "network lan in group default: what cards are there cannot be changed while instances use"),
    ({"networks": {"lan": {"network": "10.0.0.0/24", "groups": {
        "zz": {"mode": "bridged", "link": "br7"}}}}}, "network lan in group zz: there is no group"),
])
def test_what_cannot_be_done_in_place_is_named(sections: dict[str, Any], refusal: str) -> None:
    (problem,) = planned(**sections).refused
    assert problem.startswith(refusal)


def test_addresses_that_no_instance_gets_anyway_are_no_difference() -> None:
    """The ends of a network and its gateway may be listed; the cluster's document has them not."""
    lan = {**HAVE["networks"]["lan"], "gateway": "10.0.0.1"}
    listed = {**lan, "reserved": ["10.0.0.0", "10.0.0.1", "10.0.0.255", *lan["reserved"]]}
    have = {**HAVE, "networks": {"lan": lan}}
    plan = compare(have, {"version": 1, "networks": {"lan": listed}}, prune=False)
    assert (plan.steps, plan.refused) == ([], [])
    made = compare(have, {"version": 1, "networks": {"lan": lan, "new": listed}}, prune=False)
    (opcode,) = made.steps[0].opcodes
    assert opcode["add_reserved_ips"] == lan["reserved"]


def test_a_group_with_nodes_is_not_removed() -> None:
    assert planned(prune=True, groups={"default": {}}).refused == [
        "group g2: it cannot be removed, it has nodes: n2"]
    assert planned(prune=True, groups={"default": {}},
                   nodes={"n2": {"group": "default"}}).refused == []


NAMED = [{"size": 1, "name": "a"}, {"size": 2, "name": "b"}, {"size": 3}]


FULL: dict[str, Any] = {
    **HAVE, "nodes": {"n1.example.com": {"group": "default"}, "n2.example.com": {"group": "g2"}},
    "instances": {"web.example.com": {**WEB, "primary_node": "n1.example.com"}}}


@pytest.mark.parametrize(("sections", "refusal"), [
    ({"instances": {"WEB": {"state": "up"}}},
     "instance WEB: the file needs full names, and the cluster has web.example.com"),
    ({"instances": {"web.example.com": {"primary_node": "n1"}}},
     "instance web.example.com: primary_node: the file needs full names: n1.example.com"),
    ({"instances": {"web.example.com": {}, "new": {"secondary_node": "n2"}}},
     "instance new: secondary_node: the file needs full names: n2.example.com"),
    ({"nodes": {"n2": {}}}, "node n2: the file needs full names, and the cluster has n2.example"),
])
def test_the_beginning_of_a_name_is_no_new_object(
    sections: dict[str, Any], refusal: str
) -> None:
    """What is meant would be removed with --prune, and something empty be made."""
    plan = compare(FULL, {"version": 1, **sections}, prune=True)
    assert [one[:len(refusal)] for one in plan.refused] == [refusal]
    assert not plan.steps


def test_a_name_that_begins_another_one_can_be_both() -> None:
    plan = compare(FULL, {"version": 1, "instances": {"web.example.com": {}, "web": {}}})
    assert (plan.refused, [step.what for step in plan.steps]) == ([], ["instance web"])


def test_disks_are_known_by_their_names() -> None:
    grown = compare_disks(NAMED, [{"size": 1, "name": "a"}, {"size": 5, "name": "b"}, {"size": 3}],
                          prune=True)
    assert (grown.grown, grown.changes) == ([(1, 5)], [])
    gone = compare_disks(NAMED, NAMED[1:2], prune=True)
    assert gone.changes == [["remove", 2, {}], ["remove", 0, {}]]
    assert gone.removed == 2
    new = compare_disks(NAMED, [*NAMED, {"size": 4, "params": {"x": 1}}], prune=False)
    assert new.changes == [["add", 3, {"size": 4, "x": 1}]]
    named = compare_disks(NAMED, [*NAMED[:2], {"size": 3, "name": "c"}], prune=False)
    assert named.changes == [["modify", 2, {"name": "c"}]]
    order = compare_disks(NAMED, [NAMED[1], NAMED[0], NAMED[2]], prune=False)
    assert order.refused == ["disks: their order cannot be changed in place"]


def test_cards_are_known_by_name_or_address() -> None:
    have = [{"mac": "m1", "ip": "10.0.0.1"}, {"mac": "m2", "name": "lan", "link": "br1"}]
    assert compare_nics(have, have[1:], prune=False).left == ["nics/0"]
    gone = compare_nics(have, [{"name": "lan", "link": "br2"}], prune=True)
    assert gone.changes == [["remove", 0, {}], ["modify", 0, {"link": "br2"}]]
    new = compare_nics(have, [have[0], {"link": "br9"}, have[1]], prune=False)
    assert new.changes == [["add", 1, {"link": "br9"}]]
    moved = compare_nics(have, [{"network": "n", "ip": "10.0.0.1"}, have[1]], prune=True)
    assert moved.changes == [["modify", 0, {"network": "n", "ip": "10.0.0.1"}]]
    drawn = [{"mac": "m1", "network": "n", "ip": "10.0.0.1"}]
    assert compare_nics(drawn, [{"network": "n", "ip": "pool"}], prune=True).changes == []


def test_options_of_a_disk_are_compared_one_by_one() -> None:
    """A file may say some of them, and as texts, as a command line does."""
    have = [{"size": 4, "params": {"vg": "fast", "stripes": 2}}]
    for params in ({"vg": "fast"}, {"stripes": "2"}, {}):
        assert compare_disks(have, [{"size": 4, "params": params}], prune=True).refused == []
    (refused,) = compare_disks(
        have, [{"size": 4, "params": {"vg": "slow", "stripes": 2}}], prune=False).refused
    assert refused == ("disks/0: params/vg cannot be changed in place: it is fast, the file says"
                       " slow")
