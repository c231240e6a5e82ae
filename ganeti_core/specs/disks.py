"""Disks as hooks receive them, and the layout of new ones, which their template makes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from uuid import NAMESPACE_OID, uuid5

from ganeti_core.errors import PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import Disk, fill
from ganeti_core.plugin_api.data import DiskSpec, NodeRef
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.plugin_api.data import DiskRequest, JsonDict
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost


def node_ref(node: Node) -> NodeRef:
    """Describe a node."""
    return NodeRef(node.uuid, node.name, node.primary_ip, node.secondary_ip)


def template_params(
    snapshot: Snapshot, host: PluginHost, template: str, node: Node | None
) -> dict[str, Any]:
    """Return the parameters of a template as they are filled for disks of instances on `node`."""
    group = snapshot.groups.get(node.group) if node else None
    known = host.has(DISK_TEMPLATES, template)
    return fill(
        host.defaults(DISK_TEMPLATES, template) if known else {},
        snapshot.cluster.diskparams.get(template, {}),
        group.diskparams.get(template, {}) if group else {})


def disk_spec(
    snapshot: Snapshot, host: PluginHost, disk: Disk, index: int, instance: str
) -> DiskSpec:
    """Describe a disk as the master sees it; `DiskSpec.on` returns the view of a node.

    :param instance: the name of its instance
    """
    nodes = snapshot.nodes
    first = nodes.get(disk.nodes[0]) if disk.nodes else None
    return DiskSpec(
        uuid=disk.uuid, index=index, template=disk.template, size=disk.size,
        logical_id=disk.logical_id, mode=disk.mode, name=disk.name, spindles=disk.spindles,
        params=fill(template_params(snapshot, host, disk.template, first), disk.params),
        instance=instance, granted=disk.granted,
        nodes=tuple(node_ref(nodes[uuid]) for uuid in disk.nodes if uuid in nodes),
        stale=disk.stale,
        children=tuple(disk_spec(snapshot, host, child, at, instance)
                       for at, child in enumerate(disk.children)))


class MasterCalls(Protocol):
    """Calls hooks that run on the master; those of third parties can neither hang nor crash it."""

    @property
    def host(self) -> PluginHost: ...

    def call(
        self, kind: Kind[Any], driver: str, hook: str,
        functions: Mapping[str, Callable[..., Any]] = ..., **arguments: Any,
    ) -> Any:
        """Call a hook; `functions` are those of its arguments that are functions, by name."""


@dataclass(frozen=True)
class NoCalls:
    """Calls none: for what is no master, where nobody could end a hook that hangs."""

    host: PluginHost

    def call(
        self, kind: Kind[Any], driver: str, hook: str,
        functions: Mapping[str, Callable[..., Any]] = MappingProxyType({}), **arguments: Any,
    ) -> Any:
        """:raises PluginError: always"""
        del functions, arguments
        raise PluginError.in_hook(f"{kind.name} {driver}: {hook}", "only a master calls it")


@dataclass(frozen=True)
class Layout:
    """Where new disks are planned, and with what.

    :param settings: of the cluster, as hooks find them
    :param grant: checks a request for a template and returns what the core draws for the device
    """

    snapshot: Snapshot
    on_master: MasterCalls
    settings: JsonDict
    nodes: Sequence[Node]
    grant: Callable[[str, DiskRequest], JsonDict]

    def plan(self, template: str, asked: DiskRequest) -> Disk:
        """Let the template plan a disk, which belongs to no instance yet.

        The template sees its filled parameters; what it returns beyond them is the disk's own.

        :raises OpPrereqError: the request's options make no sense to the template
        :raises PluginError: the template broke
        """
        granted = self.grant(template, asked)
        host = self.on_master.host
        filled = template_params(self.snapshot, host, template, self.nodes[0])
        children: list[Disk] = []

        def plan_child(below: str, request: DiskRequest) -> DiskSpec:
            uuid = str(uuid5(NAMESPACE_OID, f"{asked.uuid}/{len(children)}"))
            children.append(self.plan(below, replace(request, uuid=uuid)))
            return disk_spec(
                self.snapshot, host, children[-1], request.index, request.instance_name)

        planned = self.on_master.call(
            DISK_TEMPLATES, template, "layout", {"plan_child": plan_child},
            request=replace(asked, params=filled),
            nodes=tuple(node_ref(node) for node in self.nodes),
            granted=granted, settings=self.settings)
        if not isinstance(planned, DiskSpec):
            raise PluginError.in_hook(f"{DISK_TEMPLATES.name} {template}: layout",
                                      f"it returned no disk: {str(planned)[:80]}")
        own = {name: value for name, value in planned.params.items()
               if name not in filled or filled[name] != value}
        return Disk(
            uuid=planned.uuid, template=planned.template, size=planned.size,
            logical_id=planned.logical_id, mode=planned.mode, name=planned.name, params=own,
            spindles=planned.spindles, granted=granted,
            nodes=tuple(node.uuid for node in self.nodes), children=tuple(children))
