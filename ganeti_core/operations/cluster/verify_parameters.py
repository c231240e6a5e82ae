"""Can the nodes work with the parameters of hypervisors that guests have, or would get?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, RpcError
from ganeti_core.model import fill
from ganeti_core.model.params import filled_hvparams
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.live import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext

    Wanted = tuple[str, str, Mapping[str, Any], frozenset[str]]


def verify_parameters(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Report parameters that do not work on a node, such as a kernel that is missing there.

    Those of an instance are looked at where it is, the others on each node of the group.
    """
    asked: dict[tuple[str, str, str], tuple[Node, str, str, Mapping[str, Any]]] = {}
    for hypervisor, source, params, where in _wanted(ctx, facts):
        for node in facts.nodes:
            if node.uuid in where and _works(facts, node, hypervisor):
                key = node.uuid, hypervisor, json.dumps(params, sort_keys=True)
                asked.setdefault(key, (node, hypervisor, source, params))
    answers = ctx.services.live.ask_each([
        (node, Question(HYPERVISORS.name, hypervisor, "validate"), {"params": dict(params)})
        for node, hypervisor, _, params in asked.values()]) if asked else ()
    for (node, hypervisor, source, _), answer in zip(asked.values(), answers, strict=True):
        if isinstance(answer, GanetiError) and not isinstance(answer, RpcError):
            findings.error("ENODEHV", node.name, f"hypervisor {hypervisor} parameter verify "
                           f"failure (source {source}): {answer}")


def _works(facts: GroupFacts, node: Node, hypervisor: str) -> bool:
    """Whether a node has a hypervisor that finds nothing wrong there: else that is reported."""
    answers = facts.live[node.uuid].answers
    return (hypervisor in (facts.drivers(node, HYPERVISORS.name) or ())
            and not answers.get(Question(HYPERVISORS.name, hypervisor, "verify")))


def _wanted(ctx: OpContext, facts: GroupFacts) -> Iterator[Wanted]:
    """Yield hypervisor, source, filled parameters and nodes (uuids) where they have to work."""
    cluster, host = ctx.snapshot.cluster, ctx.host
    everywhere = frozenset(facts.live)
    for name in cluster.enabled_hypervisors:
        if host.has(HYPERVISORS, name):
            of_cluster = fill(host.defaults(HYPERVISORS, name), cluster.hvparams.get(name, {}))
            yield name, "cluster", of_cluster, everywhere
            for system, by_hypervisor in sorted(cluster.os_hvp.items()):
                if own := by_hypervisor.get(name):
                    yield name, f"os {system}", fill(of_cluster, own), everywhere
    for instance in facts.instances:
        if instance.hvparams and host.has(HYPERVISORS, instance.hypervisor):
            where = {instance.primary_node, *instance.secondary_nodes}
            yield instance.hypervisor, f"instance {instance.name}", filled_hvparams(
                host.defaults(HYPERVISORS, instance.hypervisor), cluster, instance,
            ), everywhere & where
