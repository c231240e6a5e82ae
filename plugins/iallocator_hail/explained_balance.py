"""Why balancing made no further move, in a few sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .explained_text import counted
from .model.arrays import Ints
from .model.changes import Failure
from .model.cluster import Cluster
from .records import BALANCEABLE, Instance
from .search.balance import Balancer
from .search.moves import Kind
from .search.single import try_targets


def why_no_more(balancer: Balancer, members: Sequence[int]) -> list[str]:
    """What keeps each of a group's instances where it is, alike ones counted together."""
    cluster = balancer.cluster
    movable = set(balancer.candidates.tolist())
    fixed = Counter(_why_fixed(cluster, i) for i in members if i not in movable)
    told = [f"{counted(number, 'instance')} {why}" for why, number in fixed.most_common()]
    if not len(balancer.targets):
        return [*told, "no node of the group is online"]
    best = balancer.best_left()
    if best is not None:
        name = cluster.instances[best.instance].name
        return [*told, (
            f"the best move left, of {name}, would change the score by "
            f"{best.score - balancer.score:+.8f}, which is not worth it (--min-gain)"
        )]
    return told + _failures(balancer, sorted(movable))


def _why_fixed(cluster: Cluster, index: int) -> str:
    instance = cluster.instances[index]
    places = [node for node in (cluster.primary[index], cluster.secondary[index]) if node >= 0]
    if instance.kind not in BALANCEABLE:
        return f"cannot move: disk template {instance.template}"
    if not instance.auto_balance:
        return "are not to be balanced (auto_balance)"
    if cluster.site.silent[places].any():
        return "are on nodes that do not answer"
    if len({int(cluster.figures.group[node]) for node in places}) > 1:
        return "are split over two groups"
    return "were excluded by options"


def _failures(balancer: Balancer, movable: Sequence[int]) -> list[str]:
    """Where nothing gains anything: how many moves are impossible, by their failure."""
    cluster, found = balancer.cluster, Counter[str]()
    for index in movable:
        found.update(_verdicts(balancer, cluster.instances[index], index))
    worse = found.pop("", 0)
    told = [f"{counted(worse, 'move')} would not lower the score"] if worse else []
    return told + [
        f"{failure} on {counted(number, 'move')}" for failure, number in found.most_common()
    ]


def _verdicts(balancer: Balancer, instance: Instance, index: int) -> list[str]:
    cluster = balancer.cluster
    here = cluster.primary[index], cluster.secondary[index]
    others: Ints = balancer.targets[~np.isin(balancer.targets, here)]
    if not len(others):
        return []
    kind = Kind.REPLACE_SECONDARY if instance.kind == "drbd" else Kind.FAILOVER_TO
    tried = try_targets(
        cluster, index, kind, others, balancer.scorer, soft=balancer.rules.soft)
    return [Failure(code).label if code else "" for code in tried.failure.tolist()]
