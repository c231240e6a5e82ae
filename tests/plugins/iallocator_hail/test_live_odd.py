"""The programs on a running cluster whose nodes and instances are in every state there is.

No node can say how much disk it has, one node is offline, one does not answer, one is drained;
instances are stopped, offline, dead behind the master's back, or on nodes of which nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

NEW = ("-o", "noop", "--no-install", "-t", "diskless", "--no-nics", "--no-name-check",
       "--no-ip-check")
HOMES = {"runs": "node1", "stopped": "node1", "off": "node2", "died": "node2", "unheard": "node3",
         "gone": "node4"}
PROGRAMS = ("hinfo", "hbal", "hcheck", "hspace", "hroller", "hsqueeze", "harep", "hscan")
SILENT = "Warning: node node3.example.com does not answer; left out"


@pytest.fixture(scope="module")
def odd(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    cluster = make_cluster(
        "--nodes", "5", "--hypervisor", "fake", "--disk-templates", "diskless")
    for name, node in HOMES.items():
        cluster.gnt("gnt-instance", "add", *NEW, "-B", "memory=64M", "-n", node,
                    f"{name}.example.com")
    cluster.gnt("gnt-instance", "shutdown", "stopped.example.com")
    cluster.gnt("gnt-instance", "shutdown", "off.example.com")
    cluster.gnt("gnt-instance", "modify", "--offline", "off.example.com")
    cluster.gnt("gnt-group", "add", "empty")
    cluster.gnt("gnt-node", "modify", "--drained=yes", "-f", "node5")
    cluster.tool("stop", "node3")
    cluster.gnt("gnt-node", "modify", "--offline=yes", "-f", "node4")
    wait_until(lambda: states(cluster)["unheard"] == "ERROR_nodedown", "a silent node")
    return cluster


def states(cluster: VirtualCluster) -> dict[str, str]:
    return {name.split(".")[0]: state for name, state in cluster.instances("name", "status")}


def test_the_cluster_is_as_odd_as_it_should_be(odd: VirtualCluster) -> None:
    assert states(odd) == {
        "runs": "running", "stopped": "ADMIN_down", "off": "ADMIN_offline", "died": "running",
        "unheard": "ERROR_nodedown", "gone": "ERROR_nodeoffline"}
    assert {row[0] for row in odd.table("gnt-node", "list", "-o", "dtotal", "node1", "node2")} <= {
        "?", "-", "0M", "0"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_reads_it(odd: VirtualCluster, program: str, tmp_path: Path) -> None:
    more = ("-d", str(tmp_path)) if program == "hscan" else ()
    ran = odd.try_(program, "-L", *more)
    # hcheck says by its status that an instance is on a node that is offline, and so it is.
    assert ran.status == (1 if program == "hcheck" else 0), ran
    assert "Error" not in ran.stderr
    assert SILENT in ran.stderr


def test_nodes_without_known_disk_are_online(odd: VirtualCluster) -> None:
    table = odd.gnt("hinfo", "-L", "-pstatus,name,tmem,tdsk,tcpu").stderr.splitlines()
    rows = {line[2:].split()[0]: (line[1], line.split()[-3:]) for line in table
            if "node" in line and "." not in line}
    assert {name for name, (status, _) in rows.items() if status == "-"} == {
        "node3", "node4", "node5"}
    for name in ("node1", "node2"):
        memory, disk, cpus = rows[name][1]
        assert int(memory) > 0
        assert (int(disk), int(cpus) > 0) == (0, True)


def test_places_are_found_and_counted(odd: VirtualCluster) -> None:
    told = odd.gnt("hspace", "-L", "--machine-readable", "--disk-template", "diskless").stdout
    lines = dict(line.split("=", 1) for line in told.splitlines())
    assert int(lines["HTS_ALLOC_INSTANCES"]) > 0
    assert int(lines["HTS_INI_INST_CNT"]) == len(HOMES)

    ran = odd.gnt("gnt-instance", "add", *NEW, "-B", "memory=64M", "new.example.com")
    assert odd.instances("name", "pnode")[2][1] in ("node1.example.com", "node2.example.com")
    assert "node node3.example.com does not answer" in ran.stdout + ran.stderr
    odd.gnt("gnt-instance", "remove", "-f", "new.example.com")


def test_only_what_is_known_to_be_offline_counts_as_offline(odd: VirtualCluster) -> None:
    told = odd.try_("hcheck", "-L", "--machine-readable").lines
    assert "HCHECK_INIT_CLUSTER_OFFLINE_PRI=1" in told
    # Nothing is moved from a node that does not answer: it may run its instances all the same.
    moved = odd.gnt("hbal", "-L", "-C", "-e", "0").stdout
    assert "unheard" not in moved


def test_what_hscan_writes_is_read_again(odd: VirtualCluster, tmp_path: Path) -> None:
    odd.gnt("hscan", "-L", "-d", str(tmp_path))
    told = odd.gnt("hinfo", "-t", str(tmp_path / "LOCAL.data")).stdout
    assert "Loaded 5 nodes, 6 instances, 2 node groups" in told.splitlines()


def test_a_node_cannot_have_less_than_no_spindles(odd: VirtualCluster) -> None:
    ran = odd.try_("gnt-node", "modify", "--node-parameters", "spindle_count=-3", "node2")
    assert ran.status == 1
    assert "spindle_count" in ran.stderr
    odd.gnt("gnt-node", "modify", "--node-parameters", "spindle_count=0", "node2")
    told = odd.gnt("hinfo", "-L")
    assert "node node2.example.com has no spindles" in told.stderr
    assert "NaN" not in told.stdout
    odd.gnt("gnt-node", "modify", "--node-parameters", "spindle_count=default", "node2")


def test_a_creation_explains_once_why_there_is_no_place(odd: VirtualCluster) -> None:
    ran = odd.try_("gnt-instance", "add", "--explain", *NEW, "-B", "memory=60G", "big.example.com")
    assert ran.status == 1
    told = ran.stdout + ran.stderr
    assert told.count("FailMem on 2 nodes: node1.example.com, node2.example.com") == 1, told
    assert told.count("failure reasons: FailMem: 2") >= 2
