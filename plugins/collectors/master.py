"""Collector ``master-figures``: what the master counts and measures while it works.

Its figures begin anew with the master daemon, as counters may.
"""

from __future__ import annotations

from typing import Any

from ganeti_core.plugin_api import Description, HookContext, NotMaster, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report


def _metric(name: str, kind: Any, title: str, *labels: str) -> Metric:
    return Metric(f"ganeti_{name}", kind, title, labels, cluster_wide=True)


METRICS = {
    "job_wait": _metric("job_wait_seconds", "histogram", "Time from the submission of a job until "
                        "it began to act, by its first opcode", "opcode"),
    "job_run": _metric("job_run_seconds", "histogram", "Time from when a job began to act until "
                       "it ended, by its first opcode", "opcode"),
    "lock_wait": _metric("lock_wait_seconds", "histogram", "Time that a request for locks has "
                         "waited until it was granted"),
    "commit": _metric("commit_seconds", "histogram", "Time that a commit took, on the master's "
                      "disk and on all current copies"),
    "rpc_errors": _metric("rpc_errors_total", "counter", "Calls to a node that failed: unreachable "
                          "(nothing happened), unanswered (what happened is not known), refused "
                          "(the node said so)", "node", "kind"),
    "debts": _metric("debts", "gauge", "What earlier jobs left to do on a node: silent (to be done "
                     "when it answers), refused (tried again now and then)", "node", "kind"),
    "stale_candidates": _metric("stale_candidates", "gauge", "Master candidates whose copy of the "
                                "configuration is not current")}
"""By the name of the figure that the master has."""


class MasterFigures:
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "What jobs, locks, commits and calls to nodes take, on the master",
                           interval=30.0, category="daemon", metrics=tuple(METRICS.values()))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        try:
            rows = ctx.query("figure", ["name", "samples"])
        except NotMaster:
            return Collected(Report({"master": False}))
        # A master of another version may know more of them, or fewer.
        found = {name: samples for name, samples in rows if name in METRICS}
        return Collected(Report({"master": True, "figures": found}, samples={
            METRICS[name].name: samples for name, samples in found.items()}))
