"""Does a node have the plugins of the master, in versions that go together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.params import filled_nicparams
from ganeti_core.operations.node_drivers import CORE, Need
from ganeti_core.operations.node_plugins import runs_on_nodes
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugin_api.network_services import NETWORK_SERVICES, services_of
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.findings import Findings
    from ganeti_core.operations.cluster.verify_gather import GroupFacts
    from ganeti_core.operations.context import OpContext


def verify_drivers(
    ctx: OpContext, findings: Findings, node: Node, facts: GroupFacts
) -> None:
    """Report drivers that a node lacks or has in a version that does not fit.

    What the cluster uses is an error, the rest and other releases that do fit are warnings. OS
    definitions are compared in more detail elsewhere.
    """
    live = facts.live.get(node.uuid)
    here = live.node_facts if live else {}
    if not here:
        return
    used = _used(ctx)
    for kind in KINDS.values():
        if not runs_on_nodes(kind) or kind.name == OS_DEFINITIONS.name:
            continue
        for name in ctx.host.names(kind):
            if problem := ctx.services.drivers.problem_in(Need(node, kind, name), here):
                code, text = ("ENODEHV", f"hypervisor {name} verify failure: '{problem}'") if (
                    kind.name == HYPERVISORS.name) else (
                        "ENODESETUP", f"node setup error: {problem}")
                findings.error(code, node.name, text,
                               level="ERROR" if (kind.name, name) in used else "WARNING")
    _verify_releases(ctx, findings, node, here)


def _used(ctx: OpContext) -> set[tuple[str, str]]:
    """The drivers that instances have, or may have any time, by the names of kind and driver."""
    snapshot = ctx.current
    cluster, instances = snapshot.cluster, snapshot.instances.values()
    return {
        *((HYPERVISORS.name, name) for name in cluster.enabled_hypervisors),
        *((HYPERVISORS.name, one.hypervisor) for one in instances),
        *((DISK_TEMPLATES.name, name) for name in cluster.enabled_disk_templates),
        *((DISK_TEMPLATES.name, disk.template) for disk in snapshot.disks.values()),
        *((NETWORK_BACKENDS.name, filled_nicparams(cluster, nic)["mode"])
          for one in instances for nic in one.nics),
        *((NETWORK_SERVICES.name, service) for network in snapshot.networks.values()
          for service in services_of(network.tags))}


def _verify_releases(
    ctx: OpContext, findings: Findings, node: Node, here: Mapping[str, Any]
) -> None:
    mine = {(row.kind, row.name): (row.distribution, row.version)
            for row in ctx.host.status() if not row.problem and row.distribution != CORE}
    for row in here["plugins"]:
        known = mine.get((row["kind"], row["name"]))
        its = row["distribution"], row["version"]
        # The path of a plugin's file is that of a node of its own.
        if known and not row["problem"] and known != its and not its[0].startswith("/"):
            findings.warn(
                "ENODEVERSION", node.name,
                f"plugin {row['kind']}:{row['name']} is of {' '.join(its).strip()}, on the master "
                f"of {' '.join(known).strip()}")
