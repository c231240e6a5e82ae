"""``gnt-node list-storage``, and what of storage cannot be changed here."""

from __future__ import annotations

import re

import pytest
from virtual_cluster import VirtualCluster, wait_until


def test_the_room_of_nodes(cluster: VirtualCluster) -> None:
    head, *lines = cluster.gnt("gnt-node", "list-storage").lines
    assert re.fullmatch(r"Node +Type Name +Size +Used +Free Allocatable", head), head
    assert len(lines) == 4
    assert re.fullmatch(r"node2.example.com file /srv/ganeti/file-storage( +[\d.]+[MGT]){3} Y",
                        lines[1]), lines[1]
    ((name, size, used, free),) = cluster.table(
        "gnt-node", "list-storage", "-o", "name,size,used,free", "--units=m", "-t", "sharedfile",
        "node3")
    assert "shared" in name
    assert int(size) == int(used) + int(free)
    assert cluster.gnt("gnt-node", "list-storage", "-o", "+node", "--no-headers",
                       "node1").lines[0].endswith(" Y node1.example.com")


@pytest.mark.parametrize(("words", "why"), [
    (["list-storage", "--storage-type=nosuch"],
     "No disk template of storage type 'nosuch' is enabled in this cluster. Enabled disk templates"
     " are: "),
    (["list-storage", "-o", "node,nosuch"], "Unknown output fields selected: nosuch"),
    (["list-storage", "node9"], "Node 'node9' not known"),
    (["volumes"], "No disk template whose volumes can be listed is enabled in this cluster."),
    (["modify-storage", "--allocatable=no", "node1", "lvm-pv", "x"],
     "Storage units of type 'lvm-pv' can not be modified (types that can: none)"),
    (["repair-storage", "node1", "lvm-vg", "x"],
     "Storage units of type 'lvm-vg' can not be repaired (types that can: none)"),
])
def test_what_is_refused(cluster: VirtualCluster, words: list[str], why: str) -> None:
    ran = cluster.try_("gnt-node", *words)
    assert ran.status == 1
    assert why in ran.stderr


def test_no_change_is_nothing_to_do(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-node", "modify-storage", "node1", "lvm-pv", "x")
    assert (ran.status, ran.stderr) == (0, "No changes to perform, exiting.\n")


def test_a_silent_node_is_named(cluster: VirtualCluster) -> None:
    cluster.tool("stop", "node4")
    try:
        # What it said a moment ago may still be shown.
        ran = wait_until(lambda: (found := cluster.gnt(
            "gnt-node", "list-storage", "--no-headers")).stdout.count("/srv/") == 3 and found,
            "the silent node's storage is not shown any more")
        assert "Can't get storage data from node node4.example.com: " in ran.stdout
        assert [line.split()[0] for line in ran.lines if "/srv/" in line] == [
            "node1.example.com", "node2.example.com", "node3.example.com"]
    finally:
        cluster.bring_back()
