"""Node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model.cluster import NDPARAMS_DEFAULTS
from ganeti_core.model.names import nice_key
from ganeti_core.model.params import filled_diskparams, filled_ipolicy, filled_ndparams
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.fields import Field, common_fields, parameter_kind, table
from ganeti_core.query.node import NDPARAM_TITLES
from ganeti_core.query.view import Index, Resource, View, find_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Cluster, NodeGroup
    from ganeti_core.plugins import PluginHost


class GroupRow(NamedTuple):
    """A group, the names of its nodes and of the instances that run on them."""

    group: NodeGroup
    cluster: Cluster
    nodes: Sequence[str]
    instances: Sequence[str]
    disk_defaults: Mapping[str, Mapping[str, Any]]


def _ndparams(row: GroupRow) -> dict[str, Any]:
    return filled_ndparams(row.cluster, row.group)


def _parameter(name: str) -> Field[GroupRow]:
    return Field(f"ndp/{name}", NDPARAM_TITLES.get(name, f"ndp/{name}"),
                 parameter_kind(NDPARAMS_DEFAULTS[name]), f'The "{name}" node parameter',
                 lambda row: _ndparams(row)[name])


_FIELDS: list[Field[GroupRow]] = [
    Field("name", "Group", "text", "Group name", lambda row: row.group.name),
    Field("alloc_policy", "AllocPolicy", "text", "Allocation policy for group",
          lambda row: row.group.alloc_policy),
    Field("custom_diskparams", "CustomDiskParameters", "other", "Custom disk parameters",
          lambda row: row.group.diskparams),
    Field("custom_ipolicy", "CustomInstancePolicy", "other",
          "Custom instance policy limitations", lambda row: row.group.ipolicy),
    Field("custom_ndparams", "CustomNDParams", "other", "Custom node parameters",
          lambda row: row.group.ndparams),
    Field("diskparams", "DiskParameters", "other", "Disk parameters (merged)",
          lambda row: filled_diskparams(row.disk_defaults, row.cluster, row.group)),
    Field("ipolicy", "InstancePolicy", "other", "Instance policy limitations (merged)",
          lambda row: filled_ipolicy(row.cluster, row.group)),
    Field("ndparams", "NDParams", "other", "Node parameters", _ndparams),
    Field("node_cnt", "Nodes", "number", "Number of nodes", lambda row: len(row.nodes)),
    Field("node_list", "NodeList", "other", "List of nodes", lambda row: list(row.nodes)),
    Field("pinst_cnt", "Instances", "number", "Number of primary instances",
          lambda row: len(row.instances)),
    Field("pinst_list", "InstanceList", "other", "List of primary instances",
          lambda row: list(row.instances)),
]


class GroupResource(Resource[GroupRow]):
    """Lists node groups."""

    what = "group"
    fields = table(_FIELDS, map(_parameter, NDPARAMS_DEFAULTS),
                   common_fields("Group", lambda row: row.group))

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[GroupRow]:
        if names is not None:
            found = find_named(view.snapshot, "nodegroup", "Group", names)
            return [_row(view.index, group) for group in found]
        return view.index.once("group", lambda: [
            _row(view.index, group) for group in view.index.groups])

    def key(self, row: GroupRow) -> str:
        return row.group.uuid


def _row(index: Index, group: NodeGroup) -> GroupRow:
    nodes = index.members.get(group.uuid, ())
    instances = [name for node in nodes for name in index.primaries.get(node.uuid, ())]
    return GroupRow(
        group, index.settings, [node.name for node in nodes], sorted(instances, key=nice_key),
        index.once("disk defaults", lambda: disk_defaults(index.host)))


def disk_defaults(host: PluginHost) -> Mapping[str, Mapping[str, Any]]:
    """Every loaded disk template's own parameters."""
    return {name: host.defaults(DISK_TEMPLATES, name) for name in host.names(DISK_TEMPLATES)}
