"""Instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.query.fields import (
    Absent,
    Field,
    Need,
    common_fields,
    or_unavailable,
    table,
    with_aliases,
)
from ganeti_core.query.instance_disks import DISK_FIELDS
from ganeti_core.query.instance_nics import NIC_FIELDS
from ganeti_core.query.instance_params import PARAMETER_FIELDS, hvparam_fields
from ganeti_core.query.instance_row import (
    InstanceRow,
    ask_nodes,
    instance_row,
    status,
)
from ganeti_core.query.view import Resource, View, find_named
from ganeti_core.query_language import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.plugins import PluginHost

ALIASES = {
    "vcpus": "be/vcpus", "be/memory": "be/maxmem", "sda_size": "disk.size/0",
    "sdb_size": "disk.size/1", "ip": "nic.ip/0", "mac": "nic.mac/0", "bridge": "nic.bridge/0",
    "nic_mode": "nic.mode/0", "nic_link": "nic.link/0", "nic_network": "nic.network/0",
}

_STATUS_DOC = (
    'Instance status; "running" if instance is set to be running and actually is, "ADMIN_down" if'
    ' instance is stopped and is not running, "ERROR_wrongnode" if instance running, but not on'
    ' its designated primary node, "ERROR_up" if instance should be stopped, but is actually'
    ' running, "ERROR_down" if instance should run, but doesn\'t, "ERROR_nodedown" if instance\'s'
    ' primary node is down, "ERROR_nodeoffline" if instance\'s primary node is marked offline,'
    ' "ADMIN_offline" if instance is offline and does not use dynamic resources'
)

_RUNNING = frozenset({Need.RUNNING})


def _of_primary(part: str, attribute: str) -> Callable[[InstanceRow], Any]:
    def value(row: InstanceRow) -> Any:
        found = getattr(row, part)
        return Absent.NODATA if found is None else getattr(found, attribute)

    return value


def _of_secondary_groups(attribute: str) -> Callable[[InstanceRow], Any]:
    return lambda row: [getattr(group, attribute) for group in row.groups[1:] if group]


def _of_guest(attribute: str) -> Callable[[InstanceRow], Any]:
    def value(row: InstanceRow) -> Any:
        live = row.live
        if live.problem:
            return Absent.OFFLINE if live.problem == "offline" else Absent.NODATA
        return Absent.UNAVAIL if live.guest is None else getattr(live.guest, attribute)

    return value


def _is_running(row: InstanceRow) -> bool | Absent:
    if row.live.problem:
        return Absent.NODATA
    return row.live.guest is not None and row.live.guest.runs


_CORE: list[Field[InstanceRow]] = [
    Field("name", "Instance", "text", "Instance name", lambda row: row.instance.name,
          comparison=Comparison.HOST_NAME),
    Field("admin_state", "InstanceState", "text", "Desired state of instance",
          lambda row: row.instance.admin_state),
    Field("admin_state_source", "InstanceStateSource", "text",
          "Who last changed the desired state of the instance",
          lambda row: row.instance.admin_state_source),
    Field("admin_up", "Autostart", "bool", "Desired state of instance",
          lambda row: row.instance.admin_state == "up"),
    Field("forthcoming", "Forthcoming", "bool", "whether the Instance is forthcoming",
          lambda row: row.instance.forthcoming),
    Field("hypervisor", "Hypervisor", "text", "Hypervisor name",
          lambda row: row.instance.hypervisor),
    Field("network_port", "Network_port", "other",
          "Instance network port if available (e.g. for VNC console)",
          lambda row: or_unavailable(row.instance.network_port)),
    Field("os", "OS", "text", "Operating system", lambda row: row.instance.os),
    Field("pnode", "Primary_node", "text", "Primary node", _of_primary("primary", "name"),
          comparison=Comparison.HOST_NAME),
    Field("pnode.group", "PrimaryNodeGroup", "text", "Primary node's group",
          _of_primary("group", "name")),
    Field("pnode.group.uuid", "PrimaryNodeGroupUUID", "text", "Primary node's group UUID",
          _of_primary("group", "uuid")),
    Field("snodes", "Secondary_Nodes", "other",
          "Secondary nodes; usually this will just be one node",
          lambda row: [node.name for node in row.secondaries]),
    Field("snodes.group", "SecondaryNodesGroups", "other", "Node groups of secondary nodes",
          _of_secondary_groups("name")),
    Field("snodes.group.uuid", "SecondaryNodesGroupsUUID", "other",
          "Node group UUIDs of secondary nodes", _of_secondary_groups("uuid")),
]

_LIVE: list[Field[InstanceRow]] = [
    Field("status", "Status", "text", _STATUS_DOC, status, _RUNNING),
    Field("oper_state", "Running", "bool", "Actual state of instance", _is_running, _RUNNING),
    Field("oper_ram", "Memory", "unit", "Actual memory usage as seen by hypervisor",
          _of_guest("memory"), _RUNNING),
    Field("oper_vcpus", "VCPUs", "number", "Actual number of VCPUs as seen by hypervisor",
          _of_guest("vcpus"), _RUNNING),
    Field("console", "Console", "other", "Instance console information", lambda row: row.console,
          frozenset({Need.CONSOLE})),
]


class InstanceResource(Resource[InstanceRow]):
    """Lists instances. Which fields there are depends on the hypervisors of `host`."""

    what = "instance"

    def __init__(self, host: PluginHost) -> None:
        self.fields = with_aliases(
            table(_CORE, _LIVE, DISK_FIELDS, NIC_FIELDS, PARAMETER_FIELDS, hvparam_fields(host),
                  common_fields("Instance", lambda row: row.instance)),
            ALIASES)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[InstanceRow]:
        if names is not None:
            found = find_named(view.snapshot, "instance", "Instance", names)
            return [instance_row(view, instance) for instance in found]
        return view.index.once("instance", lambda: [
            instance_row(view, instance) for instance in view.index.instances])

    def with_live(
        self, view: View, rows: Sequence[InstanceRow], needs: frozenset[Need]
    ) -> Sequence[InstanceRow]:
        return ask_nodes(view, rows, needs)

    def key(self, row: InstanceRow) -> str:
        return row.instance.uuid
