"""Instance policies: what they may say, and how a value of its own is taken away."""

from __future__ import annotations

import json

import pytest
from crowd import NO_NETWORK
from virtual_cluster import Ran, VirtualCluster


def policy(cluster: VirtualCluster) -> dict[str, object]:
    """The default group's own policy and what it amounts to, from the commands."""
    with cluster.luxi() as client:
        [[(_, own), (_, filled)]] = client.query(
            "group", ["custom_ipolicy", "ipolicy"],
            ["=", "name", "default"])["data"]
    return {"own": own, "filled": filled}


def modify(cluster: VirtualCluster, level: str, *options: str) -> Ran:
    words = ("gnt-group", "modify", *options, "default") if level == "group" else (
        "gnt-cluster", "modify", *options)
    return cluster.try_(*words)


@pytest.mark.parametrize("level", ["cluster", "group"])
@pytest.mark.parametrize(("templates", "said"), [
    ("shardfile", "Invalid disk template(s) shardfile"),
    ("sharedfile,nosuch,neither", "Invalid disk template(s) nosuch, neither"),
    ("ext", "allowed by the ipolicy, but not enabled on the cluster: ext"),
])
def test_templates_that_cannot_be_used_are_refused(cluster, level, templates, said):
    refused = modify(cluster, level, f"--ipolicy-disk-templates={templates}")
    assert refused.status == 1
    assert said in refused.stderr
    cluster.gnt("hcheck", "-L")


def test_a_policy_must_allow_an_enabled_template(cluster):
    cluster.gnt("gnt-group", "modify", "--ipolicy-disk-templates=file", "default")
    refused = modify(cluster, "cluster", "--enabled-disk-templates=diskless,sharedfile")
    assert ("The instance policy of node group default allows no disk template that is enabled: it "
            "allows file, enabled are diskless, sharedfile") in refused.stderr
    cluster.gnt("gnt-group", "modify", "--ipolicy-disk-templates=default", "default")


def test_a_groups_own_values_are_taken_away(cluster):
    before = policy(cluster)
    assert before["own"] == {}
    bounds = ("min:cpu-count=1,disk-count=0,disk-size=0,memory-size=4,nic-count=0,spindle-use=0/"
              "max:cpu-count=2,disk-count=1,disk-size=5,memory-size=500,nic-count=1,spindle-use=3")
    cluster.gnt("gnt-group", "modify", f"--ipolicy-bounds-specs={bounds}",
                "--ipolicy-disk-templates=file", "--ipolicy-vcpu-ratio=2",
                "--ipolicy-spindle-ratio=3", "default")
    assert policy(cluster)["own"].keys() == {
        "minmax", "disk-templates", "vcpu-ratio", "spindle-ratio"}
    for option in ("bounds-specs", "disk-templates", "vcpu-ratio", "spindle-ratio"):
        cluster.gnt("gnt-group", "modify", f"--ipolicy-{option}=default", "default")
    assert policy(cluster) == before


def test_the_clusters_values_go_back_to_what_is_built_in(cluster):
    before = policy(cluster)["filled"]
    cluster.gnt("gnt-cluster", "modify", "--ipolicy-std-specs=memory-size=256",
                "--ipolicy-disk-templates=file", "--ipolicy-vcpu-ratio=2")
    assert policy(cluster)["filled"] != before
    for option in ("std-specs", "disk-templates", "vcpu-ratio", "bounds-specs"):
        cluster.gnt("gnt-cluster", "modify", f"--ipolicy-{option}=default")
    assert json.dumps(policy(cluster)["filled"], sort_keys=True) == json.dumps(
        before, sort_keys=True)


def test_a_refusal_names_the_group(cluster):
    refused = cluster.try_(
        "gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop", "-n", "node1",
        "-B", "memory=128M,vcpus=99", *NO_NETWORK, "wide.example.com")
    assert refused.status == 1
    assert "wrong_input" in refused.stderr
    assert "(default) violates policy: cpu-count value 99 is not in range [1, 16]" in refused.stderr


def test_a_move_to_a_group_that_does_not_allow_it_is_refused(cluster):
    """An instance may not leave what is allowed by moving; one that is outside already may move."""
    cluster.gnt("gnt-group", "add", "--ipolicy-disk-templates=file", "files")
    cluster.gnt("gnt-group", "assign-nodes", "files", "node4")
    name = "stays.example.com"
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop", "-n",
                "node1", "-B", "memory=128M", *NO_NETWORK, name)
    move = ("gnt-instance", "migrate", "-f", "-n", "node4")
    refused = cluster.try_(*move, name)
    assert "does not meet target node group's (files) instance policy: Disk template diskless is " \
           "not allowed (allowed templates: file)" in refused.stderr
    cluster.gnt(*move, "--ignore-ipolicy", name)
    cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node1", name)
    cluster.gnt("gnt-group", "assign-nodes", "default", "node4")
    cluster.gnt("gnt-group", "remove", "files")
