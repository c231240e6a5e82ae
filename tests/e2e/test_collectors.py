"""Data collectors in a running cluster: they run on every node as the cluster's settings say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from virtual_cluster import VirtualCluster, virtual_cluster, wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    with virtual_cluster(tmp_path_factory.mktemp("collectors"), "--nodes", "2") as made:
        yield made


def report(cluster: VirtualCluster, name: str, node: str = "node1") -> dict[str, Any] | None:
    ran = cluster.try_("gnt-plugin", "collect", name, "--node", node)
    return json.loads(ran.stdout) if ran.status == 0 else None


def awaited(cluster: VirtualCluster, name: str, node: str = "node1") -> dict[str, Any]:
    found: dict[str, Any] = wait_until(
        lambda: report(cluster, name, node), f"{name} on {node} reports", 60, pause=0.3)
    return found


def test_every_node_reports(cluster: VirtualCluster) -> None:
    for node in ("node1", "node2"):
        load = awaited(cluster, "cpu-avg-load", node)
        assert len(load["data"]["cpus"]) == load["data"]["cpu_number"] >= 1
        assert awaited(cluster, "diskstats", node)["category"] == "storage"
        assert awaited(cluster, "node-pressure", node)["data"]["memory"]["total"] > 0


def test_only_the_masters_node_knows_its_jobs(cluster: VirtualCluster) -> None:
    assert set(awaited(cluster, "job-queue")["data"]["jobs"]) == {
        "queued", "waiting", "running", "canceling"}
    assert awaited(cluster, "job-queue", "node2")["data"] == {"master": False}


def test_the_clusters_settings_are_obeyed(cluster: VirtualCluster) -> None:
    awaited(cluster, "diskstats", "node2")
    cluster.gnt("gnt-cluster", "modify", "--enabled-data-collectors", "diskstats=no",
                "--data-collector-interval", "cpu-avg-load=1")
    with cluster.luxi() as luxi:
        def row(name: str) -> dict[str, Any]:
            return luxi.collector_reports("node2.example.com", [name])[0]

        wait_until(lambda: not row("diskstats")["active"], "diskstats does not run on node2")
        wait_until(lambda: row("cpu-avg-load")["interval"] == 1.0, "the interval is one second")
        stood = row("diskstats")["report"]["timestamp"]
        for _ in range(2):
            before = row("cpu-avg-load")["report"]["timestamp"]
            wait_until(lambda before=before: row("cpu-avg-load")["report"]["timestamp"] > before,
                       "cpu-avg-load goes on")
        assert row("diskstats")["report"]["timestamp"] == stood


def test_an_administrators_program_says_what_its_node_needs(cluster: VirtualCluster) -> None:
    folder = cluster.paths("node2").etc / "node-diagnose-commands"
    folder.mkdir(mode=0o755)
    (folder / "look").write_text(
        """#!/bin/sh\necho '{"status": "evacuate", "details": "fan 2"}'\n""")
    (folder / "look").chmod(0o755)
    cluster.gnt("gnt-cluster", "modify", "--driver-settings", "node_status_command=look",
                "--data-collector-interval", "node-status=1")
    alarm = "node-status: evacuate: it must be evacuated; fan 2"
    wait_until(lambda: alarm in cluster.gnt("gnt-node", "info", "node2").stdout, "node2 is ill")
    wait_until(lambda: "look is not run: it is no program" in cluster.try_(
        "gnt-plugin", "collect", "node-status").stdout, "node1 has no such program")
    assert "node-status" not in cluster.gnt("gnt-node", "info", "node1").stdout
    (folder / "look").write_text("""#!/bin/sh\necho '{"status": "Ok"}'\n""")
    wait_until(lambda: alarm not in cluster.gnt("gnt-node", "info", "node2").stdout, "it is well")


def test_what_is_not_there_is_refused_by_name(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-plugin", "collect", "nosuch")
    assert (ran.status, "no data collector 'nosuch' (there are: cluster-state" in ran.stderr) == (
        1, True), ran
    ran = cluster.try_("gnt-cluster", "modify", "--data-collector-interval", "diskstats=0.1")
    assert "must be at least 1000000 microseconds" in ran.stderr
