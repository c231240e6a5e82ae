"""Do the nodes of a group have the same of what their drivers need to be the same?"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.model.params import filled_ndparams
from ganeti_core.opcodes.verification import CODES
from ganeti_core.operations.cluster.findings import DRIVER_CODE, Level

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.node_findings import Agreement

_Values = list[tuple[str, "Agreement"]]
"""Names of nodes, each with a value of its own."""


def verify_agreements(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Report values that differ."""
    compared: dict[tuple[str, str], _Values] = defaultdict(list)
    for node in facts.nodes:
        live = facts.live.get(node.uuid)
        for question, answer in sorted(live.answers.items()) if live else ():
            if question.hook != "agreements" or isinstance(answer, GanetiError):
                continue
            for one in answer:
                if not one.exclusive or _is_exclusive(ctx, node):
                    compared[question.driver, one.subject].append((node.name, one))
    for values in compared.values():
        if not _agree([one for _, one in values]):
            _report(findings, facts, values)


def _is_exclusive(ctx: OpContext, node: Node) -> bool:
    snapshot = ctx.snapshot
    return bool(filled_ndparams(snapshot.cluster, snapshot.groups.get(node.group), node)[
        "exclusive_storage"])


def _agree(found: list[Agreement]) -> bool:
    numbers = [one.value for one in found if not isinstance(one.value, str)]
    if len(numbers) < len(found):
        return len({one.value for one in found}) == 1
    return max(numbers) <= min(numbers) * (1 + max(one.margin for one in found))


def _report(findings: Findings, facts: GroupFacts, values: _Values) -> None:
    first = values[0][1]
    code = first.code if first.code in CODES else DRIVER_CODE
    level: Level = "ERROR" if first.broken else "WARNING"
    if CODES[code] == "group":
        ordered = sorted(values, key=lambda pair: str(pair[1].value) if isinstance(
            first.value, str) else pair[1].value)
        (least_of, least), (most_of, most) = ordered[0], ordered[-1]
        findings.error(code, facts.group.name, f"{first.subject} differs: {least.value} on node "
                       f"{least_of}, {most.value} on node {most_of}", level=level)
        return
    shown = ", ".join(f"{one.value} on {node}" for node, one in values)
    for node, one in values:
        findings.error(code, node, f"{first.subject} is {one.value} here, and not the same on all "
                       f"nodes of the group ({shown})", level=level)
