"""Which drivers operations on instances need, and on which nodes; see `operations.node_drivers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.operations.networking import links_of, services_for, uses_node_networks
from ganeti_core.operations.node_drivers import Need
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugin_api.network_services import NETWORK_SERVICES
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ganeti_core.model import Disk, Instance, Nic, Node
    from ganeti_core.operations.context import OpContext


def guest_needs(
    ctx: OpContext, instance: Instance, node: Node, source: Node | None = None
) -> list[Need]:
    """Return what running a guest takes.

    :param source: where it ran before, when its running state moves
    """
    return [Need(node, HYPERVISORS, instance.hypervisor, source),
            *network_needs(ctx, instance, instance.nics, node)]


def network_needs(
    ctx: OpContext, instance: Instance, nics: Iterable[Nic], node: Node
) -> list[Need]:
    """Return what attaching cards takes."""
    if not uses_node_networks(ctx.host, instance.hypervisor):
        return []
    nics = list(nics)
    return [*(Need(node, NETWORK_BACKENDS, mode) for mode in sorted(links_of(ctx.current, nics))),
            *(Need(node, NETWORK_SERVICES, service)
              for service in services_for(ctx.current, ctx.host, nics))]


def disk_needs(
    disks: Iterable[Disk], nodes: Iterable[Node], source: Node | None = None
) -> list[Need]:
    """Return what acting on disks takes, those below them included.

    :param source: the node whose disks the others get
    """
    templates = sorted({template for disk in disks for template in templates_of(disk)})
    return [Need(node, DISK_TEMPLATES, template, source)
            for node in nodes for template in templates]


def templates_of(disk: Disk) -> Iterator[str]:
    """Yield the template of a disk, and those of the devices that it lies on."""
    yield disk.template
    for child in disk.children:
        yield from templates_of(child)


def system_needs(instance: Instance, node: Node) -> list[Need]:
    """Return what installing a system takes."""
    return [Need(node, OS_DEFINITIONS, instance.os.partition("+")[0])]
