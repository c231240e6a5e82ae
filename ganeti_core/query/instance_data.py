"""Everything about instances in one document: what ``OP_INSTANCE_QUERY_DATA`` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.config.ganeti_format import logical_id
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams, filled_nicparams, filled_osparams
from ganeti_core.plugin_api.data import DiskStatus
from ganeti_core.query.instance_row import InstanceRow, ask_nodes, hvparams, instance_row
from ganeti_core.query.live import DiskQuestion
from ganeti_core.query.sources import NO_JOBS, NO_LOCKS
from ganeti_core.query.view import Index, View
from ganeti_core.specs.disks import NoCalls, disk_spec
from ganeti_core.specs.instances import network_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.errors import GanetiError
    from ganeti_core.model import Disk, Network, Nic, Node
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.live import InstanceLive, LiveSource

# How a device is, in Ganeti's numbers.
_OKAY, _FAULTY, _SYNCING = 1, 3, 4


def instance_data(
    snapshot: Snapshot, host: PluginHost, live: LiveSource, names: Sequence[str], *,
    static: bool = False,
) -> dict[str, Any]:
    """Describe instances, by name.

    :param names: of the instances; none for all
    :param static: ask no node: states are None
    :raises OpPrereqError: there is no such instance (`ECODE_NOENT`)
    """
    view = View(Index(snapshot, host), live, NO_JOBS, NO_LOCKS, NoCalls(host))
    instances = [snapshot.instance(name) for name in names] or view.index.instances
    rows: Sequence[InstanceRow] = [instance_row(view, instance) for instance in instances]
    states: Mapping[tuple[str, str], DiskStatus | GanetiError] = {}
    if not static:
        rows = ask_nodes(view, rows, frozenset())
        states = live.disk_states([
            question for row in rows if not row.instance.forthcoming
            for question in _disk_questions(snapshot, host, row)])
    return {row.instance.name: _Document(row, states).build() for row in rows}


def _disk_questions(
    snapshot: Snapshot, host: PluginHost, row: InstanceRow
) -> list[DiskQuestion]:
    nodes = [node for node in (row.primary, *row.secondaries) if node and not node.offline]
    return [
        DiskQuestion(node, spec)
        for index, disk in enumerate(row.disks)
        for spec in [disk_spec(snapshot, host, disk, index, row.instance.name)]
        for node in nodes]


@dataclass(frozen=True)
class _Document:
    """One instance's document in the making."""

    row: InstanceRow
    states: Mapping[tuple[str, str], DiskStatus | GanetiError]

    def build(self) -> dict[str, Any]:
        row, instance = self.row, self.row.instance
        groups = [group for group in row.groups[1:] if group]
        return {
            "name": instance.name,
            "uuid": instance.uuid,
            "serial_no": instance.serial_no,
            "ctime": instance.ctime,
            "mtime": instance.mtime,
            "config_state": instance.admin_state,
            "run_state": _run_state(instance.admin_state, row.live),
            "pnode": row.primary.name if row.primary else None,
            "pnode_group_uuid": row.group.uuid if row.group else None,
            "pnode_group_name": row.group.name if row.group else None,
            "snodes": [node.name for node in row.secondaries],
            "snodes_group_uuids": [group.uuid for group in groups],
            "snodes_group_names": [group.name for group in groups],
            "os": instance.os,
            "nics": [self._nic(nic, network)
                     for nic, network in zip(instance.nics, row.networks, strict=True)],
            "disk_template": instance.disk_template,
            "disks": [self._disk(disk, index) for index, disk in enumerate(row.disks)],
            "hypervisor": instance.hypervisor,
            "network_port": instance.network_port,
            **self._parameters(),
        }

    def _parameters(self) -> dict[str, Any]:
        row, instance = self.row, self.row.instance
        return {
            "hv_instance": instance.hvparams,
            "hv_actual": hvparams(row),
            "be_instance": instance.beparams,
            "be_actual": filled_beparams(row.cluster, instance),
            "os_instance": instance.osparams,
            "os_actual": filled_osparams(row.cluster, instance),
        }

    def _nic(self, nic: Nic, network: Network | None) -> list[Any]:
        filled = filled_nicparams(self.row.cluster, nic)
        document = None if network is None else {
            key: value for key, value in network_document(network).items() if value is not None}
        return [nic.name, nic.uuid, nic.ip, nic.mac, filled["mode"], filled["link"],
                filled["vlan"], nic.network, document]

    def _disk(self, disk: Disk, index: int) -> dict[str, Any]:
        return {
            "iv_name": f"disk/{index}",
            "dev_type": disk.template,
            "logical_id": _shown_id(disk),
            "drbd_info": self._pair(disk),
            "pstatus": self._state(self.row.primary, disk),
            "sstatus": next((self._state(node, disk) for node in self.row.secondaries), None),
            "children": [self._disk(child, at) for at, child in enumerate(disk.children)],
            "mode": disk.mode,
            "size": disk.size,
            "spindles": disk.spindles,
            "name": disk.name,
            "uuid": disk.uuid,
        }

    def _pair(self, disk: Disk) -> dict[str, Any] | None:
        """The numbers that a disk of two nodes has on each, and its port."""
        match disk.granted:
            case {"minor": dict(minors), "port": port} if len(minors) == 2 and self.row.primary:
                own = self.row.primary.uuid
                other = next((uuid for uuid in minors if uuid != own), "")
                names = {node.uuid: node.name for node in self.row.secondaries}
                return {
                    "primary_node": self.row.primary.name, "primary_minor": minors.get(own),
                    "secondary_node": names.get(other), "secondary_minor": minors.get(other),
                    "port": port}
        return None

    def _state(self, node: Node | None, disk: Disk) -> list[Any] | None:
        """Path, major and minor number, progress and seconds left of a resync, degraded, state."""
        found = self.states.get((node.uuid, disk.uuid)) if node else None
        if not isinstance(found, DiskStatus) or not found.exists:
            return None
        number = _FAULTY if found.degraded else _OKAY
        if found.sync_percent is not None:
            number = _SYNCING
        return [found.path, None, None, found.sync_percent, None, found.degraded, number]


def _shown_id(disk: Disk) -> list[Any]:
    """The identity of a disk, without the secret that may be the last of it."""
    shown = logical_id(disk)
    secret = disk.granted.get("secret")
    return [None if part == secret and secret is not None else part for part in shown]


def _run_state(admin_state: str, live: InstanceLive) -> str | None:
    if live.problem:
        return None
    if live.guest is None:
        return "down" if admin_state == "up" else admin_state
    if live.guest.state == "user-down":
        return "user down"
    return "up" if live.guest.runs else "down"
