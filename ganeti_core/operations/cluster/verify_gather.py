"""What a verification asks the nodes of a group: all of them at once, in few round trips."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganeti_core.clocks import skew
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_ndparams
from ganeti_core.operations.specs import disks_of
from ganeti_core.operations.ssconf import candidates_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.query.live import (
    NODE_FACTS,
    DiskQuestion,
    NodeLive,
    Question,
    host_facts,
    os_info,
    running,
)
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Node, NodeGroup
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec, DiskStatus, OsInfo
    from ganeti_core.rpc.calls import Call

Systems = Mapping[str, "OsInfo | GanetiError"]
"""The OS definitions of one node by name, or why one cannot be asked."""


@dataclass(frozen=True)
class GroupFacts:
    """What the nodes of a group said; who said nothing is in none of the maps.

    :param instances: those whose primary node is in the group
    :param disks: the disks of the instances, as hooks get them, by the instance's uuid
    :param live: answers of plugins, by the node's uuid
    :param verified: answers of ``node.verify``, those of a master in another group included; with
        ``skew``, see `clocks`
    :param states: of disks, by the uuids of node and disk
    :param systems: by the node's uuid
    """

    group: NodeGroup
    nodes: Sequence[Node]
    instances: Sequence[Instance]
    disks: Mapping[str, Sequence[DiskSpec]]
    live: Mapping[str, NodeLive]
    verified: Mapping[str, dict[str, Any]]
    states: Mapping[tuple[str, str], DiskStatus | GanetiError]
    systems: Mapping[str, Systems]

    def drivers(self, node: Node, kind: str) -> frozenset[str] | None:
        """The drivers that a node has of a kind; None where it did not say."""
        live = self.live.get(node.uuid)
        facts = live.node_facts if live else {}
        return frozenset(facts["kinds"].get(kind, {})) if facts else None


def gather(
    ctx: OpContext, findings: Findings, group: NodeGroup, files: Sequence[str]
) -> GroupFacts:
    """Ask all nodes of a group that are not offline.

    :param files: whose checksums are wanted, also of a master that is in another group
    """
    nodes = sorted(ctx.snapshot.members_of(group.uuid), key=lambda node: node.name)
    here = {node.uuid for node in nodes}
    instances = sorted((one for one in ctx.snapshot.instances.values() if one.primary_node in here),
                       key=lambda instance: instance.name)
    online = [node for node in nodes if not node.offline]
    ctx.feedback(f"* Gathering data ({len(online)} nodes)")
    ctx.feedback(f"* Gathering information about nodes ({len(online)} nodes)")
    able = [node for node in online if node.vm_capable]
    live = _ask_plugins(ctx, able, instances)
    systems = _ask_systems(ctx, [node for node in able if node.uuid in live], live)
    if ctx.snapshot.master.uuid not in here:
        ctx.feedback("* Gathering information about the master node")
    verified = _ask_nodes(ctx, findings, online, files)
    ctx.feedback(f"* Gathering disk information ({len(online)} nodes)")
    disks = {instance.uuid: disks_of(ctx, instance) for instance in instances}
    return GroupFacts(group, nodes, instances, disks, live, verified,
                      _ask_disks(ctx, instances, disks, set(live)), systems)


def _ask_plugins(
    ctx: OpContext, nodes: Sequence[Node], instances: Sequence[Instance]
) -> dict[str, NodeLive]:
    cluster = ctx.snapshot.cluster
    hypervisors = {*cluster.enabled_hypervisors, *(one.hypervisor for one in instances)}
    questions = frozenset({
        NODE_FACTS,
        *(running(name) for name in hypervisors),
        *(question for name in cluster.enabled_hypervisors
          for question in (host_facts(name), Question(HYPERVISORS.name, name, "verify"))),
        *(Question(DISK_TEMPLATES.name, name, hook) for name in cluster.enabled_disk_templates
          for hook in ("verify", "devices", "agreements"))})
    for node in nodes:
        # What was true a moment ago is no finding.
        ctx.services.touched(node.uuid)
    live = ctx.services.live.gather(nodes, questions)
    return {uuid: answer for uuid, answer in live.items() if isinstance(answer, NodeLive)}


def _ask_systems(
    ctx: OpContext, nodes: Sequence[Node], live: Mapping[str, NodeLive]
) -> dict[str, Systems]:
    """Ask for every OS definition that any node has; a node is only held to what it lists."""
    names = {uuid: sorted(facts["kinds"].get(OS_DEFINITIONS.name, {}))
             for uuid, one in live.items() if (facts := one.node_facts)}
    asked = frozenset(os_info(name) for listed in names.values() for name in listed)
    if not asked:
        return {uuid: {} for uuid in names}
    answers = ctx.services.live.gather([node for node in nodes if node.uuid in names], asked)
    return {uuid: {name: answer.answers[os_info(name)] for name in names[uuid]}
            for uuid, answer in answers.items() if isinstance(answer, NodeLive)}


def _ask_nodes(
    ctx: OpContext, findings: Findings, online: Sequence[Node], files: Sequence[str]
) -> dict[str, dict[str, Any]]:
    asked = {node.uuid: _question(ctx, node, online, files) for node in online}
    master = ctx.snapshot.master
    asked.setdefault(master.uuid, service_call("node.verify", {"files": list(files)}))
    nodes = [ctx.snapshot.nodes[uuid] for uuid in asked]
    began = time.time()
    answers = ctx.fan_out(nodes, lambda node: asked[node.uuid])
    ended = time.time()
    for node in nodes:
        answer = answers[node.uuid]
        failed = isinstance(answer, GanetiError)
        findings.error_if(failed, "ENODERPC", node.name,
                          f"while contacting node: {answer.message if failed else None}")
    return {uuid: a | {"skew": skew(a["time"], began, ended)} for uuid, a in answers.items()
            if not isinstance(a, GanetiError)}


def _question(
    ctx: OpContext, node: Node, online: Sequence[Node], files: Sequence[str]
) -> Call:
    """What ``node.verify`` is asked of one node: it tries to reach all others of its group."""
    cluster, master = ctx.snapshot.cluster, ctx.snapshot.master
    neighbours = [_address(other) for other in online]
    programs = _power_programs(ctx) if node in candidates_of(ctx.snapshot) else []
    address = {"name": cluster.name, "address": cluster.master_ip, "port": master.port}
    return service_call("node.verify", {
        "files": list(files), "programs": programs, "own": _address(node),
        "neighbours": neighbours, "master": address if cluster.master_ip else None})


def _address(node: Node) -> dict[str, Any]:
    secondary = node.secondary_ip if node.secondary_ip != node.primary_ip else ""
    return {"name": node.name, "primary": node.primary_ip, "secondary": secondary,
            "port": node.port}


def _power_programs(ctx: OpContext) -> list[str]:
    """The programs that switch the power of nodes; a master runs them."""
    snapshot = ctx.snapshot
    programs = {filled_ndparams(snapshot.cluster, snapshot.groups.get(node.group), node)[
        "oob_program"] for node in snapshot.nodes.values()}
    return sorted(programs - {""})


def _ask_disks(
    ctx: OpContext, instances: Sequence[Instance], disks: Mapping[str, Sequence[DiskSpec]],
    answering: set[str],
) -> Mapping[tuple[str, str], DiskStatus | GanetiError]:
    """Ask how each disk is on each of its nodes, those of other groups included."""
    known = ctx.snapshot.nodes
    questions = []
    for instance in instances:
        for disk in () if instance.forthcoming else disks[instance.uuid]:
            holders = {instance.primary_node, *(ref.uuid for ref in disk.nodes)}
            # A node of this group that is silent has been reported.
            questions += [
                DiskQuestion(known[uuid], disk) for uuid in sorted(holders & known.keys())
                if not known[uuid].offline
                and (uuid in answering or uuid != instance.primary_node)]
    return ctx.services.live.disk_states(questions) if questions else {}
