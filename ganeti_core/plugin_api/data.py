"""The data passed to hooks: plain, frozen, JSON on the wire, complete without the cluster's config.

Sizes of memory and disks are MiB throughout. Parameters are *filled*: cluster, group and object
levels are merged and the plugin's own defaults applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass

JsonDict = dict[str, Any]

CATEGORIES = ("storage", "instance", "daemon", "hypervisor")
"""What reports of collectors are about, as Ganeti's monitoring daemon names it."""


@dataclass(frozen=True)
class Metric:
    """A figure that a collector reports, as Prometheus and its like read it.

    :param name: as Prometheus demands; counters end in ``_total``, and the unit is in the name
    :param type: ``counter``: it only grows, and begins anew with the node or daemon. A sample of a
        ``histogram`` has in the figure's place a list: the sum of all that was observed, and a list
        of pairs, an upper bound and how many were not above it. Bounds grow, the last is None: all
    :param title: one line for people
    :param labels: what tells its samples apart
    :param cluster_wide: it is about the whole cluster, so the master alone reports it; it gets the
        label ``cluster`` before its own
    """

    name: str
    type: Literal["gauge", "counter", "histogram"]
    title: str
    labels: tuple[str, ...] = ()
    cluster_wide: bool = False


@dataclass(frozen=True)
class Description:
    """What a plugin says of itself.

    :param api_version: the API version of its kind that it was written for
    :param title: one line for people
    :param parameters: JSON Schema of type ``object``; each property has ``type``, ``default`` and
        ``description``. A property with ``"x-global": true`` cannot be set per instance, one with
        ``"x-disk": true`` (of a disk template) only per disk, one with ``"x-secret": true``
        (of an OS definition) is given for each installation, as a secret one, and never stored or
        shown; one with ``"x-private": true`` is stored, and shown nowhere. A default of an OS
        definition's parameter is filled in, unless it is the empty text. ``"x-trial"`` is the value
        that ``gnt-vcluster`` gives a hypervisor's parameter of a new cluster, where the default
        relies on what an administrator has installed. ``"x-helper"`` is the value that a
        hypervisor's parameter has in helper guests, whatever the instance has (``helper_guests``)
    :param capabilities: names promised, such as ``live_migration``; the core asks for them and
        never compares plugin names
    :param state_version: version of what the driver leaves on a node (pid files, runtime state)
    :param nodes: of a disk template: how many nodes an instance with such disks has
    :param pools: what the core draws for each object of this driver: ``port`` (a TCP port of the
        cluster), ``minor`` (a number that is unique on each of its nodes), ``secret`` (a random
        text). For disks it is in `DiskSpec.granted`
    :param id_parts: of a disk template: what the parts of its disks' `logical_id` are, for
        administrators' scripts: ``("driver", "id")`` gives them ``INSTANCE_DISK0_DRIVER`` and
        ``INSTANCE_DISK0_ID``. A part with an empty name, and those beyond, they do not get
    :param settings: JSON Schema of the settings of the whole cluster that the driver uses; each
        property as in `parameters`. The name is the setting's in the whole cluster, and all
        drivers that declare it declare the same. An empty text means that it is not set: one in
        ``required`` must be set while the driver is enabled. ``"x-folder": true``: a folder of the
        nodes, with objects of the driver in it
    :param storage_types: of a disk template: the types of the units of its storage that commands
        list, change and repair, the one that `space` lists first; its own name where it says none
    :param preference: where one driver must be taken and none is named, as in a new cluster, the
        enabled one with the highest is; 0, the default: only where it is named
    :param disk_counts: of a hypervisor: the fewest and the most disks that an instance has; None:
        any number
    :param lacking: why it lacks capabilities that others of its kind have, by their names: a part
        of the error where one is asked for
    :param interval: of a collector: seconds between two calls, where the cluster sets no other
    :param category: of a collector: what it is about, one of `CATEGORIES` or empty
    :param report_kind: of a collector: 0 for figures (performance), 1 for how something stands: its
        data then have ``status`` with ``code`` (0 well, 1 being repaired, 2 unknown, 4 bad) and
        ``message``
    :param metrics: of a collector: the figures of its `Report.samples`
    """

    api_version: int
    title: str
    parameters: JsonDict = field(default_factory=lambda: {"type": "object", "properties": {}})
    capabilities: frozenset[str] = frozenset()
    state_version: int = 1
    nodes: int = 1
    pools: frozenset[str] = frozenset()
    id_parts: tuple[str, ...] = ()
    settings: JsonDict = field(default_factory=lambda: {"type": "object", "properties": {}})
    preference: int = 0
    storage_types: tuple[str, ...] = ()
    disk_counts: tuple[int, int] | None = None
    lacking: dict[str, str] = field(default_factory=dict)
    interval: float = 5.0
    category: str = ""
    report_kind: Literal[0, 1] = 0
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class NodeRef:
    """A node, as far as a hook needs it: addresses are of the primary and replication networks."""

    uuid: str
    name: str
    address: str
    secondary_address: str = ""


@dataclass(frozen=True)
class NetworkLink:
    """What cards are attached to, as a network back end names it; `vlan` may be empty.

    :param filters: which frames of their guests are dropped, see `network.FILTERS`: ``mac``, ``ip``
    """

    link: str
    vlan: str = ""
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class NicSpec:
    """A virtual network card.

    :param mode: the name of its network back end
    :param bridge: its link, where this is a bridge (the back end's capability ``bridge_link``)
    """

    uuid: str
    index: int
    mac: str
    mode: str = ""
    link: str = ""
    vlan: str = ""
    ip: str | None = None
    name: str | None = None
    network: JsonDict | None = None
    bridge: str = ""


@dataclass(frozen=True)
class DiskSpec:
    """One device of an instance, and the devices that it lies on.

    :param template: the disk template that owns it
    :param size: MiB
    :param logical_id: the template's own data that identifies the device; made by its ``layout``
    :param params: the template's filled parameters
    :param granted: what the core drew from the pools of the template's `Description`: ``port``,
        ``secret``, and ``minor`` by the uuid of each node
    :param nodes: the nodes that hold it, the instance's primary node first
    :param stale: uuids of those of them whose copies may miss what was written to another one, as
        the cluster knows it: such a copy must not be written to, unless that is forced
    :param here: uuid of the node that sees it so; empty on the master
    :param path: the device or file as this node sees it; empty until `open` returned it
    :param uris: addresses by hypervisor, for guests that need no device of the host
    """

    uuid: str
    index: int
    template: str
    size: int
    logical_id: tuple[Any, ...] = ()
    mode: Literal["rw", "ro"] = "rw"
    params: JsonDict = field(default_factory=dict)
    children: tuple[DiskSpec, ...] = ()
    name: str | None = None
    spindles: int | None = None
    granted: JsonDict = field(default_factory=dict)
    nodes: tuple[NodeRef, ...] = ()
    stale: tuple[str, ...] = ()
    here: str = ""
    path: str = ""
    uris: dict[str, str] = field(default_factory=dict)
    instance: str = ""

    def on(self, node: str) -> DiskSpec:
        """Return the device as the node with this uuid sees it."""
        return replace(self, here=node, children=tuple(child.on(node) for child in self.children))

    def tree(self) -> Iterator[DiskSpec]:
        """Iterate over the device and all that it lies on."""
        yield self
        for child in self.children:
            yield from child.tree()

    @property
    def role(self) -> Literal["primary", "secondary"]:
        """``primary`` on the instance's primary node, ``secondary`` elsewhere."""
        return "secondary" if self.nodes and self.nodes[0].uuid != self.here else "primary"

    @property
    def node(self) -> NodeRef | None:
        """This node with its addresses; None where the disk is not held."""
        return next((node for node in self.nodes if node.uuid == self.here), None)

    @property
    def peers(self) -> tuple[NodeRef, ...]:
        """The other nodes that hold the device."""
        return tuple(node for node in self.nodes if node.uuid != self.here)

    @property
    def minor(self) -> int:
        """The number drawn for this node.

        :raises KeyError: the template draws no ``minor``
        """
        return int(self.granted["minor"][self.here])


@dataclass(frozen=True)
class InstanceSpec:
    """An instance, complete: what a node must know to run it or to install it.

    :param os: OS name with its variant, ``name`` or ``name+variant``; empty for none
    :param osparams: parameters of the OS; private and secret ones only for what installs it
    :param secret_osparams: names of those whose values must be in no message and no log
    :param beparams: ``maxmem``, ``minmem`` (MiB), ``vcpus``, ``spindle_use``, ``auto_balance``,
        ``always_failover``
    :param network_port: TCP port that the cluster granted to it (graphical console), or None
    :param debug_level: how much whatever installs it should say, as the user asked for with ``-d``
    """

    uuid: str
    name: str
    hypervisor: str
    hvparams: JsonDict = field(default_factory=dict)
    beparams: JsonDict = field(default_factory=dict)
    os: str = ""
    osparams: JsonDict = field(default_factory=dict)
    secret_osparams: tuple[str, ...] = ()
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    tags: tuple[str, ...] = ()
    network_port: int | None = None
    primary_node: str = ""
    secondary_nodes: tuple[str, ...] = ()
    ctime: float = 0.0
    mtime: float = 0.0
    debug_level: int = 0

    @property
    def memory(self) -> int:
        """Memory to start with, MiB."""
        return int(self.beparams["maxmem"])

    @property
    def vcpus(self) -> int:
        return int(self.beparams["vcpus"])


@dataclass(frozen=True)
class Console:
    """How a client reaches an instance's console.

    `kind`: ``ssh`` (run `command` on `host` as `user`, over SSH at `port`), ``unix`` (a stream
    socket of the node at `path`), ``serial`` (a terminal device of the node at `path`), ``vnc``
    (connect to `host`:`port`, or to the stream socket of the node at `path`), ``spice`` (connect to
    `host`:`port`), ``msg`` (show `message`: there is no console). Where `host` is empty it is the
    node, and it may be an address that only the node itself reaches; a `port` of None is the node's
    for SSH. The core knows what attaches a terminal to a socket or device, and relays all kinds but
    ``ssh`` and ``msg`` to clients of the remote API.

    With ``unix`` and ``serial``, `command` lets a guest go on that was started paused: a terminal
    that is attached on the node runs it a moment later. Who relays a console does not run it.
    """

    kind: Literal["ssh", "vnc", "spice", "msg", "unix", "serial"]
    instance: str
    host: str = ""
    port: int | None = None
    user: str = "root"
    command: tuple[str, ...] = ()
    display: int | None = None
    message: str = ""
    path: str = ""


@dataclass(frozen=True)
class RunningInstance:
    """An instance that a hypervisor found on its node. `memory` in MiB, `cpu_time` in seconds.

    The ends of a migration that do not run the guest (a receiver, a copy that was sent) are none.

    :param state: ``user-down``: its user has shut it down, and only what ran it is left;
        ``crashed``: it has broken down, and can only be ended or reset; ``stuck``: it stands still
        until something outside of it is mended, such as a full disk, and can then go on (`start`)
    :param reason: why it is ``crashed`` or ``stuck``, as a part of a sentence
    """

    name: str
    uuid: str
    state: Literal["running", "paused", "user-down", "stuck", "crashed"]
    memory: int
    vcpus: int
    cpu_time: float = 0.0
    reason: str = ""

    @property
    def runs(self) -> bool:
        """Whether it runs, or stands still by somebody's wish and can go on at any time."""
        return self.state in ("running", "paused")

    @property
    def is_over(self) -> bool:
        """Whether it will never go on: what is left of it can be ended without loss."""
        return self.state in ("user-down", "crashed")


@dataclass(frozen=True)
class PluggedDevice:
    """A device of a running guest, as the guest sees it.

    :param model: such as ``virtio-blk-pci``
    :param address: where on its bus it is, in the hypervisor's own words; may be empty
    """

    model: str
    address: str = ""


@dataclass(frozen=True)
class MirrorStatus:
    """How the copy of a running guest's disk onto another one stands; see `DiskMirrorSpec`.

    :param state: ``none``: nothing is copied, and the guest has its disk, or does not run;
        ``active``; ``synced``: both are written to; ``failed``: it broke off, and the guest has its
        disk; ``switched``: it has the other one
    :param copied: of `total`, both in bytes; the latter grows with what is written meanwhile
    :param message: why it failed
    """

    state: Literal["none", "active", "synced", "failed", "switched"]
    copied: int = 0
    total: int = 0
    message: str = ""


@dataclass(frozen=True)
class HostFacts:
    """What a node has, as its hypervisor sees it; memory in MiB.

    `memory_host` is what is neither free nor used by this driver's guests: what the host itself
    uses, and guests of others. `version` is the hypervisor's own. Where several hypervisors are
    enabled the core puts their figures together (`query.host_figures`): the one that sees most
    memory says what there is, as one below the host's own system does.

    :param cpu_host: processors that the node's own system may use, where these are not all: of
        Xen's first domain; 0 for all
    """

    memory_total: int
    memory_free: int
    memory_host: int
    cpu_total: int
    cpu_sockets: int = 1
    cpu_nodes: int = 1
    version: str = ""
    cpu_host: int = 0

    @property
    def host_cpus(self) -> int:
        """How many processors the node's own system may use."""
        return self.cpu_host or self.cpu_total


@dataclass(frozen=True)
class MigrationOffer:
    """A guest that is to move, as it runs: made by its node's `migration_offer`.

    :param version: of the hypervisor that runs it now; empty where that does not matter
    :param details: what the driver's `migration_prepare` on the target needs to know of it
    """

    version: str = ""
    details: JsonDict = field(default_factory=dict)


@dataclass(frozen=True)
class MigrationTarget:
    """Where a migration goes: made by the target's `migration_prepare`, used by the source."""

    address: str
    port: int
    details: JsonDict = field(default_factory=dict)


@dataclass(frozen=True)
class MigrationStatus:
    """How far a migration is, and which end of it the asked node has. RAM counts in bytes.

    `guest`: what the node has of the guest. ``none``: nothing. ``runs``: the guest itself, also
    while it is paused or being sent. ``receiving``: a receiver, in which the guest never ran.
    ``sent``: a copy that stands still, since all of it was handed over. ``unknown``, from drivers
    that do not say: then nothing can be proved, and no end of the migration is touched.

    :param remaining_ram: what is still to be sent as far as is known; None where it is not
    :param endless: why the transfer will not end as it is configured, such as a guest that writes
        to its memory faster than it is sent, and what to do; empty while it may end. The core
        gives such a transfer up
    :param can_switch: whether `migration_switch` may end it sooner, as its parameters ask for
    :param cut: this node has one half of a guest that was handed over by `migration_switch`, and
        its connection to the other is lost; `migration_reopen` and `migration_resume` mend that
    """

    state: Literal["none", "active", "completed", "failed", "cancelled"]
    transferred_ram: int = 0
    total_ram: int = 0
    message: str = ""
    guest: Literal["none", "runs", "receiving", "sent", "unknown"] = "unknown"
    remaining_ram: int | None = None
    endless: str = ""
    can_switch: bool = False
    cut: bool = False


@dataclass(frozen=True)
class DiskRequest:
    """What an instance asks of a disk template.

    :param size: MiB
    :param options: what was given for this disk; names and values fit the template's schema of
        parameters
    :param params: its parameters as cluster and group set them
    """

    uuid: str
    index: int
    size: int
    instance_name: str
    mode: Literal["rw", "ro"] = "rw"
    name: str | None = None
    spindles: int | None = None
    options: JsonDict = field(default_factory=dict)
    params: JsonDict = field(default_factory=dict)


@dataclass(frozen=True)
class OpenDisk:
    """How an open disk is reached on its node.

    :param path: device or file; empty if only some hypervisors reach it, by a URI
    :param uris: addresses that hypervisors open themselves, by the hypervisor's name
    """

    path: str = ""
    uris: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DiskStatus:
    """A device as it is. `size` in MiB.

    :param exists: whether it is there; False with `local` ``unknown`` where the storage could not
        be asked for it, which may hold it all the same
    :param degraded: a copy is missing or behind; `reason` says which and why
    :param local: the state of the data on this node: ``ok``; ``sync`` (being filled by a peer);
        ``stale`` (a peer has newer data); ``faulty`` (lost); ``unknown``
    :param sync_percent: how far a synchronization is; None when none runs
    :param sync_seconds: how long it is expected to take
    :param spindles: on how many spindles it lies; None where they cannot be its own
    :param has_all: although `degraded`, nothing was written that is not here, and that is known
        now: who writes is connected, and only another copy is missing or behind
    """

    exists: bool
    path: str = ""
    size: int = 0
    is_open: bool = False
    degraded: bool = False
    local: Literal["ok", "sync", "stale", "faulty", "unknown"] = "ok"
    reason: str = ""
    sync_percent: float | None = None
    sync_seconds: float | None = None
    has_all: bool = False
    spindles: int | None = None


@dataclass(frozen=True)
class StorageSpace:
    """Room in one storage of a node, MiB; `name` is a folder, volume group or pool.

    :param device: what the room is of, if other storages of the node may be on it, too: a text that
        all of them give, whichever driver's they are (`storage_folders.device_of`). They share the
        room, so what jobs have set aside in one of them is missing in all.

    The rest is of storages in which a disk can have spindles for itself (`EXCLUSIVE_STORAGE`), and
    counts on nodes with ``exclusive_storage`` set.

    :param spindles: how many there are
    :param free_spindles: on how many of them there is nothing
    :param spindle_size: how much of a disk one of them holds, whichever it is
    """

    name: str
    total: int
    free: int
    spindles: int = 0
    free_spindles: int = 0
    spindle_size: int = 0
    device: str = ""


@dataclass(frozen=True)
class StorageUnit:
    """A part of a node's storage that administrators look after; MiB.

    :param allocatable: whether new disks may take room from it
    """

    name: str
    size: int
    used: int
    free: int
    allocatable: bool = True


@dataclass(frozen=True)
class Volume:
    """A volume in a storage of a node, whoever made it.

    :param storage: as `StorageSpace.name`
    :param name: in its storage
    :param device: path, or whatever it lies on
    :param size: MiB
    :param identity: as `identity` names it, if it may be an instance's
    """

    storage: str
    name: str
    device: str
    size: int
    identity: str = ""


@dataclass(frozen=True)
class OsInfo:
    """An OS definition as one node has it; `problem` is empty when it can be used.

    :param trusted: False: it installs in a helper guest, away from the node (`package`)
    """

    name: str
    path: str
    api_versions: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    trusted: bool = True


@dataclass(frozen=True)
class Report:
    """What a collector found.

    :param data: a JSON object or list; an object with ``status`` where the collector's
        `Description` says ``report_kind=1``
    :param version: of the collector; `format_version`: of the form of `data`
    :param samples: by the name of a `Metric` of the description, a list per sample: the values of
        its labels in their order, which are texts, and then the figure
    """

    data: Any
    version: str = "B"
    format_version: int = 1
    samples: dict[str, list[list[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Collected:
    """What one call of a collector gives.

    :param state: a JSON object that its next call gets as ``previous``: counters and when they were
        read, for instance; None where it needs no history
    """

    report: Report
    state: JsonDict | None = None
