"""``OP_CLUSTER_VERIFY_GROUP``: are the nodes and instances of a group as they should be?

All nodes are asked at once: what they are, then what follows from it (`verify_gather.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.cluster import ClusterVerifyGroup
from ganeti_core.opcodes.verification import NPLUSONE, check_names
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.findings import Findings
from ganeti_core.operations.cluster.verify_agreements import verify_agreements
from ganeti_core.operations.cluster.verify_files import (
    arrived,
    file_rules,
    verify_files,
    verify_members,
    verify_renewal,
)
from ganeti_core.operations.cluster.verify_gather import gather
from ganeti_core.operations.cluster.verify_instance import verify_instance
from ganeti_core.operations.cluster.verify_node import note_detached, verify_node, verify_orphans
from ganeti_core.operations.cluster.verify_parameters import verify_parameters
from ganeti_core.operations.cluster.verify_systems import verify_systems
from ganeti_core.operations.networking import (
    link_problems,
    links_of,
    services_for,
    uses_node_networks,
)
from ganeti_core.operations.scripts import Scripts, run_verify
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS, SHARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node, NodeGroup
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext


class VerifyGroup(Operation[ClusterVerifyGroup, "NodeGroup"]):
    """Verify the nodes and instances of one group."""

    opcode = ClusterVerifyGroup

    def locks(self, op: ClusterVerifyGroup, snapshot: Snapshot) -> LockRequest:
        # Shared: what is verified must stand still, but two may look at once.
        group = snapshot.group(op.group_name)
        return request(op, Want(Level.INSTANCE, ALL, exclusive=False),
                       *(Want(Level.NODE, node.uuid, exclusive=False)
                         for node in snapshot.members_of(group.uuid)))

    def plan(self, op: ClusterVerifyGroup, ctx: OpContext) -> NodeGroup:
        check_names(op.ignore_errors, op.skip_checks)
        return ctx.snapshot.group(op.group_name)

    def run(self, op: ClusterVerifyGroup, ctx: OpContext, plan: NodeGroup) -> bool:
        findings = Findings.of(op, ctx)
        ctx.feedback(f"* Verifying group '{plan.name}'")
        if not any(node.group == plan.uuid for node in ctx.snapshot.nodes.values()):
            ctx.feedback("* Empty node group, skipping verification")
            return True
        rules = file_rules(ctx)
        facts = arrived(ctx, gather(ctx, findings, plan, list(rules)), rules)
        ctx.feedback("* Verifying configuration file consistency")
        for node in facts.nodes:
            verify_renewal(findings, node)
            if (told := facts.verified.get(node.uuid)) is not None:
                verify_members(ctx, findings, node, told)
        verify_files(ctx, findings, facts, rules)
        _verify_objects(op, ctx, findings, facts)
        ctx.feedback("* Verifying orphan volumes")
        verify_orphans(ctx, findings, facts)
        note_detached(ctx, findings, facts)
        if NPLUSONE not in op.skip_checks:
            ctx.feedback("* Verifying N+1 Memory redundancy")
            _verify_redundancy(ctx, findings, facts)
        ctx.feedback("* Other Notes")
        _other_notes(ctx, facts)
        ctx.feedback("* Hooks Results")
        _run_scripts(op, ctx, findings, facts.nodes)
        return not findings.bad


def _verify_objects(
    op: ClusterVerifyGroup, ctx: OpContext, findings: Findings, facts: GroupFacts
) -> None:
    ctx.feedback("* Verifying node status")
    for node in facts.nodes:
        if op.verbose:
            ctx.feedback(f"* Skipping offline node {node.name}" if node.offline else
                         f"* Verifying node {node.name} ({_role(ctx, node)})")
        if not node.offline:
            verify_node(ctx, findings, node, facts)
    verify_agreements(ctx, findings, facts)
    verify_systems(findings, facts)
    verify_parameters(ctx, findings, facts)
    _verify_links(ctx, findings, facts)
    ctx.feedback("* Verifying instance status")
    for instance in facts.instances:
        if op.verbose:
            ctx.feedback(f"* Verifying instance {instance.name}")
        verify_instance(ctx, findings, instance, facts)


def _role(ctx: OpContext, node: Node) -> str:
    return {"M": "master", "C": "master candidate", "R": "regular", "D": "drained",
            "O": "offline"}[node.role(ctx.snapshot.cluster.master_node).value]


def _other_notes(ctx: OpContext, facts: GroupFacts) -> None:
    """What is no fault, but should be known when a node fails."""
    cluster, instances = ctx.snapshot.cluster, facts.instances
    counts = {
        "non-redundant instance(s)": sum(not _is_redundant(ctx, one) for one in instances),
        "non-auto-balanced instance(s)": sum(
            not filled_beparams(cluster, one)["auto_balance"] for one in instances),
        "offline instance(s)": sum(one.admin_state == "offline" for one in instances),
        "offline node(s)": sum(node.offline for node in facts.nodes),
        "drained node(s)": sum(node.drained for node in facts.nodes),
    }
    for what, count in counts.items():
        if count:
            ctx.feedback(f"  - NOTICE: {count} {what} found.")


def _is_redundant(ctx: OpContext, instance: Instance) -> bool:
    """Whether all of its disks are still there when its node is lost."""
    for template in {disk.template for disk in ctx.snapshot.disks_of(instance)}:
        if not ctx.host.has(DISK_TEMPLATES, template):
            return False
        description = ctx.host.describe(DISK_TEMPLATES, template)
        if description.nodes < 2 and not {SHARED, NO_DISKS} & description.capabilities:
            return False
    return True


def _verify_redundancy(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Whether a node could take over what it is the secondary of."""
    snapshot = ctx.current
    needed: dict[str, dict[str, int]] = {}
    for instance in snapshot.instances.values():
        filled = filled_beparams(snapshot.cluster, instance)
        if filled["auto_balance"]:
            for uuid in instance.secondary_nodes:
                of_node = needed.setdefault(uuid, {})
                of_node[instance.primary_node] = (
                    of_node.get(instance.primary_node, 0) + filled["minmem"])
    for node in facts.nodes:
        live = facts.live.get(node.uuid)
        known = live.host if live else None
        if known is None:
            continue
        for primary, memory in needed.get(node.uuid, {}).items():
            name = snapshot.nodes[primary].name if primary in snapshot.nodes else primary
            findings.error_if(
                memory > known.memory_free, "ENODEN1", node.name,
                f"not enough memory to accomodate instance failovers should node {name} fail "
                f"({memory}MiB needed, {known.memory_free}MiB available)")


def _run_scripts(
    op: ClusterVerifyGroup, ctx: OpContext, findings: Findings, nodes: Sequence[Node]
) -> None:
    """Let the administrator's own checks have their say."""
    told = {"CLUSTER_TAGS": " ".join(sorted(ctx.snapshot.cluster.tags)),
            **{f"NODE_TAGS_{node.name}": " ".join(sorted(node.tags))
               for node in ctx.snapshot.nodes.values()}}
    scripts = Scripts("cluster-verify", "CLUSTER", told, on_master=False,
                      after=tuple(node.uuid for node in nodes))
    for node, script, output in run_verify(ctx, op, scripts, lambda node, exc: findings.error(
            "ENODEHOOKS", node, f"Communication failure in hooks execution: {exc}")):
        findings.error("ENODEHOOKS", node, f"Script {script} failed, output:")
        for line in (output or "(no output)").splitlines():
            ctx.feedback(f"      {line}")


def _verify_links(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Report what a node lacks that cards of instances, which may move there, are attached to."""
    nics = [nic for instance in facts.instances
            if uses_node_networks(ctx.host, instance.hypervisor) for nic in instance.nics]
    links, services = links_of(ctx.snapshot, nics), services_for(ctx.snapshot, ctx.host, nics)
    able = [node for node in facts.nodes if node.uuid in facts.live and node.vm_capable]
    for uuid, problems in link_problems(ctx, able, links, services).items():
        for problem in problems:
            findings.error("ENODENET", ctx.snapshot.nodes[uuid].name, problem)


OPERATIONS = (VerifyGroup(),)
