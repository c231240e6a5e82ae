"""Do the nodes of a group have the same OS definitions, and can they use them?

An instance can only be reinstalled where its definition is, and only then be the same afterwards
when the definition is the same. The first node that answers is what the others are compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts, Systems
    from ganeti_core.plugin_api.data import OsInfo

CODE = "ENODEOS"
_COMPARED: tuple[tuple[str, Callable[[OsInfo], Iterable[Any]]], ...] = (
    ("API version", lambda info: info.api_versions),
    ("variants list", lambda info: info.variants),
    ("parameters", lambda info: [f"{name}: {text}" for name, text in info.parameters]),
)


def verify_systems(findings: Findings, facts: GroupFacts) -> None:
    """Report definitions that are broken, missing or different on a node of the group."""
    nodes = [node for node in facts.nodes if node.uuid in facts.systems]
    for node in nodes:
        here = facts.systems[node.uuid]
        for name, info in sorted(here.items()):
            _verify_one(findings, node, name, info)
        if node is not nodes[0]:
            _compare(findings, node, here, (nodes[0], facts.systems[nodes[0].uuid]))
        _verify_used(findings, node, here, facts)


def _verify_one(
    findings: Findings, node: Node, name: str, info: OsInfo | GanetiError
) -> None:
    if isinstance(info, GanetiError):
        findings.error(CODE, node.name, f"Invalid OS {name}: {info}")
    else:
        findings.error_if(bool(info.problem), CODE, node.name,
                          f"Invalid OS {name} (located at {info.path}): {info.problem}")


def _compare(
    findings: Findings, node: Node, here: Systems, reference: tuple[Node, Systems]
) -> None:
    base, there = reference
    for name, info in sorted(here.items()):
        findings.error_if(name not in there, CODE, node.name,
                          f"Extra OS {name} not present on reference node ({base.name})")
        known = there.get(name)
        if (known is None or isinstance(known, GanetiError) or known.problem
                or isinstance(info, GanetiError)):
            continue
        for what, of in _COMPARED:
            mine, theirs = (sorted(map(str, of(one))) for one in (info, known))
            findings.error_if(
                mine != theirs, CODE, node.name,
                f"OS {what} for {name} differs from reference node {base.name}: "
                f"[{', '.join(mine)}] vs. [{', '.join(theirs)}]")
        findings.error_if(
            info.trusted != known.trusted, CODE, node.name,
            f"OS trusted for {name} differs from reference node {base.name}: "
            f"{info.trusted} vs. {known.trusted}")
    missing = sorted(there.keys() - here.keys())
    findings.error_if(
        bool(missing), CODE, node.name,
        f"OSes present on reference node {base.name} but missing on this node: "
        f"{', '.join(missing)}")


def _verify_used(findings: Findings, node: Node, here: Systems, facts: GroupFacts) -> None:
    """Name what instances of this node were installed with and cannot be again."""
    users: dict[str, list[str]] = {}
    for instance in facts.instances:
        name = instance.os.partition("+")[0]
        if instance.primary_node == node.uuid and name and name not in here:
            users.setdefault(name, []).append(instance.name)
    for name, instances in sorted(users.items()):
        findings.warn(CODE, node.name, f"OS {name} is missing on this node, and cannot be "
                      f"installed again on instance(s) {', '.join(instances)}")
