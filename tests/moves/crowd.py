"""Guests that take room, and what room their nodes have left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from virtual_cluster import VirtualCluster, wait_until

MEMORY = 8192
"""MiB of each node."""
FINAL = ("success", "error", "canceled")
NO_NETWORK = ("--no-nics", "--no-name-check", "--no-ip-check")


def add(cluster: VirtualCluster, name: str, node: str, memory: int, *options: str) -> str:
    """Make a diskless guest of so many MiB on a node; give its name."""
    full = f"{name}.example.com"
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop",
                "-B", f"memory={memory}M", "-n", node, *NO_NETWORK, *options, full)
    return full


def homes(cluster: VirtualCluster) -> dict[str, str]:
    """The primary node of each instance, by short names."""
    return {name.split(".")[0]: node.split(".")[0]
            for name, node in cluster.instances("name", "pnode")}


def spread(cluster: VirtualCluster) -> Counter[str]:
    """How many instances each node has."""
    return Counter(homes(cluster).values())


def memory_used(cluster: VirtualCluster) -> dict[str, int]:
    """MiB that running guests have, by the short name of their node."""
    used: Counter[str] = Counter()
    for node, memory in cluster.table(
            "gnt-instance", "list", "--units", "m", "-o", "pnode,oper_ram"):
        used[node.split(".")[0]] += int(memory) if memory.isdigit() else 0
    return dict(used)


@dataclass(frozen=True)
class Job:
    """A job of one opcode that has ended."""

    status: str
    log: list[str]
    result: Any

    @property
    def error(self) -> str:
        return str(self.result[1][0]) if self.status == "error" else ""


def submitted(cluster: VirtualCluster, *ops: dict[str, Any]) -> list[int]:
    """Submit a job for each opcode, all at once."""
    with cluster.luxi() as client:
        answers = client.submit_many_jobs([[{"reason": [], **op}] for op in ops])
    assert all(accepted for accepted, _ in answers), answers
    return [job_id for _, job_id in answers]


def ended(cluster: VirtualCluster, *jobs: int) -> list[Job]:
    """Wait until jobs have ended; give how."""
    return [wait_until(lambda job=job: _ended(cluster, job), f"job {job} ends", 60.0, 0.1)
            for job in jobs]


def _ended(cluster: VirtualCluster, job: int) -> Job | None:
    with cluster.luxi() as client:
        [[status, results, logs]] = client.query_jobs([job], ["status", "opresult", "oplog"])
    return Job(status, [entry[3] for entry in logs[0]], results[0]) if status in FINAL else None


def all_at_once(cluster: VirtualCluster, *ops: dict[str, Any]) -> list[Job]:
    """Run a job for each opcode, all at once; give how each ended."""
    return ended(cluster, *submitted(cluster, *ops))
