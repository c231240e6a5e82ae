"""A node is reset hard: the guests end, and who may ask for it."""

from __future__ import annotations

from virtual_cluster import VirtualCluster

GUEST = "reset.example.com"


def cycles(cluster: VirtualCluster, node: str) -> int:
    found = list((cluster.root / node).rglob("power-cycles"))
    return len(found[0].read_text().splitlines()) if found else 0


def test_a_power_cycle_ends_what_runs_there(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "add", "--no-install", "--no-name-check", "--no-ip-check", "-o",
                "debootstrap", "--no-nics", "-B", "memory=128M", "-t", "diskless", "-n", "node2",
                GUEST)
    before = cycles(cluster, "node2")
    ran = cluster.gnt("gnt-node", "powercycle", "--yes", "node2")
    assert "All fake guests have ended, as by a reset" in ran.stderr
    assert cycles(cluster, "node2") == before + 1
    assert cluster.table("gnt-instance", "list", "-o", "status", GUEST) == [["ERROR_down"]]
    cluster.gnt("gnt-instance", "remove", "-f", GUEST)


def test_the_master_is_reset_only_by_force(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-node", "powercycle", "--yes", "node1")
    assert "The node is the master and the force parameter was not set" in ran.stderr
    assert (ran.status, cycles(cluster, "node1")) == (1, 0)
    cluster.gnt("gnt-node", "powercycle", "--yes", "--force", "node1")
    assert cycles(cluster, "node1") == 1


def test_nothing_is_reset_unasked(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-node", "powercycle", "node3")
    assert (ran.status, cycles(cluster, "node3")) == (2, 0)
    assert "Are you sure you want to hard powercycle node node3?" in ran.stderr
    cluster.gnt("gnt-node", "powercycle", "--yes", "--dry-run", "node3")
    assert cycles(cluster, "node3") == 0


def test_a_node_that_is_offline_cannot_be_asked(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-node", "modify", "--offline=yes", "node3")
    ran = cluster.try_("gnt-node", "powercycle", "--yes", "node3")
    cluster.gnt("gnt-node", "modify", "--offline=no", "node3")
    assert "is marked offline" in ran.stderr
    assert ran.status == 1
