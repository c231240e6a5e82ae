"""Collector ``cluster-state``: nodes, instances, jobs and locks of the cluster, on the master.

The names of most metrics are those of Ganeti's own exporter, so that its dashboards work unchanged.
Memory and disk space are MiB there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ganeti_core.plugin_api import Description, HookContext, NotMaster, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report

LAST_JOBS = 20
"""Ended jobs whose times are shown."""
ENDED = frozenset({"success", "error", "canceled"})
JOB_STATES = ("queued", "waiting", "running", "canceling", "success", "error", "canceled")


def _metric(name: str, title: str, *labels: str) -> Metric:
    return Metric(f"ganeti_{name}", "gauge", title, labels, cluster_wide=True)


NODE = {
    "ctotal": _metric("node_ctotal", "Processors of a node", "node"),
    "dfree": _metric("node_dfree", "Free disk space of a node, MiB", "node"),
    "dtotal": _metric("node_dtotal", "Disk space of a node, MiB", "node"),
    "mfree": _metric("node_mfree", "Free memory of a node, MiB", "node"),
    "mtotal": _metric("node_mtotal", "Memory of a node, MiB", "node"),
    "pinst_cnt": _metric("node_pinst_cnt", "Instances whose primary node it is", "node"),
    "sinst_cnt": _metric("node_sinst_cnt", "Instances whose secondary node it is", "node")}
"""By the field of the query."""
PRIMARY_VCPUS = _metric("node_p_oper_vcpus", "Processors of instances that run on a node", "node")
SECONDARY_VCPUS = _metric(
    "node_s_oper_vcpus", "Processors of running instances whose secondary node it is", "node")
INSTANCE = {
    "oper_vcpus": _metric("instance_oper_vcpus", "Processors of an instance; 0 when it is down",
                          "instance"),
    "oper_ram": _metric("instance_oper_ram", "Memory of an instance, MiB; 0 when it is down",
                        "instance")}
INSTANCES = _metric("cluster_instance_count", "Instances")
NODES = _metric("cluster_node_count", "Nodes")
OFFLINE = _metric("cluster_offline_nodes", "Nodes that are marked as offline")
SILENT = _metric("cluster_silent_nodes", "Nodes that should answer and do not")
HOMELESS = _metric(
    "node_n1_instances", "Instances for which their secondary nodes would not have the memory if "
    "this node failed", "node")
JOBS = _metric("cluster_jobs", "Jobs that are not archived", "job_status")
JOB_WAIT = _metric("job_wait_time", "Seconds that an ended job had waited, of the last jobs",
                   "job_id", "job_operation")
JOB_RUN = _metric("job_run_time", "Seconds that an ended job has run, of the last jobs",
                  "job_id", "job_operation")
LOCKS_HELD = _metric("locks_held", "Locks that jobs hold")
LOCK_WAITS = _metric("lock_waits", "Requests for locks that wait")
DURATION = _metric("scrape_duration_seconds", "Time that it took to ask the master for all this")
METRICS = (*NODE.values(), PRIMARY_VCPUS, SECONDARY_VCPUS, *INSTANCE.values(), INSTANCES, NODES,
           OFFLINE, SILENT, HOMELESS, JOBS, JOB_WAIT, JOB_RUN, LOCKS_HELD, LOCK_WAITS, DURATION)

Samples = dict[str, list[list[Any]]]


@dataclass(frozen=True)
class ClusterState:
    """:param clock: seconds, to say how long it took"""

    clock: Callable[[], float] = time.monotonic

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Nodes, instances, jobs and locks of the cluster, on the master",
                           interval=30.0, category="daemon", metrics=METRICS)

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        began = self.clock()
        try:
            nodes = _rows(ctx, "node", ("name", "offline", "vm_capable", "bootid", *NODE))
        except NotMaster:
            return Collected(Report({"master": False}))
        instances = _rows(ctx, "instance", (
            "name", "pnode", "snodes", "admin_state", "be/minmem", "be/auto_balance", *INSTANCE))
        jobs = _rows(ctx, "job", ("id", "status"))
        samples = {**node_samples(nodes, instances), **instance_samples(instances),
                   HOMELESS.name: n1_samples(nodes, instances),
                   **job_samples(jobs, _ended(ctx, jobs)),
                   **lock_samples(_rows(ctx, "lock", ("name", "owner", "pending")))}
        samples[DURATION.name] = [[round(self.clock() - began, 6)]]
        return Collected(Report(
            {"master": True, "nodes": len(nodes), "instances": len(instances),
             "jobs": dict(Counter(job["status"] for job in jobs))}, samples=samples))


def _rows(
    ctx: HookContext, resource: str, fields: tuple[str, ...], filter_: list[Any] | None = None
) -> list[dict[str, Any]]:
    return [dict(zip(fields, row, strict=True))
            for row in ctx.query(resource, list(fields), filter_)]


def _ended(ctx: HookContext, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last jobs that have ended, with their times."""
    newest = sorted(job["id"] for job in jobs if job["status"] in ENDED)[-LAST_JOBS:]
    if not newest:
        return []
    return _rows(ctx, "job", ("id", "summary", "received_ts", "start_ts", "end_ts"),
                 ["|", *(["=", "id", number] for number in newest)])


def node_samples(
    nodes: list[dict[str, Any]], instances: list[dict[str, Any]]
) -> Samples:
    """The samples of nodes; what is not known of one is left out."""
    samples: Samples = {
        metric.name: [[one["name"], one[field]] for one in nodes if _is_figure(one[field])]
        for field, metric in NODE.items()}
    primary, secondary = Counter[str](), Counter[str]()
    for one in instances:
        vcpus = one["oper_vcpus"] or 0
        primary[one["pnode"]] += vcpus
        for node in one["snodes"] or ():
            secondary[node] += vcpus
    samples[PRIMARY_VCPUS.name] = [[one["name"], primary[one["name"]]] for one in nodes]
    samples[SECONDARY_VCPUS.name] = [[one["name"], secondary[one["name"]]] for one in nodes]
    samples[NODES.name] = [[len(nodes)]]
    samples[OFFLINE.name] = [[sum(bool(one["offline"]) for one in nodes)]]
    samples[SILENT.name] = [[sum(map(_is_silent, nodes))]]
    return samples


def _is_silent(node: dict[str, Any]) -> bool:
    # One that is not to run instances is not asked for its memory.
    told = node["mtotal" if node["vm_capable"] else "bootid"]
    return not node["offline"] and told is None


def n1_samples(
    nodes: list[dict[str, Any]], instances: list[dict[str, Any]]
) -> list[list[Any]]:
    """How many instances of each node find no memory elsewhere if it fails.

    As in `gnt-cluster verify`, those count that are to run, with the least memory that they need.
    Of a secondary node that does not say how much is free, nothing is known.
    """
    free = {one["name"]: one["mfree"] for one in nodes if _is_figure(one["mfree"])}
    wanted: dict[tuple[str, str], list[int]] = {}
    for one in instances:
        if one["admin_state"] == "up" and one["be/auto_balance"]:
            for secondary in one["snodes"] or ():
                wanted.setdefault((one["pnode"], secondary), []).append(one["be/minmem"] or 0)
    lost = Counter[str]()
    for (primary, secondary), sizes in wanted.items():
        if secondary in free:
            fitting = sum(total <= free[secondary] for total in accumulate(sorted(sizes)))
            lost[primary] += len(sizes) - fitting
    return [[one["name"], lost[one["name"]]] for one in nodes]


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def instance_samples(instances: list[dict[str, Any]]) -> Samples:
    return {INSTANCES.name: [[len(instances)]], **{
        metric.name: [[one["name"], value if _is_figure(value := one[field]) else 0]
                      for one in instances] for field, metric in INSTANCE.items()}}


def job_samples(jobs: list[dict[str, Any]], ended: Sequence[Mapping[str, Any]]) -> Samples:
    counted = Counter(job["status"] for job in jobs)
    samples: Samples = {JOBS.name: [[state, counted[state]] for state in JOB_STATES],
                        JOB_WAIT.name: [], JOB_RUN.name: []}
    for job in ended:
        labels = [str(job["id"]), _operation(job["summary"])]
        received, started, done = (_seconds(job[f"{what}_ts"])
                                   for what in ("received", "start", "end"))
        if received is not None and started is not None:
            samples[JOB_WAIT.name].append([*labels, max(0.0, round(started - received, 6))])
            if done is not None:
                samples[JOB_RUN.name].append([*labels, max(0.0, round(done - started, 6))])
    return samples


def _operation(summary: Any) -> str:
    """``INSTANCE_CREATE`` of ``["INSTANCE_CREATE(web1)"]``."""
    match summary:
        case [str(first), *_]:
            return first.partition("(")[0]
    return ""


def _seconds(stamp: Any) -> float | None:
    match stamp:
        case [int(seconds), int(micros)]:
            return seconds + micros / 1e6
    return None


def lock_samples(locks: list[dict[str, Any]]) -> Samples:
    return {LOCKS_HELD.name: [[sum(bool(one["owner"]) for one in locks)]],
            LOCK_WAITS.name: [[sum(len(jobs) for one in locks
                                   for _, jobs in one["pending"] or ())]]}
