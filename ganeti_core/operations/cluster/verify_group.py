"""``OP_CLUSTER_VERIFY_GROUP``: are the nodes and instances of a group as they should be?

Each node is asked once, in one round trip.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.cluster import ClusterVerifyGroup
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.findings import Findings
from ganeti_core.operations.scripts import Scripts, run_verify
from ganeti_core.operations.specs import disks_of
from ganeti_core.operations.ssconf import candidate_certificates
from ganeti_core.plugin_api.data import HostFacts
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.live import NodeLive, Question, host_facts, running
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node, NodeGroup
    from ganeti_core.operations.context import OpContext

CLOCK_SKEW = 150.0
"""Seconds that a node's clock may differ from the master's."""
_NPLUSONE = "nplusone_mem"


@dataclass(frozen=True)
class GroupFacts:
    """What one round of questions told of a group's nodes."""

    nodes: Sequence[Node]
    live: dict[str, NodeLive]
    verified: dict[str, dict[str, Any]]


class VerifyGroup(Operation[ClusterVerifyGroup, "NodeGroup"]):
    """Verify the nodes and instances of one group."""

    opcode = ClusterVerifyGroup

    def locks(self, op: ClusterVerifyGroup, snapshot: Snapshot) -> LockRequest:
        # Shared: what is verified must stand still, but two may look at once.
        group = snapshot.group(op.group_name)
        return request(op, Want(Level.INSTANCE, ALL, exclusive=False),
                       *(Want(Level.NODE, node.uuid, exclusive=False)
                         for node in snapshot.nodes.values() if node.group == group.uuid))

    def plan(self, op: ClusterVerifyGroup, ctx: OpContext) -> NodeGroup:
        return ctx.snapshot.group(op.group_name)

    def run(self, op: ClusterVerifyGroup, ctx: OpContext, plan: NodeGroup) -> bool:
        findings = Findings(ctx, op.error_codes, frozenset(op.ignore_errors))
        nodes = [node for node in ctx.snapshot.nodes.values() if node.group == plan.uuid]
        ctx.feedback(f"* Verifying group '{plan.name}'")
        if not nodes:
            ctx.feedback("* Empty node group, skipping verification")
            return True
        facts = _gather(ctx, findings, nodes)
        ctx.feedback("* Verifying configuration file consistency")
        _verify_files(ctx, findings, facts)
        ctx.feedback("* Verifying node status")
        for node in sorted(nodes, key=lambda node: node.name):
            if op.verbose:
                ctx.feedback(f"* Verifying node {node.name} ({_role(ctx, node)})")
            _verify_node(ctx, findings, node, facts)
        ctx.feedback("* Verifying instance status")
        here = {node.uuid for node in nodes}
        instances = [i for i in ctx.snapshot.instances.values() if i.primary_node in here]
        for instance in sorted(instances, key=lambda instance: instance.name):
            if op.verbose:
                ctx.feedback(f"* Verifying instance {instance.name}")
            _verify_instance(ctx, findings, instance, facts)
        ctx.feedback("* Verifying orphan volumes")
        _verify_orphans(ctx, findings, facts)
        if _NPLUSONE not in op.skip_checks:
            ctx.feedback("* Verifying N+1 Memory redundancy")
            _verify_redundancy(ctx, findings, facts)
        ctx.feedback("* Other Notes")
        offline = sum(node.offline for node in nodes)
        if offline:
            ctx.feedback(f"  - NOTICE: {offline} offline node(s) found.")
        drained = sum(node.drained for node in nodes)
        if drained:
            ctx.feedback(f"  - NOTICE: {drained} drained node(s) found.")
        ctx.feedback("* Hooks Results")
        _run_scripts(op, ctx, findings, nodes)
        return not findings.bad


def _run_scripts(
    op: ClusterVerifyGroup, ctx: OpContext, findings: Findings, nodes: Sequence[Node]
) -> None:
    """Let the administrator's own checks have their say."""
    told = {"CLUSTER_TAGS": " ".join(sorted(ctx.snapshot.cluster.tags)),
            **{f"NODE_TAGS_{node.name}": " ".join(sorted(node.tags))
               for node in ctx.snapshot.nodes.values()}}
    scripts = Scripts("cluster-verify", "CLUSTER", told, after=tuple(node.uuid for node in nodes))
    for node, script, output in run_verify(ctx, op, scripts):
        findings.error("ENODEHOOKS", "node", node, f"Script {script} failed, output:")
        for line in (output or "(no output)").splitlines():
            ctx.feedback(f"      {line}")


def _role(ctx: OpContext, node: Node) -> str:
    return {"M": "master", "C": "master candidate", "R": "regular", "D": "drained",
            "O": "offline"}[node.role(ctx.snapshot.cluster.master_node).value]


def _gather(ctx: OpContext, findings: Findings, nodes: Sequence[Node]) -> GroupFacts:
    online = [node for node in nodes if not node.offline]
    ctx.feedback(f"* Gathering data ({len(online)} nodes)")
    ctx.feedback(f"* Gathering information about nodes ({len(online)} nodes)")
    cluster = ctx.snapshot.cluster
    questions = frozenset({
        *(q for name in cluster.enabled_hypervisors
          for q in (running(name), host_facts(name), Question("hypervisors", name, "verify"))),
        *(Question("disk_templates", name, hook) for name in cluster.enabled_disk_templates
          for hook in ("verify", "devices"))})
    able = [node for node in online if node.vm_capable]
    for node in able:
        # What was true a moment ago is no finding.
        ctx.services.touched(node.uuid)
    live = ctx.services.live.gather(able, questions)
    verify = service_call("node.verify", {"storage_paths": [], "files": []})
    verified = ctx.fan_out(online, lambda _node: verify)
    for node in online:
        answer = verified[node.uuid]
        if isinstance(answer, GanetiError):
            findings.error("ENODERPC", "node", node.name,
                           f"while contacting node: {answer.args[0] if answer.args else answer}")
    ctx.feedback(f"* Gathering disk information ({len(online)} nodes)")
    return GroupFacts(
        nodes, {uuid: a for uuid, a in live.items() if isinstance(a, NodeLive)},
        {uuid: a for uuid, a in verified.items() if not isinstance(a, GanetiError)})


def _verify_files(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    wanted = sorted(candidate_certificates(ctx.current))
    for node in facts.nodes:
        if node.renewing:
            findings.error("ECLUSTERCERT", "node", node.name,
                           "may have one of several certificates, for their renewal was "
                           "interrupted; run gnt-cluster renew-crypto --new-node-certificates")
        told = facts.verified.get(node.uuid)
        if told is None:
            continue
        if sorted(told["candidates"]) != wanted:
            findings.error("ECLUSTERCLIENTCERT", "node", node.name,
                           "does not know the current master candidates' certificates; run "
                           "gnt-cluster redist-conf")
        if told["epoch"] > ctx.current.epoch:
            findings.error("ECLUSTERCFG", "node", node.name,
                           f"has seen a newer master (epoch {told['epoch']})")


def _verify_node(ctx: OpContext, findings: Findings, node: Node, facts: GroupFacts) -> None:
    told = facts.verified.get(node.uuid)
    if told is not None:
        skew = abs(told["time"] - time.time())
        if skew > CLOCK_SKEW:
            findings.error("ENODETIME", "node", node.name,
                           f"Node time diverges by at least {skew:.1f}s from master node time")
        for problem in told["scripts"]:
            findings.error("ENODEUSERSCRIPTS", "node", node.name, problem, notice=True)
    live = facts.live.get(node.uuid)
    if live is None:
        return
    _verify_plugins(findings, node, live)
    known = {instance.name: instance for instance in ctx.current.instances.values()}
    for name in live.guests:
        if name not in known:
            findings.error("ENODEORPHANINSTANCE", "node", node.name, f"unknown instance: {name}")
        elif known[name].primary_node != node.uuid:
            findings.error("EINSTANCEWRONGNODE", "instance", name,
                           f"instance should not run on node {node.name}")


def _verify_plugins(findings: Findings, node: Node, live: NodeLive) -> None:
    """What hypervisors and disk templates say of their own node."""
    for question, answer in sorted(live.answers.items()):
        if question.hook != "verify":
            continue
        code = "ENODEHV" if question.kind == "hypervisors" else "ENODEFILESTORAGEPATHUNUSABLE"
        problems = [str(answer)] if isinstance(answer, GanetiError) else answer
        for problem in problems:
            findings.error(code, "node", node.name, f"{question.driver}: {problem}")


def _verify_instance(
    ctx: OpContext, findings: Findings, instance: Instance, facts: GroupFacts
) -> None:
    node = ctx.snapshot.nodes[instance.primary_node]
    if node.offline:
        findings.error("EINSTANCEBADNODE", "instance", instance.name,
                       f"instance lives on offline node {node.name}")
        return
    live = facts.live.get(node.uuid)
    if live is None:
        findings.error("ENODERPC", "instance", instance.name,
                       f"instance lives on node {node.name}, which cannot be asked")
        return
    runs = instance.name in live.guests
    if instance.admin_state == "up" and not runs:
        findings.error("EINSTANCEDOWN", "instance", instance.name,
                       f"instance not running on its primary node {node.name}")
    if instance.admin_state != "up" and runs:
        findings.error("EINSTANCEWRONGNODE", "instance", instance.name,
                       f"instance runs on node {node.name}, but is marked "
                       f"{instance.admin_state}")
    for disk in disks_of(ctx, instance):
        _verify_disk(ctx, findings, instance, node, disk)


def _verify_disk(
    ctx: OpContext, findings: Findings, instance: Instance, node: Node, disk: Any
) -> None:
    try:
        status = ctx.hook(node, DISK_TEMPLATES, disk.template, "status", disk=disk)
    except GanetiError as exc:
        findings.error("EINSTANCEFAULTYDISK", "instance", instance.name,
                       f"couldn't retrieve status for disk/{disk.index} on {node.name}: {exc}")
        return
    if not status.exists:
        findings.error("EINSTANCEMISSINGDISK", "instance", instance.name,
                       f"disk/{disk.index} on {node.name} is missing")
    elif status.degraded:
        findings.error("EINSTANCEFAULTYDISK", "instance", instance.name,
                       f"disk/{disk.index} on {node.name} is degraded")


def _verify_orphans(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Devices that no instance of the configuration owns."""
    snapshot = ctx.current
    owned: dict[str, set[str]] = {}
    for disk in snapshot.disks.values():
        driver = ctx.host.driver(DISK_TEMPLATES, disk.template)
        instance = snapshot.instances.get(disk.instance)
        spec = next((d for d in (disks_of(ctx, instance) if instance else ())
                     if d.uuid == disk.uuid), None)
        if spec is not None:
            owned.setdefault(disk.template, set()).add(driver.identity(disk=spec))
    reported: set[tuple[str, str]] = set()
    for node in sorted(facts.nodes, key=lambda node: node.name):
        live = facts.live.get(node.uuid)
        for question, answer in live.answers.items() if live else ():
            if question.hook != "devices" or isinstance(answer, GanetiError):
                continue
            for device in sorted(set(answer) - owned.get(question.driver, set())):
                # A device that every node sees is one orphan, not one per node.
                if (question.driver, device) not in reported:
                    reported.add((question.driver, device))
                    findings.error(
                        "ENODEORPHANLV", "node", node.name, f"volume {device} is unknown")


def _verify_redundancy(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Whether a node could take over what it is the secondary of."""
    snapshot = ctx.current
    for node in facts.nodes:
        needed: dict[str, int] = {}
        for instance in snapshot.instances_on(node.uuid, secondary=True):
            if filled_beparams(snapshot.cluster, instance)["auto_balance"]:
                memory = filled_beparams(snapshot.cluster, instance)["minmem"]
                needed[instance.primary_node] = needed.get(instance.primary_node, 0) + memory
        live = facts.live.get(node.uuid)
        known = live.facts(snapshot.cluster.enabled_hypervisors[0]) if live else None
        if not isinstance(known, HostFacts):
            continue
        for primary, memory in needed.items():
            if memory > known.memory_free:
                findings.error(
                    "ENODEN1", "node", node.name,
                    f"not enough memory to accommodate instance failovers should node "
                    f"{snapshot.nodes[primary].name} fail ({memory}MiB needed, "
                    f"{known.memory_free}MiB available)")


OPERATIONS = (VerifyGroup(),)
