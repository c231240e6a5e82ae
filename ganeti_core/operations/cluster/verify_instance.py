"""Is an instance as it should be: where it is, how large it is, whether it runs, its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError
from ganeti_core.model.params import filled_ndparams
from ganeti_core.operations.instance_policy import problems_in, shape_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, EXCLUSIVE_STORAGE
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.live import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskStatus

_REMEDIES = {
    "stuck": "mend that, then 'gnt-instance startup' lets it go on",
    "crashed": "'gnt-instance startup' ends it and starts it anew",
}
"""What helps a guest that is there and does not run, by its state."""
_LOCAL = {"sync": "syncing"}
"""States of data that Ganeti calls otherwise."""


def verify_instance(
    ctx: OpContext, findings: Findings, instance: Instance, facts: GroupFacts
) -> None:
    """Report all that is wrong with one instance of the group."""
    problems = problems_in(ctx, instance, shape_of(ctx, instance), facts.group)
    findings.error_if(bool(problems), "EINSTANCEPOLICY", instance.name, ", ".join(problems),
                      level="WARNING")
    nodes = _nodes_of(ctx, findings, instance)
    _verify_layout(ctx, findings, instance, nodes)
    _verify_suitable(ctx, findings, instance, nodes, facts)
    primary = ctx.snapshot.nodes[instance.primary_node]
    findings.error_if(
        primary.offline and instance.admin_state == "up", "EINSTANCEBADNODE", instance.name,
        f"instance is marked as running and lives on offline node {primary.name}")
    if not primary.offline:
        silent = primary.vm_capable and primary.uuid not in facts.live
        findings.error_if(silent, "ENODERPC", primary.name,
                          f"instance {instance.name}, connection to primary node failed")
        if not silent:
            _verify_running(findings, instance, primary, facts)
    for node in nodes:
        _verify_disks(findings, instance, node, facts)


def _nodes_of(ctx: OpContext, findings: Findings, instance: Instance) -> list[Node]:
    """The nodes of an instance, primary first; those that cannot have it are reported."""
    known = ctx.snapshot.nodes
    nodes = []
    for uuid in (instance.primary_node, *instance.secondary_nodes):
        node = known.get(uuid)
        findings.error_if(node is None, "EINSTANCEBADNODE", instance.name,
                          f"instance lives on ghost node {node.name if node else uuid}")
        if node is not None:
            nodes.append(node)
            findings.error_if(not node.vm_capable, "EINSTANCEBADNODE", instance.name,
                              f"instance lives on non-vm_capable node {node.name}")
    offline = [node.name for node in nodes[1:] if node.offline]
    findings.error_if(bool(offline), "EINSTANCEBADNODE", instance.name,
                      f"instance has offline secondary node(s) {', '.join(offline)}")
    return nodes


def _verify_layout(
    ctx: OpContext, findings: Findings, instance: Instance, nodes: Sequence[Node]
) -> None:
    """Whether it has as many nodes as its disk template takes, all in one group."""
    template, secondaries = instance.disk_template, len(instance.secondary_nodes)
    if ctx.host.has(DISK_TEMPLATES, template):
        needed = ctx.host.describe(DISK_TEMPLATES, template).nodes - 1
        findings.error_if(
            secondaries > max(1, needed), "EINSTANCELAYOUT", instance.name,
            f"instance has multiple secondary nodes: {_names(nodes[1:])}", level="WARNING")
        findings.error_if(
            secondaries < needed, "EINSTANCELAYOUT", instance.name,
            f"instance has {secondaries} secondary node(s), its disk template {template} needs "
            f"{needed}")
        findings.error_if(
            secondaries == 1 > needed, "EINSTANCELAYOUT", instance.name,
            f"instance has the secondary node {_names(nodes[1:])}, for which its disk template "
            f"{template} has no use", level="WARNING")
    by_group: dict[str, list[Node]] = {}
    for node in nodes:
        by_group.setdefault(node.group, []).append(node)
    groups = ctx.snapshot.groups
    where = [f"{_names(found)} (group {groups[uuid].name if uuid in groups else uuid})"
             for uuid, found in by_group.items()]
    findings.error_if(
        len(by_group) > 1, "EINSTANCESPLITGROUPS", instance.name,
        f"instance has primary and secondary nodes in different groups: {', '.join(where)}",
        level="WARNING")


def _names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes)


def _verify_suitable(
    ctx: OpContext, findings: Findings, instance: Instance, nodes: Sequence[Node],
    facts: GroupFacts,
) -> None:
    """Whether its nodes can have it: their storage rules, and the plugins that they have."""
    cluster, groups = ctx.snapshot.cluster, ctx.snapshot.groups
    exclusive = [node for node in nodes if filled_ndparams(
        cluster, groups.get(node.group), node)["exclusive_storage"]]
    templates = {disk.template for disk in facts.disks[instance.uuid]}
    unfit = sorted(name for name in templates if not ctx.host.has(DISK_TEMPLATES, name)
                   or EXCLUSIVE_STORAGE not in ctx.host.describe(DISK_TEMPLATES, name).capabilities)
    findings.error_if(
        bool(exclusive and unfit), "EINSTANCEUNSUITABLENODE", instance.name,
        f"instance uses disk types {', '.join(unfit)}, which are not supported on nodes that have "
        f"exclusive storage set: {_names(exclusive)}")
    for disk in facts.disks[instance.uuid] if exclusive else ():
        findings.error_if(
            disk.spindles is None and disk.template not in unfit, "EINSTANCEMISSINGCFGPARAMETER",
            instance.name, f"number of spindles not configured for disk {disk.index} while "
            "exclusive storage is enabled, try running gnt-cluster repair-disk-sizes")
    for kind, names in ((HYPERVISORS, {instance.hypervisor}), (DISK_TEMPLATES, templates)):
        for node in nodes:
            has = facts.drivers(node, kind.name)
            missing = sorted(names - has) if has is not None else []
            findings.error_if(
                bool(missing), "EINSTANCEUNSUITABLENODE", instance.name,
                f"instance uses the {kind.title} {', '.join(missing)}, which is not usable on "
                f"node {node.name}")


def _verify_running(
    findings: Findings, instance: Instance, node: Node, facts: GroupFacts
) -> None:
    live = facts.live.get(node.uuid)
    if live is None:
        return
    if isinstance(live.answers.get(running(instance.hypervisor)), GanetiError):
        findings.warn("ENODEHV", node.name, f"it is not known whether instance {instance.name} "
                      "runs: its hypervisor gives no answer")
        return
    guest, is_wanted = live.guests.get(instance.name), instance.admin_state == "up"
    findings.error_if(is_wanted and guest is None, "EINSTANCEDOWN", instance.name,
                      f"instance not running on its primary node {node.name}")
    findings.error_if(not is_wanted and guest is not None, "EINSTANCEWRONGNODE", instance.name,
                      f"instance runs on node {node.name}, but is marked {instance.admin_state}")
    if is_wanted and guest is not None and guest.state in _REMEDIES:
        findings.error(
            "EINSTANCEDOWN", instance.name,
            f"instance stands still on its primary node {node.name}: "
            f"{guest.reason or f'it is {guest.state}'}; {_REMEDIES[guest.state]}")


def _verify_disks(
    findings: Findings, instance: Instance, node: Node, facts: GroupFacts
) -> None:
    for disk in facts.disks[instance.uuid]:
        status = facts.states.get((node.uuid, disk.uuid))
        if status is None:
            continue
        where = f"disk/{disk.index} on {node.name}"
        if unasked := why_not_asked(status):
            findings.error("EINSTANCEFAULTYDISK", instance.name,
                           f"couldn't retrieve status for {where}: {unasked}")
        if isinstance(status, GanetiError) or unasked:
            continue
        findings.error_if(not status.exists, "EINSTANCEMISSINGDISK", instance.name,
                          f"{where} is missing")
        # Where the data are whole, only what they are protected by is not.
        findings.error_if(
            status.exists and status.degraded, "EINSTANCEFAULTYDISK", instance.name,
            f"{where} is degraded; local disk state is '{_LOCAL.get(status.local, status.local)}'"
            + (f": {status.reason}" if status.reason else ""),
            level="WARNING" if status.local in ("ok", "sync") else "ERROR")


def why_not_asked(status: DiskStatus | GanetiError) -> str:
    """Why it is not known whether a disk is there; empty where it is."""
    if isinstance(status, GanetiError):
        return str(status)
    if status.exists or status.local != "unknown":
        return ""
    return status.reason or "its storage could not be asked"
