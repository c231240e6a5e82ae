"""Is a node as it should be: what it runs, reaches, stores, and which versions it has."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.clocks import LARGEST_SKEW
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS
from ganeti_core.node.services.facts import own_version
from ganeti_core.opcodes.verification import CODES
from ganeti_core.operations.cluster.findings import DRIVER_CODE
from ganeti_core.operations.cluster.verify_drivers import verify_drivers
from ganeti_core.operations.detached_disks import detached_disks, shown
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.specs import disk_spec_of, disks_of
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.node_findings import NodeProblem
from ganeti_core.plugin_settings import folder_settings

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext
    from ganeti_core.query.live import NodeLive, Question

EXCLUSION = "htools:iextags:"
"""Begins a tag of the cluster; instances whose tags begin with its rest keep away from each other
where they are equal."""
_FOLDER_CODES = {
    setting.name: setting.unusable for setting in GANETI_SETTINGS if setting.unusable}
"""By the setting of the cluster that says where a disk template has its folder."""


def verify_node(ctx: OpContext, findings: Findings, node: Node, facts: GroupFacts) -> None:
    """Report all that is wrong with one node that is not offline."""
    told = facts.verified.get(node.uuid)
    if told is not None:
        _verify_version(findings, node, told)
        _verify_host(ctx, findings, node, told)
        _verify_network(ctx, findings, node, told)
    live = facts.live.get(node.uuid)
    if live is not None:
        _verify_plugins(ctx, findings, node, live)
        _verify_own_plugins(ctx, findings, node, live)
        verify_drivers(ctx, findings, node, facts)
        _verify_guests(ctx, findings, node, live)
    _verify_exclusion(ctx, findings, node, facts)


def _verify_version(findings: Findings, node: Node, told: dict[str, Any]) -> None:
    mine, theirs = own_version(), told["version"]
    findings.error_if(mine != theirs, "ENODEVERSION", node.name,
                      f"software version mismatch: master {mine}, node {theirs}", level="WARNING")
    apis = told["apis"]
    for kind in KINDS.values():
        known = apis.get(kind.name)
        findings.error_if(
            known != kind.api, "ENODEVERSION", node.name,
            f"incompatible protocol versions: plugins of kind {kind.name} have version {kind.api} "
            f"on the master, {'none' if known is None else known} on the node")


def _verify_host(
    ctx: OpContext, findings: Findings, node: Node, told: dict[str, Any]
) -> None:
    skew = abs(told["skew"])
    findings.error_if(skew > LARGEST_SKEW, "ENODETIME", node.name,
                      f"Node time diverges by at least {skew:.1f}s from master node time")
    findings.error_if(bool(told["setup"]), "ENODESETUP", node.name,
                      f"node setup error: {'; '.join(told['setup'])}")
    for name, message in told["collectors"].items():
        findings.error("ENODECOLLECTOR", node.name,
                       f"data collector {name}: {'; '.join(message.splitlines())}",
                       level="WARNING")
    for problem in told["scripts"]:
        findings.error("ENODEUSERSCRIPTS", node.name, problem, level="NOTICE")
    for problem in told["programs"].values():
        findings.error_if(problem is not None, "ENODEOOBPATH", node.name, str(problem))
    uses_folders = any(_setting(ctx, name) for name in ctx.snapshot.cluster.enabled_disk_templates)
    findings.error_if(
        uses_folders and bool(told["forbidden"]), "ENODEFILESTORAGEPATHS", node.name,
        f"Found forbidden file storage paths: {', '.join(told['forbidden'])}")


def _verify_network(
    ctx: OpContext, findings: Findings, node: Node, told: dict[str, Any]
) -> None:
    for name, addresses in sorted(told["unreachable"].items()):
        findings.error("ENODENET", node.name,
                       f"tcp communication with node '{name}': failure using the "
                       f"{' and '.join(addresses)} interface(s)")
    is_master = node.uuid == ctx.snapshot.cluster.master_node
    findings.error_if(
        told["master_reached"] is False, "ENODENET", node.name,
        "the master node cannot reach the master IP (not configured?)" if is_master
        else "cannot reach the master IP")


def _setting(ctx: OpContext, template: str) -> str:
    """The setting of the cluster that says where a disk template has its folder, or nothing."""
    return next(iter(folder_settings(ctx.host, DISK_TEMPLATES, template)), "")


def _verify_plugins(ctx: OpContext, findings: Findings, node: Node, live: NodeLive) -> None:
    """What hypervisors and disk templates say of their own node, or what keeps them from it."""
    reported: set[tuple[str, str, str]] = set()
    kinds = live.node_facts.get("kinds", {})
    for question, answer in sorted(live.answers.items(), key=lambda item: item[0]):
        if question.hook != "verify" and not isinstance(answer, GanetiError):
            continue
        if question.kind in kinds and question.driver not in kinds[question.kind]:
            continue  # that the node lacks it is reported once, and not as an answer
        problems = [str(answer)] if isinstance(answer, GanetiError) else answer
        for problem in problems:
            said = problem if isinstance(problem, NodeProblem) else NodeProblem(problem)
            # What keeps a plugin from one answer often keeps it from all.
            if (key := (question.kind, question.driver, said.message)) not in reported:
                reported.add(key)
                _report_plugin(ctx, findings, node, (question, said))


def _verify_own_plugins(ctx: OpContext, findings: Findings, node: Node, live: NodeLive) -> None:
    """Name plugins that are broken on this node, unless the master has them, broken or not.

    Those that it has are compared with the node's.
    """
    of_master = {(status.kind, status.name) for status in ctx.host.status()}
    for row in live.node_facts.get("plugins", ()):
        if row["problem"] and (row["kind"], row["name"]) not in of_master:
            findings.warn("ENODESETUP", node.name, f"node setup error: plugin {row['kind']} "
                          f"{row['name']}: {row['problem']}")


def _report_plugin(
    ctx: OpContext, findings: Findings, node: Node, found: tuple[Question, NodeProblem]
) -> None:
    question, problem = found[0], found[1].message
    setting = _setting(ctx, question.driver) if question.kind == DISK_TEMPLATES.name else ""
    if found[1].code in CODES:
        findings.error(found[1].code, node.name, problem)
    elif question.kind == HYPERVISORS.name:
        findings.error("ENODEHV", node.name,
                       f"hypervisor {question.driver} verify failure: '{problem}'")
    elif (code := _setting_code(ctx, question)):
        findings.error(code, node.name, problem)
    elif setting in _FOLDER_CODES:
        findings.error(
            _FOLDER_CODES[setting], node.name,
            f"The configured {question.driver} storage path is unusable: {problem}")
    else:
        what = KINDS[question.kind].title if question.kind else question.hook
        findings.error(DRIVER_CODE, node.name,
                       f"node setup error: {f'{what} {question.driver}'.strip()}: {problem}")


def _verify_guests(ctx: OpContext, findings: Findings, node: Node, live: NodeLive) -> None:
    known = {instance.name: instance for instance in ctx.current.instances.values()}
    for name in live.guests:
        if name not in known:
            findings.error("ENODEORPHANINSTANCE", node.name,
                           f"node is running unknown instance {name}")
        elif known[name].primary_node != node.uuid:
            findings.error("EINSTANCEWRONGNODE", name,
                           f"instance should not run on node {node.name}")


def _verify_exclusion(
    ctx: OpContext, findings: Findings, node: Node, facts: GroupFacts
) -> None:
    """Whether instances that shall keep away from each other are on one node."""
    prefixes = tuple(tag.removeprefix(EXCLUSION) for tag in ctx.snapshot.cluster.tags
                     if tag.startswith(EXCLUSION))
    seen: set[str] = set()
    shared: set[str] = set()
    for instance in facts.instances:
        if instance.primary_node == node.uuid:
            tags = {tag for tag in instance.tags if tag.startswith(prefixes)}
            shared |= tags & seen
            seen |= tags
    findings.error_if(bool(shared), "EEXTAGS", node.name,
                      f"Tags where there is more than one instance: {sorted(shared)}",
                      level="WARNING")


def _setting_code(ctx: OpContext, question: Question) -> str:
    """Return the code of verify that Ganeti has for a setting of a template which is no folder."""
    if question.kind != DISK_TEMPLATES.name:
        return ""
    declared = ctx.host.describe(DISK_TEMPLATES, question.driver).settings.get("properties", {})
    return next((setting.unusable for setting in GANETI_SETTINGS
                 if setting.name in declared and not setting.is_folder), "")


def verify_orphans(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Report devices that no instance of the configuration owns."""
    owned = _owned(ctx, findings)
    reserved = [re.compile(pattern) for pattern in ctx.snapshot.cluster.reserved_lvs]
    reported: set[tuple[str, str, str]] = set()
    for node in facts.nodes:
        live = facts.live.get(node.uuid)
        for question, answer in live.answers.items() if live else ():
            if question.hook != "devices" or isinstance(answer, GanetiError):
                continue
            if question.driver in owned.unknown:
                continue
            # A device that every node sees is one orphan, not one per node.
            where = _where(ctx, question.driver, node.uuid)
            known = owned.devices.get((question.driver, where), set())
            for device in sorted(set(answer) - known):
                if any(pattern.fullmatch(device) for pattern in reserved):
                    continue
                if (question.driver, where, device) not in reported:
                    reported.add((question.driver, where, device))
                    findings.warn("ENODEORPHANLV", node.name, f"volume {device} is unknown")


def note_detached(ctx: OpContext, findings: Findings, facts: GroupFacts) -> None:
    """Name the disks that belong to no instance, each once: nothing else shows them."""
    nodes = {node.uuid: node.name for node in facts.nodes}
    for disk in detached_disks(ctx.current):
        if name := nodes.get(next(iter(disk.nodes), "")):
            findings.error(
                "ENODEORPHANLV", name, f"the disk {shown(disk)} ({disk.template}, {disk.size} MiB)"
                f" belongs to no instance: gnt-instance modify --disk attach:uuid={disk.uuid} gives"
                " it to one", level="NOTICE")


def _where(ctx: OpContext, template: str, node: str) -> str:
    """Where a device of a node (uuid) lies: there, or nowhere special where all nodes see it."""
    return "" if is_shared(ctx, template) else node


@dataclass
class _Owned:
    """The identities of all devices that the configuration knows, by disk template and place.

    :param unknown: templates that cannot name theirs: which devices are orphans cannot be said
    """

    devices: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: set[str] = field(default_factory=set)


def _owned(ctx: OpContext, findings: Findings) -> _Owned:
    """Name the devices of the configuration; a template that fails is reported, and asked no more.

    Of a template that is not usable here no device can be named, nor does anybody list any.
    """
    owned = _Owned()
    snapshot = ctx.current
    every = [((instance.primary_node, *instance.secondary_nodes), disks_of(ctx, instance))
             for instance in snapshot.instances.values()]
    every += [((), [disk_spec_of(ctx, disk, 0, "")]) for disk in detached_disks(snapshot)]
    for of_instance, disks in every:
        for device, nodes in ((found, {*of_instance, *(ref.uuid for ref in disk.nodes)})
                              for disk in disks for found in disk.tree()):
            template = device.template
            if template in owned.unknown or not ctx.host.has(DISK_TEMPLATES, template):
                continue
            try:
                identity = ctx.on_master.call(
                    DISK_TEMPLATES, template, "identity", disk=device)
            except GanetiError as exc:
                owned.unknown.add(template)
                findings.error("ECLUSTERCFG", f"plugin {DISK_TEMPLATES.name} {template}",
                               f"its devices cannot be named: {exc}")
                continue
            for where in {_where(ctx, template, node) for node in nodes}:
                owned.devices[template, where].add(identity)
    return owned
