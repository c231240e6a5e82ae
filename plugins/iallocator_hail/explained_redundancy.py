"""Why places are dropped by the global N+1 check, in sentences (see `search.capacity`)."""

from __future__ import annotations

from .model.arrays import Ints
from .model.changes import Failure
from .model.cluster import Cluster
from .model.remarks import listed
from .records import FREELY_MOVABLE
from .search.allocate import AllocationRules
from .search.capacity import Capacity, nodes_to_check
from .search.outcome import Found
from .search.policy import violation

WAY_OUT = (
    "FailN1: after this, some node could no longer be emptied onto the others (the global N+1 "
    "check); to place it all the same name the nodes yourself, or let hail go without the check "
    "(--no-capacity-checks, in a cluster --default-iallocator-params=-no-capacity-checks)"
)


def redundancy_told(
    cluster: Cluster, position: int, found: Found, scope: Ints, rules: AllocationRules
) -> list[str]:
    """Which nodes could not be emptied, and why, where places were dropped for that."""
    if not found.failures[Failure.N1] or found.candidates is None:
        return []
    checked = nodes_to_check(cluster, scope, rules.capacity_rules)
    before = _stuck(cluster, scope, checked)
    if before:
        return [WAY_OUT, *(f"already now {text}" for text in before)]
    primary, secondary = found.candidates.nodes(found.dropped[0])
    after = cluster.copy()
    score = float(cluster.shared_locations(primary, secondary)) if secondary >= 0 else 0.0
    after.put(position, primary, secondary, score)
    name = cluster.description.nodes[primary].name
    return [WAY_OUT, *(
        f"with the instance on {name}, {text}" for text in _stuck(after, scope, checked))]


def _stuck(cluster: Cluster, scope: Ints, checked: Ints) -> list[str]:
    """A sentence for each reason that nodes have."""
    capacity = Capacity(cluster, scope, checked)
    reasons: dict[str, list[str]] = {}
    for node in capacity.stuck():
        name = cluster.description.nodes[node].name
        reasons.setdefault(why_stuck(capacity, node), []).append(name)
    return [f"{listed(names)} cannot be emptied: {why}" for why, names in reasons.items()]


def why_stuck(capacity: Capacity, node: int) -> str:
    """Why a node, which cannot be emptied, cannot."""
    cluster, others = capacity.cluster, capacity.others(node)
    if capacity.sums is not None and not capacity.sums.can_fail_over(node):
        return "mirrored instances do not fit on their secondaries"
    online = others[~cluster.site.offline[others]]
    if not len(online):
        return "its group has no other node that is online"
    for instance in capacity.rest(node):
        record = cluster.instances[instance]
        if record.kind in FREELY_MOVABLE:
            continue
        policy = cluster.description.groups[int(cluster.figures.group[node])].policy
        fault = violation(record, policy, bool(cluster.site.exclusive[online[0]]))
        if fault is not None:
            return (
                f"the group's policy does not allow an instance such as {record.name} "
                f"({fault.label})"
            )
    return "its instances do not fit on the other nodes of its group"
