"""The context of an instance's row, and what follows from it: its status, filled parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.errors import GanetiError
from ganeti_core.model.params import filled_hvparams
from ganeti_core.query.consoles import console_document
from ganeti_core.query.fields import Absent, Need
from ganeti_core.query.live import (
    NODE_OFFLINE,
    NODE_SILENT,
    NOT_RUNNING,
    ConsoleRequest,
    InstanceLive,
    NodeLive,
    running,
)
from ganeti_core.specs.instances import instance_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Cluster, Disk, Instance, Network, Node, NodeGroup
    from ganeti_core.plugin_api.data import RunningInstance
    from ganeti_core.query.view import HypervisorDefaults, View


class InstanceRow(NamedTuple):
    """An instance with everything its fields read.

    :param networks: one per network card
    :param modes: what the network back ends of this cluster can, by name
    :param live: how it was found; `NODE_SILENT` before nodes were asked
    """

    instance: Instance
    disks: tuple[Disk, ...]
    primary: Node | None
    secondaries: tuple[Node, ...]
    groups: tuple[NodeGroup | None, ...]
    networks: tuple[Network | None, ...]
    cluster: Cluster
    defaults: HypervisorDefaults
    modes: Mapping[str, frozenset[str]]
    live: InstanceLive = NODE_SILENT
    console: dict[str, Any] | Absent = Absent.NODATA

    @property
    def group(self) -> NodeGroup | None:
        """The primary node's; the others of `groups` are the secondary nodes'."""
        return self.groups[0]


def instance_row(view: View, instance: Instance) -> InstanceRow:
    """Build the context from the configuration."""
    snapshot = view.snapshot
    nodes, groups, networks = snapshot.nodes, snapshot.groups, snapshot.networks
    primary = nodes.get(instance.primary_node)
    secondaries = tuple([nodes[uuid] for uuid in instance.secondary_nodes if uuid in nodes])
    return InstanceRow(
        instance,
        tuple([snapshot.disks[uuid] for uuid in instance.disks if uuid in snapshot.disks]),
        primary,
        secondaries,
        tuple([groups.get(node.group) if node else None for node in (primary, *secondaries)]),
        tuple([networks.get(nic.network) if nic.network else None for nic in instance.nics]),
        view.index.settings,
        view.index.hypervisor_defaults(instance.hypervisor),
        view.index.nic_modes,
    )


def hvparams(row: InstanceRow) -> dict[str, Any]:
    """Filled hypervisor parameters, without those that only a whole cluster can set."""
    filled = filled_hvparams(row.defaults.values, row.cluster, row.instance)
    return {name: value for name, value in filled.items()
            if name not in row.defaults.cluster_wide}


def status(row: InstanceRow) -> str:
    """The one word that tells how an instance is, from what is wanted and what was found."""
    if row.primary is not None and row.primary.offline:
        return "ERROR_nodeoffline"
    live = row.live
    if live.problem:
        return "ERROR_nodedown"
    if live.guest is None:
        return _dead_status(row)
    if not live.on_primary:
        return "ERROR_wrongnode"
    return _found_status(row, live.guest)


def _found_status(row: InstanceRow, guest: RunningInstance) -> str:
    wanted_up = row.instance.admin_state == "up"
    if guest.runs:
        return "running" if wanted_up else "ERROR_up"
    if guest.state != "user-down":  # it has not ended, and holds its memory and its disks
        return "ERROR_down" if wanted_up else "ERROR_up"
    if not wanted_up:
        return "ADMIN_down"
    return "USER_down" if _user_may_stop(row) else "ERROR_down"


def _dead_status(row: InstanceRow) -> str:
    match row.instance.admin_state:
        case "up":
            return "ERROR_down"
        case "offline":
            return "ADMIN_offline"
    by_user = row.instance.admin_state_source == "user" and row.cluster.enabled_user_shutdown
    return "USER_down" if by_user else "ADMIN_down"


def _user_may_stop(row: InstanceRow) -> bool:
    # A driver that can tell a guest's own shutdown only when told to has a parameter for it.
    return row.cluster.enabled_user_shutdown and bool(hvparams(row).get("user_shutdown", True))


def ask_nodes(
    view: View, rows: Sequence[InstanceRow], needs: frozenset[Need]
) -> Sequence[InstanceRow]:
    """Find out how instances are: asks the primary nodes of `rows`."""
    nodes = {row.primary.uuid: row.primary for row in rows
             if row.primary is not None and not row.primary.offline}
    hypervisors = frozenset(running(row.instance.hypervisor) for row in rows)
    answers = view.live.gather(list(nodes.values()), hypervisors) if nodes else {}
    guests = _guests(answers)
    consoles = _consoles(view, rows) if Need.CONSOLE in needs else {}
    return [
        InstanceRow(*row[:9], _live(row, answers, guests),
                    consoles.get(row.instance.uuid, Absent.NODATA))
        for row in rows
    ]


def _guests(answers: Mapping[str, NodeLive | GanetiError]) -> Mapping[str, RunningInstance]:
    """Every guest that any node told of; to find those that run on a wrong node."""
    found: dict[str, RunningInstance] = {}
    for answer in answers.values():
        if isinstance(answer, NodeLive):
            found.update(answer.guests)
    return found


def _live(
    row: InstanceRow, answers: Mapping[str, NodeLive | GanetiError],
    guests: Mapping[str, RunningInstance],
) -> InstanceLive:
    name = row.instance.name
    answer = answers.get(row.instance.primary_node)
    if isinstance(answer, NodeLive) and (guest := answer.guests.get(name)) is not None:
        return InstanceLive(guest)
    if (stray := guests.get(name)) is not None:
        return InstanceLive(stray, on_primary=False)
    if row.primary is not None and row.primary.offline:
        return NODE_OFFLINE
    if isinstance(answer, NodeLive) and answer.running(row.instance.hypervisor) is not None:
        return NOT_RUNNING
    return NODE_SILENT


def _consoles(view: View, rows: Sequence[InstanceRow]) -> dict[str, dict[str, Any] | Absent]:
    asked = {row.instance.uuid: row.primary for row in rows
             if row.primary is not None and not row.primary.offline}
    requests = [
        ConsoleRequest(instance_spec(
            view.snapshot, view.host, row.instance, row.disks), row.primary)
        for row in rows if row.primary is not None and row.instance.uuid in asked]
    found: dict[str, dict[str, Any] | Absent] = {
        row.instance.uuid: Absent.OFFLINE for row in rows if row.primary and row.primary.offline}
    for uuid, console in view.live.consoles(requests).items():
        found[uuid] = Absent.NODATA if isinstance(console, GanetiError) else console_document(
            view.snapshot, console, asked[uuid])
    return found
