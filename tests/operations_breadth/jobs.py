"""Run opcodes as jobs on a cluster of real daemons, and look at what they left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from virtual_cluster import VirtualCluster

from ganeti_core.luxi.job_seen import JobSeen

PATIENCE = 60.0
FINAL = ("success", "error", "canceled")


@dataclass(frozen=True)
class Ended:
    """A job that ended: its status, a result and the log's messages per opcode."""

    job_id: int
    status: str
    results: list[Any]
    messages: list[list[str]]

    @property
    def error(self) -> tuple[str, ...]:
        """What the failed opcode says: class name, text and (if there is one) code."""
        name, args = next(result for result in self.results if isinstance(result, list)
                          and len(result) == 2 and isinstance(result[1], list))
        return (name, *args)


def wait_for(cluster: VirtualCluster, job_id: int) -> Ended:
    seen = JobSeen(["status"])
    until = time.monotonic() + PATIENCE
    with cluster.luxi() as client:
        while seen.values is None or seen.values[0] not in FINAL:
            assert time.monotonic() < until, f"job {job_id} is still {seen.values}"
            client.wait_for_job_change(job_id, seen, wait=5.0)
        ((status, results, logs),) = client.query_jobs([job_id], ["status", "opresult", "oplog"])
    return Ended(job_id, status, results, [[entry[3] for entry in log] for log in logs])


def submit(cluster: VirtualCluster, *ops: dict[str, Any]) -> Ended:
    """Submit one job and wait for its end, whatever it is."""
    with cluster.luxi() as client:
        job_id = client.submit_job([{"reason": [["test", "", 0]], **op} for op in ops])
    return wait_for(cluster, job_id)


def do(cluster: VirtualCluster, op_id: str, **params: Any) -> Any:
    """Run one opcode that must succeed; answers its result."""
    ended = submit(cluster, {"OP_ID": op_id, **params})
    assert ended.status == "success", ended
    return ended.results[0]


def serial(cluster: VirtualCluster) -> Any:
    """Changes whenever any object of the configuration does."""
    with cluster.luxi() as client:
        return [client.query(what, ["name", "uuid", "serial_no"], None)["data"]
                for what in ("instance", "node", "group", "network")] + [
                    client.query_cluster_info()["mtime"]]


def refused(
    cluster: VirtualCluster, op_id: str, text: str, code: str | None, *,
    error: str = "OpPrereqError", **params: Any,
) -> None:
    """Run one opcode that must be refused, with this text and code, and change nothing."""
    before = serial(cluster)
    ended = submit(cluster, {"OP_ID": op_id, **params})
    assert ended.status == "error", ended
    told = ended.error
    assert told[0] == error, told
    assert text in told[1], told
    assert told[2:] == (() if code is None else (code,)), told
    assert serial(cluster) == before, "something was written"


@contextmanager
def instance(cluster: VirtualCluster, name: str, **options: Any) -> Iterator[str]:
    """An instance that is removed afterwards: one disk in a file, stopped, on the first node."""
    params: dict[str, Any] = {
        "disk_template": "file", "disks": [{"size": 16}], "nics": [{}], "mode": "create",
        "os_type": None, "no_install": True, "pnode": "node1", "start": False,
        "name_check": False, "ip_check": False, "beparams": {"memory": 64}} | options
    do(cluster, "OP_INSTANCE_CREATE", instance_name=name, **params)
    try:
        yield name
    finally:
        with cluster.luxi() as client:
            rows = client.query("instance", ["name"], None)["data"]
        if name.lower() in [row[0][1] for row in rows]:
            do(cluster, "OP_INSTANCE_REMOVE", instance_name=name, ignore_failures=True)


def fields(cluster: VirtualCluster, what: str, name: str, *names: str) -> list[Any]:
    """Values of one object."""
    with cluster.luxi() as client:
        (row,) = client.query(what, list(names), ["=", "name", name])["data"]
    return [value for _, value in row]


@contextmanager
def hosts(cluster: VirtualCluster, *lines: str) -> Iterator[None]:
    """Lines in the hosts file of the master, for the time of a test."""
    file = cluster.paths().hosts
    before = file.read_text()
    file.write_text("\n".join([before, *lines, ""]))
    try:
        yield
    finally:
        file.write_text(before)
