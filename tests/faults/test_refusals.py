"""A node that refuses a call holds up what concerns the same object, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from virtual_cluster import Ran, VirtualCluster, virtual_cluster

from ganeti_core.plugin_api.testing.faults import write_faults

BAD, GOOD, OTHER = "bad.example.com", "good.example.com", "other.example.com"
WHY = "it clings to life"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    with virtual_cluster(tmp_path_factory.mktemp("refusals") / "c", "--nodes", "2") as made:
        yield made


def order(cluster: VirtualCluster, node: str, **rules: Any) -> None:
    write_faults(cluster.root / node / "etc/ganeti/fake-faults.json", rules)


def add(cluster: VirtualCluster, name: str, node: str) -> Ran:
    return cluster.try_(
        "gnt-instance", "add", "-t", "file", "-s", "1M", "-B", "memory=16M", "-o", "noop",
        "-n", f"{node}.example.com", "--no-name-check", "--no-ip-check", name)


def debts(cluster: VirtualCluster) -> list[list[str]]:
    return [row for row in cluster.table("gnt-node", "list-debts") if row != [""]]


def guests(cluster: VirtualCluster, node: str) -> set[str]:
    folder = cluster.paths(node).plugin_state / "hypervisors" / "fake"
    return {path.stem for path in folder.glob("*.guest")}


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_guest_that_cannot_be_stopped_holds_up_nobody_else(
    cluster: VirtualCluster, node: str,
) -> None:
    """On the master's own node, too."""
    assert add(cluster, GOOD, node).status == add(cluster, BAD, node).status == 0
    order(cluster, node, stop={"mode": "fail", "message": WHY, "instance": BAD})
    removed = cluster.gnt("gnt-instance", "remove", "-f", "--ignore-failures",
                          "--shutdown-timeout=0", BAD)
    assert "can't shutdown instance" in removed.stdout + removed.stderr, removed
    assert cluster.instances() == [[GOOD]]

    # Its guest lives on, and neither its disk nor what comes after was touched.
    rows = debts(cluster)
    assert [row[1:3] + row[5:7] for row in rows] == [
        [f"{node}.example.com", "refused", BAD, f"{what} {BAD}"]
        for what in ("stop", "close disk 0 of", "remove disk 0 of")]
    assert all(WHY in row[7] for row in rows)
    verified = cluster.try_("gnt-cluster", "verify", "--error-codes")
    assert verified.status == 1
    assert (f"ERROR:ECLUSTERDEBT:node:{node}.example.com:owed since job "
            f"{rows[0][0].split('-')[0]}: stop {BAD}") in verified.stdout, verified
    assert f"stop {BAD}" in cluster.gnt("gnt-node", "info", node).stdout

    for words in (("shutdown", "--timeout=0", GOOD), ("startup", GOOD), ("reboot", GOOD)):
        cluster.gnt("gnt-instance", *words)
    assert add(cluster, OTHER, node).status == 0
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", OTHER)

    # An instance of the same name would take over the guest.
    refused = add(cluster, BAD, node)
    assert refused.status == 1
    assert f"(stop {BAD}: {WHY})" in refused.stderr
    assert f"forget-debts {rows[0][0]}" in refused.stderr
    assert cluster.instances() == [[GOOD]]

    cluster.tool("stop", "node1", "masterd")
    cluster.bring_back()
    assert [row[0] for row in debts(cluster)] == [row[0] for row in rows]
    retried = cluster.try_("gnt-node", "retry-debts", rows[0][0])
    assert retried.status == 1
    assert WHY in retried.stdout
    order(cluster, node)
    assert cluster.gnt("gnt-node", "retry-debts", "--all").stdout.startswith("3 done, 0 still")
    assert debts(cluster) == []
    assert len(guests(cluster, node)) == 1
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", GOOD)
    cluster.verify()


def test_a_guest_that_cannot_start_again_can_be_started_later(
    cluster: VirtualCluster,
) -> None:
    """Its configuration may be why: nothing owed is in the way of who puts that right."""
    assert add(cluster, BAD, "node1").status == 0
    order(cluster, "node1", start={"mode": "fail", "message": WHY, "instance": BAD})
    failed = cluster.try_("gnt-instance", "reboot", BAD)
    assert failed.status == 1
    assert WHY in failed.stdout + failed.stderr
    assert f"Could not start {BAD} again: {WHY}; put that right" in failed.stdout, failed
    assert debts(cluster) == []
    assert cluster.instances("pnode", "status") == [["node1.example.com", "ERROR_down"]]
    order(cluster, "node1")
    cluster.gnt("gnt-instance", "startup", BAD)
    cluster.verify()
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", BAD)


def test_a_guest_that_was_not_stopped_can_be_stopped_by_force(cluster: VirtualCluster) -> None:
    """What is owed of the first attempt is not in the way of the second."""
    assert add(cluster, BAD, "node1").status == 0
    order(cluster, "node1", stop={"mode": "fail", "message": WHY, "instance": BAD})
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", BAD)
    first = [row[0] for row in debts(cluster)]
    assert first
    again = cluster.try_("gnt-instance", "shutdown", "--force", BAD)
    assert again.status == 0, again
    assert f"WARNING: stop {BAD}: {WHY}" in again.stdout
    assert len(guests(cluster, "node1")) == 1
    order(cluster, "node1")
    cluster.gnt("gnt-instance", "shutdown", "--force", BAD)
    assert guests(cluster, "node1") == set()
    assert debts(cluster) == []
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", BAD)
    cluster.verify()


def test_what_is_given_up_is_forgotten_on_the_next_master_too(cluster: VirtualCluster) -> None:
    assert add(cluster, BAD, "node2").status == 0
    order(cluster, "node2", stop={"mode": "fail", "message": WHY, "instance": BAD})
    cluster.gnt("gnt-instance", "remove", "-f", "--ignore-failures", "--shutdown-timeout=0", BAD)
    first = debts(cluster)[0][0]
    failed_over = cluster.on("node2", "gnt-cluster", "master-failover")
    assert failed_over.status == 0, failed_over
    assert next(row[0] for row in debts(cluster)) == first
    kept = cluster.try_("gnt-node", "forget-debts", first)
    assert kept.status == 13
    gone = cluster.gnt("gnt-node", "forget-debts", "--yes-do-it", first)
    assert f"Given up: {first}. On node2.example.com" in gone.stdout
    assert "is given up by request" in (
        cluster.paths("node2").log / "master-daemon.log").read_text()
    # What was behind it is done now, whatever the guest says.
    cluster.gnt("gnt-node", "retry-debts", "--all")
    assert debts(cluster) == []
    order(cluster, "node2")
