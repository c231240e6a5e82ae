"""What differs between nodes is shown by ``gnt-plugin list --nodes`` and by verify."""

from __future__ import annotations

import json

from virtual_cluster import VirtualCluster


def test_nodes_are_listed_by_what_they_have_otherwise(skewed: VirtualCluster) -> None:
    ran = skewed.try_("gnt-plugin", "list", "--nodes")
    assert ran.status == 3, ran
    assert ran.lines[0].startswith("2 nodes have the master's ")
    assert ran.lines[0].endswith("plugins: node1.example.com, node2.example.com")
    # Nodes that are alike stand together, lines are wrapped.
    for text in (
            "1 node differs from the master: node3.example.com disk_templates:twin: ganeti-twin 1.5"
            ", state version 1; on the master: ganeti-twin 2.0, state version 2"
            " hypervisors:pretender: ganeti-pretender 1.5, state version 1; on the master:"
            " ganeti-pretender 2.0, state version 2",
            "1 node differs from the master: node4.example.com disk_templates:twin: missing; on the"
            " master: ganeti-twin 2.0 hypervisors:pretender: missing; on the master:"
            " ganeti-pretender 2.0"):
        assert text in " ".join(ran.stdout.split()), ran
    assert max(map(len, ran.lines)) <= 96


def test_one_kind_as_data(skewed: VirtualCluster) -> None:
    ran = skewed.try_("gnt-plugin", "list", "--nodes", "--format", "json", "hypervisor")
    nodes = {node["name"].partition(".")[0]: node for node in json.loads(ran.stdout)}
    assert nodes["node1"]["differs"] == nodes["node2"]["differs"] == []
    (old,), (none,) = nodes["node3"]["differs"], nodes["node4"]["differs"]
    assert (old["node"]["state_version"], old["master"]["state_version"]) == (1, 2)
    assert (none["name"], none["node"]) == ("pretender", None)
    assert skewed.gnt("gnt-plugin", "list", "--nodes", "collector").stdout.startswith("4 nodes")
    yaml = skewed.try_("gnt-plugin", "list", "--nodes", "--format", "yaml", "hypervisor").stdout
    assert "state_version: 1" in yaml
    assert skewed.try_("gnt-plugin", "list", "--nodes", "--local").status == 1


def test_nodes_that_are_not_there_are_listed_apart(skewed: VirtualCluster) -> None:
    skewed.gnt("gnt-node", "modify", "--offline=yes", "node4")
    lines = skewed.try_("gnt-plugin", "list", "--nodes").lines
    skewed.gnt("gnt-node", "modify", "--offline=no", "node4")
    assert "1 node is offline: node4.example.com" in lines


def test_verify_names_what_each_node_lacks(skewed: VirtualCluster) -> None:
    ran = skewed.try_("gnt-cluster", "verify")
    assert ran.status == 1
    for finding in (
            "ERROR: node node3.example.com: hypervisor pretender verify failure: 'Node"
            " 'node3.example.com' has the hypervisor 'pretender' (ganeti-pretender 1.5) with state"
            " version 1",
            "ERROR: node node3.example.com: node setup error: Node 'node3.example.com' has the disk"
            " template 'twin' (ganeti-twin 1.5) with state version 1",
            "WARNING: node node3.example.com: plugin hypervisors:pretender is of ganeti-pretender"
            " 1.5, on the master of ganeti-pretender 2.0",
            "ERROR: node node4.example.com: hypervisor pretender verify failure: 'Node"
            " 'node4.example.com' has no hypervisor 'pretender'",
            "ERROR: node node4.example.com: node setup error: Node 'node4.example.com' has no disk"
            " template 'twin'"):
        assert ran.stdout.count(finding) == 1, (finding, ran)
    for node in ("node1", "node2"):
        assert f"node {node}.example.com" not in ran.stdout, ran
    # What nobody uses is no error.
    skewed.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file",
               "--ipolicy-disk-templates=diskless,file")
    ran = skewed.try_("gnt-cluster", "verify")
    skewed.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file,twin",
               "--ipolicy-disk-templates=diskless,file,twin")
    assert "WARNING: node node4.example.com: node setup error: Node 'node4.example.com' has no" \
        " disk template 'twin'" in ran.stdout, ran
