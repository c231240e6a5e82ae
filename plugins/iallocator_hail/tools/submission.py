"""Running moves as jobs on the cluster, one set after the other."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from time import time_ns
from types import FrameType
from typing import Any, Final

from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.plugin_api import GanetiError

from ..errors import PlacementError
from ..model.cluster import Cluster
from ..search.balance import Move
from ..search.jobsets import job_sets, steps
from ..search.opcodes import job
from ..search.squeeze import Plan
from .output import say
from .settings import Settings

Job = list[dict[str, Any]]
_PRIORITIES: Final = {"low": 10, "normal": 0, "high": -10}
_WAIT: Final = 60.0
"""Seconds after which the master answers even if nothing has changed."""
_FINAL: Final = frozenset({"success", "error", "canceled"})


class _Stop:
    """Whether the user wants to stop after the jobs that are running (SIGINT or SIGTERM)."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        say("Cancel request registered, will exit at the end of the current job set...")
        self.wanted = True


def move_jobs(cluster: Cluster, sets: Sequence[Sequence[Move]]) -> list[list[Job]]:
    """The jobs of every set of moves."""
    return [[job(cluster, move.instance, steps(move)) for move in moves] for moves in sets]


def run_job_sets(
    cluster: Cluster, sets: Sequence[Sequence[Move]], settings: Settings
) -> None:
    """Run the moves of hbal.

    :raises PlacementError: a job failed, or the master refused one.
    """
    _run(move_jobs(cluster, sets), settings, "hbal")


def run_squeeze(cluster: Cluster, plan: Plan, settings: Settings) -> None:
    """Run the moves of hsqueeze, tag the nodes, and switch them.

    :raises PlacementError: a job failed, or the master refused one.
    """
    names = [cluster.description.nodes[node].name for node in plan.nodes]
    moves = move_jobs(cluster, job_sets(cluster, plan.moves))
    power = "on" if plan.online else "off"
    switching: list[list[Job]] = [[_switch(name, power) for name in names]] if names else []
    tagging: list[list[Job]] = [[_tag(name) for name in names]] if names else []
    jobs = [*switching, *moves] if plan.online else [*moves, *tagging, *switching]
    _run(jobs, settings, "hsqueeze")


def _tag(node: str) -> Job:
    tag = "htools:standby:auto"
    return [{"OP_ID": "OP_TAGS_SET", "kind": "node", "name": node, "tags": [tag]}]


def _switch(node: str, power: str) -> Job:
    offline = {
        "OP_ID": "OP_NODE_SET_PARAMS",
        "node_name": node,
        "offline": power == "off",
        "auto_promote": False,
        "force": False,
    }
    command = {
        "OP_ID": "OP_OOB_COMMAND",
        "node_names": [node],
        "command": f"power-{power}",
        "ignore_status": False,
    }
    return [offline, command]


def _run(sets: list[list[Job]], settings: Settings, program: str) -> None:
    stop = _Stop()
    try:
        with LuxiClient(Path(settings.luxi or "")) as client:
            for jobs in sets:
                if stop.wanted:
                    say("Exiting early due to user request")
                    return
                _run_set(client, [_annotated(item, settings, program) for item in jobs])
    except GanetiError as exc:
        raise PlacementError(str(exc)) from exc


def _annotated(opcodes: Job, settings: Settings, program: str) -> Job:
    """Opcodes with priority and the reason that the jobs' history shows."""
    reason = [[program, settings.reason or f"{program} run", time_ns()]]
    extra: dict[str, Any] = {"reason": reason}
    if settings.priority is not None:
        extra["priority"] = _PRIORITIES[settings.priority]
    return [{**opcode, **extra} for opcode in opcodes]


def _run_set(client: LuxiClient, jobs: list[Job]) -> None:
    answers = client.submit_many_jobs(jobs)
    refused = [str(answer) for accepted, answer in answers if not accepted]
    if refused:
        raise PlacementError(f"Job submission error: {', '.join(refused)}")
    ids = [int(answer) for _, answer in answers]
    say(f"Got job IDs {','.join(map(str, ids))}")
    failed = [number for number in ids if wait_for(client, number) != "success"]
    if failed:
        raise PlacementError(f"Not all jobs completed successfully: {failed}. Aborting.")


def wait_for(client: LuxiClient, number: int) -> str:
    """Wait until a job has ended; return its state."""
    seen = JobSeen(["status"])
    while seen.values is None or seen.values[0] not in _FINAL:
        if client.wait_for_job_change(number, seen, wait=_WAIT) is None:
            return "error"
    return str(seen.values[0])
