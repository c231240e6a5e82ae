"""The programs on a running cluster: what they read there, and the jobs that they run."""

from __future__ import annotations

import pytest
from virtual_cluster import VirtualCluster, wait_until

NAMES = ("one.example.com", "two.example.com", "three.example.com")


def fill_first_node(cluster: VirtualCluster) -> None:
    for name in NAMES:
        cluster.gnt(
            "gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "noop", "-B",
            "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1", name,
        )


def homes(cluster: VirtualCluster) -> list[str]:
    return [row[0] for row in cluster.instances("pnode")]


@pytest.fixture
def lopsided(cluster: VirtualCluster) -> VirtualCluster:
    """A cluster with all its instances on one node."""
    fill_first_node(cluster)
    return cluster


def test_hbal_moves_instances_until_the_cluster_is_balanced(lopsided: VirtualCluster) -> None:
    ran = lopsided.gnt("hbal", "-L", "-X", "--reason", "evening")
    assert ran.stdout.count("Got job IDs") == 2
    assert len(set(homes(lopsided))) == 3
    with lopsided.luxi() as client:
        number = int(ran.lines[-1].split()[-1])
        status, opcodes = client.query_jobs([number], ["status", "ops"])[0]
    assert status == "success"
    assert [opcode["OP_ID"] for opcode in opcodes] == ["OP_INSTANCE_MIGRATE"]
    assert opcodes[0]["reason"][0][:2] == ["hbal", "evening"]

    again = lopsided.gnt("hbal", "-L", "-X")
    assert " => " not in again.stdout
    assert "Got job IDs" not in again.stdout


def test_hbal_stops_at_a_failed_job(lopsided: VirtualCluster) -> None:
    for disk in (lopsided.root / "shared").rglob("*.disk0"):
        disk.unlink()
    ran = lopsided.try_("hbal", "-L", "-X")
    assert ran.status == 1
    assert "Not all jobs completed successfully" in ran.stderr
    assert ran.stdout.count("Got job IDs") == 1
    assert set(homes(lopsided)) == {"node1.example.com"}


def test_hinfo_and_hcheck_read_the_running_cluster(lopsided: VirtualCluster) -> None:
    told = lopsided.gnt("hinfo", "-L")
    assert "Loaded 3 nodes, 3 instances, 1 node group" in told.lines
    assert "Cluster is N+1 happy" in told.lines
    checked = lopsided.gnt("hcheck", "-L", "--machine-readable")
    assert "HCHECK_INIT_CLUSTER_N1_FAIL=0" in checked.lines
    assert checked.lines[-1] == "HCHECK_OK=1"


def test_hscan_writes_what_hbal_reads(lopsided: VirtualCluster) -> None:
    lopsided.gnt("hscan", "-d", str(lopsided.root), "-L")
    ran = lopsided.gnt("hbal", "-t", str(lopsided.root / "LOCAL.data"), "-l", "1")
    assert "Loaded 3 nodes, 3 instances" in ran.lines
    assert "Solution length=1" in ran.lines


def test_harep_turns_an_ended_repair_into_a_result(lopsided: VirtualCluster) -> None:
    repair = "failover:11111111-2222-3333-4444-555555555555:1400000000"
    job = lopsided.table("gnt-job", "list", "-o", "id")[-1][0]
    prefix = "ganeti:watcher:autorepair"
    lopsided.gnt("gnt-instance", "add-tags", NAMES[0], f"{prefix}:pending:{repair}:{job}")

    assert "Healthy: 3" in lopsided.gnt("harep", "-L").lines
    wanted = [f"{prefix}:result:{repair}:success:{job}"]

    def tags() -> list[str]:
        return lopsided.gnt("gnt-instance", "list-tags", NAMES[0]).lines

    wait_until(lambda: tags() == wanted, "the result's tag alone")


def test_hsqueeze_sets_nodes_offline_that_are_not_needed(lopsided: VirtualCluster) -> None:
    # Whether the machines can be switched off depends on what the nodes have for that.
    lopsided.try_("hsqueeze", "-L", "-X", "--target-resources=0.1")
    rows = lopsided.table("gnt-node", "list", "-o", "name,role,tags")
    for name in ("node2", "node3"):
        lopsided.gnt("gnt-node", "modify", "--offline=no", name)
        lopsided.gnt("gnt-node", "remove-tags", name, "htools:standby:auto")
    assert rows[0][1] == "M"
    assert [row[1:] for row in rows[1:]] == [["O", "htools:standby:auto"]] * 2
