"""Which storages of a node disks lie in, and how much there is of each.

A storage is a folder, a volume group or a pool. Listings, allocators, and the checks before disks
are made or grown all look at the storage that the disk in question lies in.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from ganeti_core.errors import GanetiError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, LOCAL_SPACE, NO_DISKS
from ganeti_core.specs.disks import Layout, disk_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.config.reservations import Storage
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Cluster, Node
    from ganeti_core.plugin_api.data import DiskSpec, JsonDict, StorageSpace
    from ganeti_core.plugins import PluginHost
    from ganeti_core.specs.disks import MasterCalls

log = logging.getLogger(__name__)

SAMPLE = DiskRequest(str(UUID(int=0)), 0, 10240, "sample")
"""A disk that stands for those of which nothing is known: larger than any notes beside the data."""


@dataclass(frozen=True)
class SpaceNeeded:
    """What disks take on each of their nodes, MiB.

    :param storages: by storage; a device and what it lies on are both in it
    :param data: the same of the lowest devices alone, which hold the data
    """

    storages: Mapping[Storage, int] = field(default_factory=dict)
    data: Mapping[Storage, int] = field(default_factory=dict)

    @property
    def main(self) -> Storage | None:
        """The storage that most of the data lie in; None where there are no disks."""
        return max(self.data, key=lambda storage: self.data[storage], default=None)


def space_needed(on_master: MasterCalls, disks: Iterable[DiskSpec]) -> SpaceNeeded:
    """Return what new disks take."""
    return _needed(on_master, ((device, device.size) for disk in disks for device in disk.tree()))


def space_to_grow(
    on_master: MasterCalls, sizes: Iterable[tuple[DiskSpec, int]]
) -> SpaceNeeded:
    """Return what devices take beyond what they have, which become as large as is said."""
    return _needed(on_master, ((device, size - device.size) for device, size in sizes))


def _needed(
    on_master: MasterCalls, devices: Iterable[tuple[DiskSpec, int]]
) -> SpaceNeeded:
    storages: dict[Storage, int] = defaultdict(int)
    data: dict[Storage, int] = defaultdict(int)
    for device, size in devices:
        storage = (device.template, on_master.call(
            DISK_TEMPLATES, device.template, "storage_of", disk=device))
        storages[storage] += size
        if not device.children:
            data[storage] += size
    return SpaceNeeded(dict(storages), dict(data))


def space_in(spaces: Sequence[StorageSpace], name: str) -> StorageSpace | None:
    """Find a storage among those of its template on a node; without a name it is the first."""
    return next((space for space in spaces if not name or space.name == name), None)


@dataclass(frozen=True)
class NewDisks:
    """Disks that are asked for, and where they may be made.

    :param settings: of the cluster, as hooks find them
    """

    snapshot: Snapshot
    on_master: MasterCalls
    settings: JsonDict
    template: str
    requests: Sequence[DiskRequest] = ()

    def space_on(self, nodes: Sequence[Node]) -> SpaceNeeded:
        """Return what they will take on these nodes; nothing is drawn for them yet.

        :raises OpPrereqError: the options of one make no sense to the template
        """
        layout = Layout(self.snapshot, self.on_master, self.settings, nodes, self._undrawn)
        planned = [layout.plan(self.template, asked) for asked in self.requests]
        return space_needed(self.on_master, (
            disk_spec(self.snapshot, self.on_master.host, disk, asked.index, asked.instance_name)
            for disk, asked in zip(planned, self.requests, strict=True)))

    def by_group(self) -> dict[str, Storage]:
        """Return the storage that counts on the nodes of each node group (uuid).

        Where nothing is known of the disks it is that of one without any option.
        Storages are in a template's parameters, which node groups may set. Where the options make
        no sense to the template it is its first storage.
        """
        found: dict[str, Storage] = dict.fromkeys(self.snapshot.groups, (self.template, ""))
        try:
            for uuid in found:
                found[uuid] = self._main(uuid)
        except PluginError as exc:
            # One that hangs or crashes is not asked again for each group.
            log.warning("the storage of new disks is taken for the template's first: %s", exc)
        return found

    def _main(self, group: str) -> Storage:
        first = (self.template, "")
        every = sorted(self.snapshot.nodes.values(), key=lambda node: node.group != group)
        count = self.on_master.host.describe(DISK_TEMPLATES, self.template).nodes
        if not every or every[0].group != group:
            return first
        asked = self if self.requests else replace(self, requests=(SAMPLE,))
        try:
            # Where there are fewer nodes than a disk needs, it lies in the same storage of one.
            return asked.space_on((every * count)[:count]).main or first
        except PluginError:
            raise
        except GanetiError:
            return first

    def _undrawn(self, template: str, _asked: DiskRequest) -> JsonDict:
        pools = self.on_master.host.describe(DISK_TEMPLATES, template).pools
        values: JsonDict = {"port": 0, "secret": "",
                            "minor": dict.fromkeys(self.snapshot.nodes, 0)}
        return {name: value for name, value in values.items() if name in pools}


def space_for_disks(space: StorageSpace, *, exclusive: bool) -> StorageSpace:
    """Return the space as it can be used.

    :param exclusive: each disk has spindles for itself: room beside another's data is of no use
    """
    if not exclusive or not space.spindles:
        return space
    return replace(space, free=min(space.free, space.free_spindles * space.spindle_size))


def default_template(host: PluginHost, cluster: Cluster) -> str | None:
    """Return the disk template whose storage stands for a node's disk space.

    It is the first enabled one that takes space of the node, as Ganeti's "default storage"; without
    such a template, the first one that has disks.
    """
    enabled = [name for name in cluster.enabled_disk_templates if host.has(DISK_TEMPLATES, name)]
    promises = {name: host.describe(DISK_TEMPLATES, name).capabilities for name in enabled}
    return next((name for name in enabled if LOCAL_SPACE in promises[name]), None) or next(
        (name for name in enabled if NO_DISKS not in promises[name]), None)


def default_storages(
    snapshot: Snapshot, on_master: MasterCalls, settings: JsonDict
) -> dict[str, Storage]:
    """Return the storage that stands for a node's disk space, by node group (uuid)."""
    template = default_template(on_master.host, snapshot.cluster)
    return NewDisks(snapshot, on_master, settings, template).by_group() if template else {}
