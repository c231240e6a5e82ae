"""Collector ``job-queue``: how many jobs wait and run, and for how long the oldest has waited.

Only the master has a job queue; on any other node the report says ``master: false``.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from ganeti_core.plugin_api import Description, HookContext, NotMaster, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report

WAITING = Metric("ganeti_jobs_waiting", "gauge", "Jobs that have not begun to act", (), True)
LONGEST = Metric("ganeti_jobs_longest_wait_seconds", "gauge",
                 "For how long the oldest job that has not begun to act has waited", (), True)
STATES = ("queued", "waiting", "running", "canceling")
PENDING: list[Any] = ["|", *(["=", "status", state] for state in STATES)]


class JobQueue:
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Jobs that wait and run on the master", interval=30.0,
                           category="daemon", metrics=(WAITING, LONGEST))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        try:
            rows = ctx.query("job", ["status", "received_ts"], PENDING)
        except NotMaster:
            return Collected(Report({"master": False}))
        counted = Counter(status for status, _ in rows)
        waiting = [_seconds(received) for status, received in rows
                   if status in ("queued", "waiting")]
        longest = max(0.0, time.time() - min(waiting)) if waiting else 0.0
        return Collected(Report(
            {"master": True, "jobs": {state: counted[state] for state in STATES},
             "longest_wait": longest},
            samples={WAITING.name: [[len(waiting)]], LONGEST.name: [[longest]]}))


def _seconds(stamp: Any) -> float:
    """A time of a job, [seconds, microseconds]; one that is not known was now."""
    match stamp:
        case [int(seconds), int(micros)]:
            return seconds + micros / 1e6
    return time.time()
