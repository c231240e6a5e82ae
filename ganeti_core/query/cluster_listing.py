"""The cluster as a listing of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model.ganeti_settings import LISTED
from ganeti_core.plugin_settings import filled_settings
from ganeti_core.query.fields import Field, or_unavailable, table
from ganeti_core.query.versions import (
    CONFIG_VERSION,
    EXPORT_VERSION,
    OS_API_VERSION,
    PROTOCOL_VERSION,
    SOFTWARE_VERSION,
    VCS_VERSION,
    architecture,
)
from ganeti_core.query.view import Resource, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Cluster


class ClusterRow(NamedTuple):
    cluster: Cluster
    master: str
    settings: Mapping[str, Any]
    """Of drivers, with their defaults."""


def _fixed(name: str, title: str, kind: Any, doc: str, value: Any) -> Field[ClusterRow]:
    return Field(name, title, kind, doc, lambda _: value)


def _setting(name: str, title: str, doc: str) -> Field[ClusterRow]:
    return Field(name, title, "text", doc,
                 lambda row: or_unavailable(row.settings.get(name) or None))


_FIELDS: list[Field[ClusterRow]] = [
    Field("architecture", "ArchInfo", "other", "Architecture information",
          lambda _: architecture()),
    Field("cluster_name", "Name", "text", "Cluster name", lambda row: row.cluster.name),
    Field("name", "Name", "text", "Cluster name", lambda row: row.cluster.name),
    Field("master_node", "Master", "text", "Master node name", lambda row: row.master),
    Field("drain_flag", "QueueDrained", "bool", "Flag whether job queue is drained",
          lambda row: row.cluster.queue_drained),
    Field("watcher_pause", "WatcherPause", "timestamp", "Until when watcher is paused",
          lambda row: or_unavailable(row.cluster.watcher_pause)),
    *(_setting(setting.name, *setting.field) for setting in LISTED if setting.field),
    Field("ctime", "CTime", "timestamp", "Creation timestamp", lambda row: row.cluster.ctime),
    Field("mtime", "MTime", "timestamp", "Modification timestamp",
          lambda row: row.cluster.mtime),
    Field("tags", "Tags", "other", "Tags", lambda row: sorted(row.cluster.tags)),
    _fixed("software_version", "SoftwareVersion", "text", "Software version", SOFTWARE_VERSION),
    _fixed("vcs_version", "VCSVersion", "text", "Version of the source", VCS_VERSION),
    _fixed("protocol_version", "ProtocolVersion", "number", "Protocol version",
           PROTOCOL_VERSION),
    _fixed("config_version", "ConfigVersion", "number", "Configuration format version",
           CONFIG_VERSION),
    _fixed("os_api_version", "OsApiVersion", "number", "API version for OS scripts",
           OS_API_VERSION),
    _fixed("export_version", "ExportVersion", "number", "Import/export file format version",
           EXPORT_VERSION),
]


class ClusterResource(Resource[ClusterRow]):
    """Lists the cluster."""

    what = "cluster"
    cached = False
    fields = table(_FIELDS)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[ClusterRow]:
        cluster = view.index.cluster
        row = ClusterRow(cluster, view.snapshot.master.name,
                         filled_settings(view.index.host, cluster.settings))
        return [row] if names is None else [row for name in names if name == cluster.name]

    def key(self, row: ClusterRow) -> str:
        return row.cluster.uuid
