"""Parameters are inherited: defaults, cluster, group or OS, object."""

from __future__ import annotations

from ganeti_core.model import Cluster, Instance, Nic, Node, NodeGroup
from ganeti_core.model.params import (
    filled_beparams,
    filled_diskparams,
    filled_hvparams,
    filled_ipolicy,
    filled_ndparams,
    filled_nicparams,
    filled_osparams,
)


def cluster(**values: object) -> Cluster:
    return Cluster(uuid="c", name="cluster", master_node="n", **values)


def instance(**values: object) -> Instance:
    return Instance(uuid="i", name="i", primary_node="n", hypervisor="kvm", **values)


def test_back_end_parameters() -> None:
    filled = filled_beparams(
        cluster(beparams={"default": {"vcpus": 2, "maxmem": 512}}),
        instance(beparams={"maxmem": 1024}))
    assert (filled["vcpus"], filled["maxmem"], filled["minmem"]) == (2, 1024, 128)


def test_hypervisor_parameters_of_the_os_come_between_cluster_and_instance() -> None:
    filled = filled_hvparams(
        {"a": 0, "b": 0, "c": 0, "d": 0},
        cluster(hvparams={"kvm": {"b": 1, "c": 1, "d": 1}, "xen": {"a": 9}},
                os_hvp={"debian+small": {"kvm": {"c": 2, "d": 2}}}),
        instance(os="debian+small", hvparams={"d": 3}))
    assert filled == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_os_parameters_of_the_variant_override_those_of_the_os() -> None:
    whole = cluster(
        osparams={"debian": {"a": "os", "b": "os"}, "debian+small": {"b": "variant"}},
        osparams_private_cluster={"debian": {"secret": "os"}})
    own = instance(os="debian+small", osparams={"c": "own"}, osparams_private={"key": "own"})
    public = {"a": "os", "b": "variant", "c": "own"}
    assert filled_osparams(whole, own) == public
    assert filled_osparams(whole, own, private=True) == {**public, "secret": "os", "key": "own"}


def test_network_cards() -> None:
    filled = filled_nicparams(
        cluster(nicparams={"default": {"link": "br1"}}),
        Nic(uuid="n", mac="aa", nicparams={"mode": "routed"}))
    assert filled == {"mode": "routed", "link": "br1", "vlan": ""}


def test_nodes_inherit_from_their_group() -> None:
    whole = cluster(ndparams={"ssh_port": 2222, "cpu_speed": 2.0, "ovs": True})
    group = NodeGroup(uuid="g", name="g", ndparams={"cpu_speed": 3.0, "ovs": False})
    node = Node(uuid="n", name="n", group="g", primary_ip="", ndparams={"ovs": True})
    assert filled_ndparams(whole)["cpu_speed"] == 2.0
    assert filled_ndparams(whole, group)["ovs"] is False
    filled = filled_ndparams(whole, group, node)
    assert (filled["ssh_port"], filled["cpu_speed"], filled["ovs"]) == (2222, 3.0, True)


def test_disk_parameters_of_templates_without_driver_are_kept() -> None:
    filled = filled_diskparams(
        {"file": {"a": 0}}, cluster(diskparams={"rbd": {"pool": "x"}}),
        NodeGroup(uuid="g", name="g", diskparams={"file": {"a": 1}}))
    assert filled == {"file": {"a": 1}, "rbd": {"pool": "x"}}


def test_instance_policy_is_merged_where_it_is_a_table() -> None:
    whole = cluster(enabled_disk_templates=("file",), ipolicy={"std": {"cpu-count": 2}})
    group = NodeGroup(uuid="g", name="g", ipolicy={"vcpu-ratio": 1.0})
    filled = filled_ipolicy(whole, group)
    assert filled["std"]["cpu-count"] == 2
    assert filled["std"]["memory-size"] == 128
    assert filled["vcpu-ratio"] == 1.0
    assert filled["disk-templates"] == ["file"]
    assert len(filled["minmax"]) == 1
