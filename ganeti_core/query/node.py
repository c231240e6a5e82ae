"""Nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model.cluster import NDPARAMS_DEFAULTS
from ganeti_core.model.params import filled_disk_state, filled_hv_state, filled_ndparams
from ganeti_core.plugin_settings import settings_of
from ganeti_core.query.fields import (
    Absent,
    Field,
    Need,
    common_fields,
    parameter_kind,
    table,
)
from ganeti_core.query.live import NODE_FACTS, NodeLive, Question, host_facts, spaces
from ganeti_core.query.view import Resource, View, find_named
from ganeti_core.query_language import Comparison
from ganeti_core.specs.storages import default_storages, space_for_disks, space_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ganeti_core.config.reservations import Storage
    from ganeti_core.errors import GanetiError
    from ganeti_core.model import Cluster, Node, NodeGroup
    from ganeti_core.plugin_api.data import HostFacts, StorageSpace


class NodeRow(NamedTuple):
    """A node, its group, the names of its instances, and what it told.

    `facts` and `space` are an `Absent` where it did not tell.
    """

    node: Node
    group: NodeGroup | None
    cluster: Cluster
    primaries: Sequence[str]
    secondaries: Sequence[str]
    facts: HostFacts | Absent = Absent.NODATA
    space: StorageSpace | Absent = Absent.NODATA
    boot_id: str | Absent = Absent.NODATA


NDPARAM_TITLES = {
    "exclusive_storage": "ExclusiveStorage", "oob_program": "OutOfBandProgram",
    "ovs": "OpenvSwitch", "ovs_link": "OpenvSwitchLink", "ovs_name": "OpenvSwitchName",
    "spindle_count": "SpindleCount",
}

_ROLE_DOC = ('Node role; "M" for master, "C" for master candidate, "R" for regular, '
             '"D" for drained, "O" for offline')


def _powered(row: NodeRow) -> bool | Absent:
    # Without a program that switches it nothing is known of its power.
    program = filled_ndparams(row.cluster, row.group, row.node)["oob_program"]
    return row.node.powered if program else Absent.UNAVAIL


def _of_group(attribute: str) -> Callable[[NodeRow], Any]:
    return lambda row: getattr(row.group, attribute) if row.group else Absent.NODATA


def _flag(name: str, title: str, doc: str) -> Field[NodeRow]:
    return Field(name, title, "bool", doc, lambda row: getattr(row.node, name))


_CONFIG: list[Field[NodeRow]] = [
    Field("name", "Node", "text", "Node name", lambda row: row.node.name,
          comparison=Comparison.HOST_NAME),
    _flag("drained", "Drained", "Whether node is drained"),
    _flag("master_candidate", "MasterC", "Whether node is a master candidate"),
    _flag("master_capable", "MasterCapable", "Whether node can become a master candidate"),
    _flag("offline", "Offline", "Whether node is marked offline"),
    _flag("vm_capable", "VMCapable", "Whether node can host instances"),
    Field("pip", "PrimaryIP", "text", "Primary IP address", lambda row: row.node.primary_ip),
    Field("sip", "SecondaryIP", "text", "Secondary IP address",
          lambda row: row.node.secondary_ip or row.node.primary_ip),
    Field("master", "IsMaster", "bool", "Whether node is master",
          lambda row: row.node.uuid == row.cluster.master_node),
    Field("role", "Role", "text", _ROLE_DOC,
          lambda row: row.node.role(row.cluster.master_node).value),
    Field("group", "Group", "text", "Node group", _of_group("name")),
    Field("group.uuid", "GroupUUID", "text", "UUID of node group", lambda row: row.node.group),
    Field("powered", "Powered", "bool", "Whether node is thought to be powered on", _powered),
    Field("ndparams", "NodeParameters", "other", "Merged node parameters",
          lambda row: filled_ndparams(row.cluster, row.group, row.node)),
    Field("custom_ndparams", "CustomNodeParameters", "other", "Custom node parameters",
          lambda row: row.node.ndparams),
    Field("pinst_cnt", "Pinst", "number", "Number of instances with this node as primary",
          lambda row: len(row.primaries)),
    Field("pinst_list", "PriInstances", "other", "List of instances with this node as primary",
          lambda row: list(row.primaries)),
    Field("sinst_cnt", "Sinst", "number", "Number of instances with this node as secondary",
          lambda row: len(row.secondaries)),
    Field("sinst_list", "SecInstances", "other", "List of instances with this node as secondary",
          lambda row: list(row.secondaries)),
    Field("hv_state", "HypervisorState", "other", "Hypervisor state",
          lambda row: filled_hv_state(row.cluster, row.group, row.node) or Absent.UNAVAIL),
    Field("disk_state", "DiskState", "other", "Disk state",
          lambda row: filled_disk_state(row.cluster, row.group, row.node) or Absent.UNAVAIL),
]


def _parameter(name: str) -> Field[NodeRow]:
    return Field(
        f"ndp/{name}", NDPARAM_TITLES.get(name, f"ndp/{name}"),
        parameter_kind(NDPARAMS_DEFAULTS[name]), f'The "{name}" node parameter',
        lambda row: filled_ndparams(row.cluster, row.group, row.node)[name])


def _fact(name: str, title: str, kind: Any, attribute: str, doc: str) -> Field[NodeRow]:
    return Field(
        name, title, kind, doc,
        lambda row: row.facts if isinstance(row.facts, Absent) else getattr(row.facts, attribute),
        frozenset({Need.FACTS}))


def _space(name: str, title: str, attribute: str, doc: str) -> Field[NodeRow]:
    def value(row: NodeRow) -> Any:
        if isinstance(row.space, Absent):
            return row.space
        return getattr(space_for_disks(row.space, exclusive=_is_exclusive(row)), attribute)

    return Field(name, title, "unit", doc, value, frozenset({Need.SPACES}))


def _spindles(name: str, title: str, attribute: str, doc: str) -> Field[NodeRow]:
    def value(row: NodeRow) -> Any:
        if isinstance(row.space, Absent):
            return row.space
        return getattr(row.space, attribute) if _is_exclusive(row) else Absent.NODATA

    return Field(name, title, "number", doc, value, frozenset({Need.SPACES}))


def _is_exclusive(row: NodeRow) -> bool:
    return bool(filled_ndparams(row.cluster, row.group, row.node)["exclusive_storage"])


_LIVE: list[Field[NodeRow]] = [
    Field("bootid", "BootID", "text",
          "Random UUID renewed for each system reboot, can be used for detecting reboots by"
          " tracking changes", lambda row: row.boot_id, frozenset({Need.BOOT})),
    _fact("cnodes", "CNodes", "number", "cpu_nodes",
          "Number of NUMA domains on node (if exported by hypervisor)"),
    _fact("cnos", "CNOs", "number", "host_cpus",
          "Number of logical processors used by the node OS (dom0 for Xen)"),
    _fact("csockets", "CSockets", "number", "cpu_sockets",
          "Number of physical CPU sockets (if exported by hypervisor)"),
    _fact("ctotal", "CTotal", "number", "cpu_total", "Number of logical processors"),
    _fact("mfree", "MFree", "unit", "memory_free", "Memory available for instance allocations"),
    _fact("mnode", "MNode", "unit", "memory_host",
          "Amount of memory used by node (dom0 for Xen)"),
    _fact("mtotal", "MTotal", "unit", "memory_total", "Total amount of memory of physical machine"),
    _space("dfree", "DFree", "free", "Available storage space on storage unit"),
    _space("dtotal", "DTotal", "total",
           "Total storage space on storage unit for instance disk allocation"),
    _spindles("spfree", "SpFree", "free_spindles",
              "Available spindles in volume group (exclusive storage only)"),
    _spindles("sptotal", "SpTotal", "spindles",
              "Total spindles in volume group (exclusive storage only)"),
]


class NodeResource(Resource[NodeRow]):
    """Lists nodes."""

    what = "node"
    fields = table(_CONFIG, _LIVE, map(_parameter, NDPARAMS_DEFAULTS),
                   common_fields("Node", lambda row: row.node))

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[NodeRow]:
        if names is not None:
            return [_row(view, node) for node in find_named(view.snapshot, "node", "Node", names)]
        return view.index.once("node", lambda: [_row(view, node) for node in view.index.nodes])

    def with_live(
        self, view: View, rows: Sequence[NodeRow], needs: frozenset[Need]
    ) -> Sequence[NodeRow]:
        storages: Mapping[str, Storage] = {}
        if Need.SPACES in needs:
            storages = view.index.once("storages", lambda: default_storages(
                view.snapshot, view.on_master, settings_of(view.host, view.snapshot)))
        questions: set[Question] = {spaces(template) for template, _ in storages.values()}
        if Need.FACTS in needs:
            questions |= set(map(host_facts, view.index.cluster.enabled_hypervisors))
        if Need.BOOT in needs:
            questions.add(NODE_FACTS)
        nodes = [row.node for row in rows if not row.node.offline]
        answers = view.live.gather(nodes, frozenset(questions))
        return [_with_answer(row, answers.get(row.node.uuid), storages.get(row.node.group))
                for row in rows]

    def key(self, row: NodeRow) -> str:
        return row.node.uuid


def _row(view: View, node: Node) -> NodeRow:
    index = view.index
    return NodeRow(
        node, view.snapshot.groups.get(node.group), index.settings,
        index.primaries.get(node.uuid, ()), index.secondaries.get(node.uuid, ()))


def _with_answer(
    row: NodeRow, answer: NodeLive | GanetiError | None, storage: Storage | None
) -> NodeRow:
    if row.node.offline:
        return NodeRow(*row[:5], Absent.OFFLINE, Absent.OFFLINE, Absent.OFFLINE)
    if not isinstance(answer, NodeLive):
        return row
    boot_id = answer.node_facts.get("boot_id") or Absent.NODATA
    if not row.node.vm_capable:
        return NodeRow(*row[:5], Absent.UNAVAIL, Absent.UNAVAIL, boot_id)
    space = space_in(answer.spaces(storage[0]) or (), storage[1]) if storage else None
    return NodeRow(
        *row[:5], answer.host or Absent.NODATA, space or Absent.NODATA, boot_id)
