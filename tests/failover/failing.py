"""Virtual clusters whose masters die, for tests of failover."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from bench import contents
from virtual_cluster import Ran, VirtualCluster, wait_until

from ganeti_core.luxi.client import LuxiClient
from ganeti_core.pid_file import running_pid

MASTERD = "ganeti-masterd"
FINAL = ("success", "error", "canceled")


def failover(cluster: VirtualCluster, node: str, *options: str, stdin: str = "") -> Ran:
    return cluster.on(node, "gnt-cluster", "master-failover", *options, stdin=stdin)


def kill(cluster: VirtualCluster, node: str, daemon: str = "") -> None:
    """End daemons of a node by SIGKILL: one, or all."""
    cluster.tool("stop", "--kill", node, *([daemon] if daemon else []))


def master_runs(cluster: VirtualCluster, node: str) -> bool:
    return running_pid(cluster.paths(node).daemon_pid(MASTERD)) is not None


def client(cluster: VirtualCluster, node: str) -> LuxiClient:
    return LuxiClient(cluster.paths(node).master_socket, timeout=120.0)


def delay(seconds: float, **options: Any) -> dict[str, Any]:
    return {"OP_ID": "OP_TEST_DELAY", "duration": seconds, "on_master": True, **options}


def submit(cluster: VirtualCluster, node: str, *jobs: list[dict[str, Any]]) -> list[int]:
    with client(cluster, node) as luxi:
        return [int(job) for accepted, job in luxi.submit_many_jobs(list(jobs)) if accepted]


def statuses(cluster: VirtualCluster, node: str, jobs: list[int]) -> list[str | None]:
    with client(cluster, node) as luxi:
        rows = luxi.call("QueryJobs", jobs, ["status"])
    return [row[0] if row else None for row in rows]


def ended(cluster: VirtualCluster, node: str, jobs: list[int]) -> list[str | None]:
    """Wait until the jobs have ended; answers how."""
    def all_ended() -> list[str | None]:
        found = statuses(cluster, node, jobs)
        return found if all(one in FINAL for one in found) else []

    return wait_until(all_ended, f"the end of the jobs {jobs}", 30.0)


def wait_for_equal_copies(cluster: VirtualCluster, *nodes: str) -> None:
    """Wait until the databases of the nodes are the same, row by row."""
    def equal() -> bool:
        try:
            found = [contents(cluster.paths(node).database) for node in nodes]
        except sqlite3.Error:
            return False
        return all(one == found[0] for one in found)

    wait_until(equal, f"equal databases on {nodes}", 60.0)


def log_of(cluster: VirtualCluster, node: str, daemon: str = "master") -> str:
    return (cluster.paths(node).log / f"{daemon}-daemon.log").read_text()


def epoch_of(cluster: VirtualCluster, node: str) -> int:
    return int(cluster.paths(node).epoch.read_text())


def stale_at(cluster: VirtualCluster, node: str) -> list[str]:
    """The uuids that a node has noted as stale."""
    file = cluster.paths(node).data / "stale-candidates.json"
    return list(json.loads(file.read_text())["stale"])


def uuid_of(cluster: VirtualCluster, node: str) -> str:
    return str(json.loads((cluster.paths(node).data / "node.json").read_text())["uuid"])
