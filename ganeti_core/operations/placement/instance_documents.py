"""The instances' part of the allocators' document, each made once per change of what it is made of.

An unchanged instance has the very same dict in the next document, so that an allocator can know by
identity what it has read before. Documents are read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams, filled_nicparams
from ganeti_core.plugin_api.network import BRIDGE_LINK, NETWORK_BACKENDS
from ganeti_core.specs.instances import bridge_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster, Disk, Instance
    from ganeti_core.plugins import PluginHost


NO_DISKS: Sequence[Disk] = ()


class _Made(NamedTuple):
    """A document, and what it was made of beside what all share."""

    instance: Instance
    disks: Sequence[Disk]
    document: dict[str, Any]


@dataclass(frozen=True)
class _Shared:
    """What the documents of all instances are made of.

    :param modes: of cards, and whether their links are bridges
    :param names: of nodes, by uuid
    """

    cluster: Cluster
    modes: Mapping[str, bool]
    names: Mapping[str, str]

    def is_as(self, before: _Shared) -> bool:
        """Whether documents that were made before are right; nodes may have come or gone."""
        return (self.cluster is before.cluster and self.modes == before.modes
                and all(self.names.get(uuid, name) == name for uuid, name in before.names.items()))


class InstanceDocuments:
    """Keeps the documents from request to request; safe to use from several threads."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        # Replaced as a whole: what two threads make at once is as good as what one makes.
        self._made: tuple[_Shared | None, dict[str, _Made]] = None, {}

    def all(self, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
        """Return the documents by instance name."""
        # There may be very many instances, and a dict is looked into faster than a table.
        disks = dict(snapshot.disks.items())
        shared = _Shared(snapshot.cluster, _link_modes(self._host),
                         {uuid: node.name for uuid, node in snapshot.nodes.items()})
        before, known = self._made
        if before is None or not shared.is_as(before):
            known = {}
        documents, now = {}, {}
        for uuid, instance in snapshot.instances.items():
            own = [disks[disk] for disk in instance.disks] if instance.disks else NO_DISKS
            made = known.get(uuid)
            if made is None or made.instance is not instance or made.disks != own:
                made = _Made(instance, own, _instance(self._host, shared, instance, own))
            now[uuid] = made
            documents[instance.name] = made.document
        self._made = shared, now
        return documents


def _link_modes(host: PluginHost) -> dict[str, bool]:
    return {name: BRIDGE_LINK in host.describe(NETWORK_BACKENDS, name).capabilities
            for name in host.names(NETWORK_BACKENDS)}


def _instance(
    host: PluginHost, shared: _Shared, instance: Instance, disks: Sequence[Disk]
) -> dict[str, Any]:
    beparams = filled_beparams(shared.cluster, instance)
    return {
        "tags": list(instance.tags), "admin_state": instance.admin_state,
        "vcpus": beparams["vcpus"], "memory": beparams["maxmem"],
        "spindle_use": beparams["spindle_use"], "os": instance.os,
        "nodes": [shared.names[uuid]
                  for uuid in (instance.primary_node, *instance.secondary_nodes)],
        "nics": [nic_document(host, {"mac": nic.mac, "ip": nic.ip,
                                     **filled_nicparams(shared.cluster, nic)})
                 for nic in instance.nics],
        "disks": [{"dev_type": disk.template, "size": disk.size, "mode": disk.mode,
                   "spindles": disk.spindles} for disk in disks],
        "disk_template": instance.disk_template, "disks_active": instance.disks_active,
        "hypervisor": instance.hypervisor, "disk_space_total": sum(disk.size for disk in disks),
        # What nodes say is free does not know of it.
        **({"forthcoming": True} if instance.forthcoming else {}),
    }


def nic_document(host: PluginHost, nic: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network card as the protocol has it."""
    document = {name: nic.get(name) for name in ("mac", "ip", "mode", "link")}
    # One whose back end is disabled is in no bridge that anybody could name.
    bridge = bridge_of(host, nic) if nic.get("mode") in host.names(NETWORK_BACKENDS) else None
    return document if bridge is None else document | {"bridge": bridge}
