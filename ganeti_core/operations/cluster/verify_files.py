"""Do the nodes of a group have the files of the cluster, and all the same?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.crypto import SHARED_FILES
from ganeti_core.node.services.verify import UNREADABLE
from ganeti_core.operations.members import members_of
from ganeti_core.operations.ssconf import candidates_of, ssconf_values
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.storage_folders import LIST
from ganeti_core.plugin_settings import folder_settings
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.members import MemberList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext

DATA = "/var/lib/ganeti"
CODE = "ECLUSTERFILECHECK"
COPY_SECONDS = 4.0
"""In which a candidate that was away a moment ago has caught up: longer than between two tries."""
_CANDIDATES = "the current master candidates' certificates"
_SENT = ("files", "candidates", "certificates", "epoch")
"""What of the answer to ``node.verify`` the master sends to nodes."""


@dataclass(frozen=True)
class Rule:
    """On which nodes a file must be. `optional`: on all of them or on none."""

    candidates_only: bool = False
    optional: bool = False


def file_rules(ctx: OpContext) -> dict[str, Rule]:
    """The files that are the same wherever they are, by path."""
    rules = {f"{DATA}/ssconf_{name}": Rule() for name in ssconf_values(ctx.current, ctx.host)}
    rules[f"{DATA}/ca.pem"] = Rule()
    rules[f"{DATA}/ca.key"] = Rule(candidates_only=True)
    rules |= {f"{DATA}/{name}": Rule(optional=True) for name in SHARED_FILES}
    if any(folder_settings(ctx.host, DISK_TEMPLATES, template)
           for template in ctx.snapshot.cluster.enabled_disk_templates):
        rules[f"/{LIST}"] = Rule(optional=True)
    return rules


def arrived(ctx: OpContext, facts: GroupFacts, rules: Mapping[str, Rule]) -> GroupFacts:
    """Return the facts after what was under way to the nodes when they were asked has arrived.

    Files and the list of members follow a commit, and reach a node that was away once it is back.
    Only what is still wrong then is a fault. Nothing is waited for where nothing is wrong.
    """
    if not _is_wrong(ctx, facts, rules):
        return facts
    uuids = facts.verified.keys()
    ctx.services.spread(awake=uuids)
    ctx.services.copies(COPY_SECONDS)
    call = service_call("node.verify", {"files": list(rules)})
    answers = ctx.fan_out([ctx.snapshot.nodes[uuid] for uuid in uuids], lambda _node: call)
    return replace(facts, verified={
        uuid: {**told, **{key: answer[key] for key in _SENT}}
        if not isinstance(answer := answers[uuid], GanetiError) else told
        for uuid, told in facts.verified.items()})


def _is_wrong(ctx: OpContext, facts: GroupFacts, rules: Mapping[str, Rule]) -> bool:
    sums, candidates = _sums(facts), _candidates(ctx)
    return any(
        _problems(ctx, name, rule, sums, candidates) for name, rule in rules.items()
    ) or any(_members_problem(ctx, told) for told in facts.verified.values())


def verify_files(
    ctx: OpContext, findings: Findings, facts: GroupFacts, rules: Mapping[str, Rule]
) -> None:
    """Report files that are missing, superfluous or different."""
    sums, candidates = _sums(facts), _candidates(ctx)
    for uuid, files in sums.items():
        unread = [f"{name} ({found.removeprefix(UNREADABLE)})" for name, found in files.items()
                  if found is not None and found.startswith(UNREADABLE)]
        findings.error_if(bool(unread), "ENODEFILECHECK", ctx.snapshot.nodes[uuid].name,
                          f"Node did not return file checksum data of {', '.join(unread)}")
    for name, rule in rules.items():
        for problem in _problems(ctx, name, rule, sums, candidates):
            findings.error(CODE, "", problem)
        if findings.simulate:
            findings.error(CODE, "", f"File {name} is missing from node(s) ")


def _sums(facts: GroupFacts) -> dict[str, dict[str, str | None]]:
    return {uuid: answer["files"] for uuid, answer in facts.verified.items()}


def _candidates(ctx: OpContext) -> set[str]:
    return {node.uuid for node in candidates_of(ctx.snapshot)}


def _problems(
    ctx: OpContext, name: str, rule: Rule, sums: Mapping[str, Mapping[str, Any]],
    candidates: set[str],
) -> list[str]:
    """What is wrong with one file, a line each; who could not read it is not counted."""
    found = {uuid: files.get(name) for uuid, files in sums.items()
             if not str(files.get(name)).startswith(UNREADABLE)}
    wanted = {uuid for uuid in found if uuid in candidates or not rule.candidates_only}
    missing = {uuid for uuid in wanted if found[uuid] is None}
    superfluous = {uuid for uuid, checksum in found.items()
                   if checksum is not None and uuid not in wanted}

    def names(uuids: set[str] | Sequence[str]) -> str:
        return ", ".join(sorted(ctx.snapshot.nodes[uuid].name for uuid in uuids))

    problems = []
    if rule.optional and missing and missing != wanted:
        problems.append(f"File {name} is optional, but it must exist on all or no nodes (not found "
                        f"on {names(missing)})")
    elif missing and not rule.optional:
        problems.append(f"File {name} is missing from node(s) {names(missing)}")
    if superfluous:
        problems.append(f"File {name} should not exist on node(s) {names(superfluous)}")
    variants: dict[str, list[str]] = defaultdict(list)
    for uuid, checksum in found.items():
        if checksum is not None:
            variants[checksum].append(uuid)
    if len(variants) > 1:
        told = "; ".join(f"variant {number} on {names(uuids)}"
                         for number, (_, uuids) in enumerate(sorted(variants.items()), 1))
        problems.append(
            f"File {name} found with {len(variants)} different checksums ({told})")
    return problems


def verify_members(ctx: OpContext, findings: Findings, node: Node, told: dict[str, Any]) -> None:
    """Whether a node knows whose certificates count, and no newer master."""
    problem = _members_problem(ctx, told)
    findings.error_if(bool(problem), "ECLUSTERCLIENTCERT", node.name,
                      f"does not know {problem or _CANDIDATES}; run gnt-cluster redist-conf")
    # A node of an older version does not say.
    level, text = told.get("certificate", ("WARNING", ""))
    findings.error_if(bool(text), "ECLUSTERCLIENTCERT", node.name, f"{text}; gnt-cluster "
                      "renew-crypto --new-node-certificates makes a new one",
                      level="WARNING" if level == "WARNING" else "ERROR")
    findings.error_if(told["epoch"] > ctx.current.epoch, "ECLUSTERCFG", node.name,
                      f"has seen a newer master (epoch {told['epoch']})")


def _members_problem(ctx: OpContext, told: Mapping[str, Any]) -> str:
    """What a node does not know of the members; empty when it knows all."""
    wanted = MemberList(members=members_of(ctx.current))
    if set(told["candidates"]) != wanted.candidates:
        return _CANDIDATES
    if set(told["certificates"]) != wanted.certificates:
        return "the certificates of all nodes as they are now"
    return ""


def verify_renewal(findings: Findings, node: Node) -> None:
    """Whether it is known which certificate a node has."""
    findings.error_if(bool(node.renewing), "ECLUSTERCERT", node.name,
                      "may have one of several certificates, for their renewal was "
                      "interrupted; run gnt-cluster renew-crypto --new-node-certificates")
