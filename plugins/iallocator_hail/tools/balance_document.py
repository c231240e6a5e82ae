"""hbal's plan as one JSON document, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..model.cluster import Cluster
from ..search.balance import Move
from ..search.jobsets import job_sets
from .output import say


def tell_plan(cluster: Cluster, group: str | None, start: float, moves: Sequence[Move]) -> None:
    """Print a plan.

    `group` is null where there are no instances. `jobs` are the opcodes that carry it out: sets of
    jobs, each to be run when the one before has succeeded.
    """
    from .submission import move_jobs

    names = [node.name for node in cluster.description.nodes]
    say(json.dumps({
        "group": group,
        "initial_score": start,
        "final_score": moves[-1].score if moves else start,
        "moves": [
            {
                "instance": cluster.instances[move.instance].name,
                "from": [names[node] for node in move.source if node >= 0],
                "to": [names[node] for node in move.result if node >= 0],
                "score": move.score,
            }
            for move in moves
        ],
        "jobs": move_jobs(cluster, job_sets(cluster, moves)),
    }))
