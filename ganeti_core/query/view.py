"""What a query works on: one snapshot with what is derived from it, and the sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ganeti_core.errors import ECODE_NOENT, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import Cluster
from ganeti_core.model.names import nice_key
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.figures import Samples
    from ganeti_core.model import Instance, Network, Node, NodeGroup
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.fields import Field, Need
    from ganeti_core.query.live import LiveSource
    from ganeti_core.query.sources import JobSource, LockSource
    from ganeti_core.specs.disks import MasterCalls

T = TypeVar("T")
R = TypeVar("R")


class HypervisorDefaults(NamedTuple):
    """A driver's own parameters, and the names of those that instances cannot set."""

    values: Mapping[str, Any]
    cluster_wide: frozenset[str]


GANETI_CLUSTER_WIDE = frozenset({
    "migration_bandwidth", "migration_mode", "migration_port", "xen_cmd"})
"""What an imported configuration may hold for hypervisors that have no driver here."""


_INHERITED = (
    "master_node", "enabled_hypervisors", "enabled_disk_templates", "hvparams", "os_hvp",
    "beparams", "nicparams", "ndparams", "diskparams", "osparams", "ipolicy",
    "enabled_user_shutdown", "hv_state_static", "disk_state_static",
)


def hypervisor_defaults(host: PluginHost, name: str) -> HypervisorDefaults:
    """Ask a driver for its defaults; one that is not there has none."""
    if not host.has(HYPERVISORS, name):
        return HypervisorDefaults({}, GANETI_CLUSTER_WIDE)
    properties = host.describe(HYPERVISORS, name).parameters.get("properties", {})
    wide = frozenset(key for key, schema in properties.items() if schema.get("x-global"))
    return HypervisorDefaults(host.defaults(HYPERVISORS, name), wide)


class Index:
    """What listings derive from a snapshot, each part made when first wanted.

    It lives as long as its snapshot is queried, so parts are shared by all queries of it.
    """

    def __init__(
        self, snapshot: Snapshot, host: PluginHost, previous: Index | None = None
    ) -> None:
        """:param previous: of an earlier snapshot; what is equal there is shared with it"""
        self.snapshot = snapshot
        self.host = host
        known = previous is not None and bool(previous.snapshot.of_kind("cluster"))
        self._shared = previous.settings if previous is not None and known else None
        self._parts: dict[str, Any] = {}
        self._defaults: dict[str, HypervisorDefaults] = {}

    def once(self, key: str, build: Callable[[], T]) -> T:
        """Return what `build` made when first asked for `key`."""
        # Two threads may both build; the values are equal, either may stay.
        if key not in self._parts:
            self._parts[key] = build()
        found: T = self._parts[key]
        return found

    @cached_property
    def cluster(self) -> Cluster:
        return self.snapshot.cluster

    @cached_property
    def settings(self) -> Cluster:
        """The cluster as rows may see it: what they inherit, everything else left blank.

        So a change of a counter in the cluster makes no row a new one.
        """
        values = {name: getattr(self.cluster, name) for name in _INHERITED}
        found = Cluster(uuid=self.cluster.uuid, name=self.cluster.name, **values)
        return self._shared if self._shared == found else found

    @cached_property
    def nic_modes(self) -> Mapping[str, frozenset[str]]:
        """What each network back end can, by its name, which is the mode of its cards."""
        return {name: self.host.describe(NETWORK_BACKENDS, name).capabilities
                for name in self.host.names(NETWORK_BACKENDS)}

    @cached_property
    def instances(self) -> Sequence[Instance]:
        """In the order of listings, as are the other sequences."""
        return by_name(self.snapshot.instances.values())

    @cached_property
    def nodes(self) -> Sequence[Node]:
        return by_name(self.snapshot.nodes.values())

    @cached_property
    def groups(self) -> Sequence[NodeGroup]:
        return by_name(self.snapshot.groups.values())

    @cached_property
    def networks(self) -> Sequence[Network]:
        return by_name(self.snapshot.networks.values())

    @cached_property
    def primaries(self) -> Mapping[str, Sequence[str]]:
        """Names of instances by the uuid of their primary node."""
        found: dict[str, list[str]] = defaultdict(list)
        for instance in self.instances:
            found[instance.primary_node].append(instance.name)
        return found

    @cached_property
    def secondaries(self) -> Mapping[str, Sequence[str]]:
        """Names of instances by the uuids of their secondary nodes."""
        found: dict[str, list[str]] = defaultdict(list)
        for instance in self.instances:
            for uuid in instance.secondary_nodes:
                found[uuid].append(instance.name)
        return found

    @cached_property
    def members(self) -> Mapping[str, Sequence[Node]]:
        """Nodes by the uuid of their group."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            found[node.group].append(node)
        return found

    def hypervisor_defaults(self, name: str) -> HypervisorDefaults:
        """As the function of this name; asked once."""
        if name not in self._defaults:
            self._defaults[name] = hypervisor_defaults(self.host, name)
        return self._defaults[name]


def by_name(objects: Iterable[Any]) -> list[Any]:
    """Sort objects as listings do."""
    return sorted(objects, key=lambda found: nice_key(found.name))


@dataclass(frozen=True)
class View:
    """One query's world.

    :param on_master: calls hooks that need no node
    :param wanted: the fields that the query shows or filters by
    :param figures: gives what the master has counted and measured, by name
    """

    index: Index
    live: LiveSource
    jobs: JobSource
    locks: LockSource
    on_master: MasterCalls
    wanted: frozenset[str] = field(default_factory=frozenset)
    figures: Callable[[], Mapping[str, Samples]] = dict

    @property
    def snapshot(self) -> Snapshot:
        return self.index.snapshot

    @property
    def host(self) -> PluginHost:
        return self.index.host


class Resource(ABC, Generic[R]):
    """One sort of things that can be listed.

    A row's context holds all that its fields read: equal contexts give equal rows, which is what
    lets encoded rows be kept.

    :param cached: encoded rows are kept, by `key`
    """

    what: str
    name_field: str = "name"
    cached: bool = True
    fields: Mapping[str, Field[R]]

    @abstractmethod
    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[R]:
        """Build the rows, without what nodes must tell.

        :param names: only these, in this order; None for all, in the order of listings
        :raises OpPrereqError: there is no object of a name (`ECODE_NOENT`)
        """

    def with_live(
        self, view: View, rows: Sequence[R], needs: frozenset[Need]  # noqa: ARG002  # for others
    ) -> Sequence[R]:
        """Ask nodes what `needs` names and answer the rows with it."""
        return rows

    @abstractmethod
    def key(self, row: R) -> str:
        """What identifies the row's object."""


def find_named(
    snapshot: Snapshot, kind: str, title: str, names: Sequence[str | int]
) -> list[Any]:
    """Look objects up by name or uuid, in the order of `names`.

    :raises OpPrereqError: `ECODE_NOENT`, with Ganeti's text
    """
    found = []
    for name in names:
        match = snapshot.find(kind, str(name))
        if match is None:
            raise OpPrereqError(f"{title} name {name} not found", ECODE_NOENT)
        found.append(match)
    return found
