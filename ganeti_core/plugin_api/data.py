"""The data passed to hooks: plain, frozen, JSON on the wire, complete without the cluster's config.

Sizes of memory and disks are MiB throughout. Parameters are *filled*: cluster, group and object
levels are merged and the plugin's own defaults applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class Description:
    """What a plugin says of itself.

    :param api_version: the API version of its kind that it was written for
    :param title: one line for people
    :param parameters: JSON Schema of type ``object``; each property has ``type``, ``default`` and
        ``description``. A property with ``"x-global": true`` cannot be set per instance, one with
        ``"x-secret": true`` is never stored or logged
    :param capabilities: names promised, such as ``live_migration``; the core asks for them and
        never compares plugin names
    :param state_version: version of what the driver leaves on a node (pid files, runtime state)
    """

    api_version: int
    title: str
    parameters: JsonDict = field(default_factory=lambda: {"type": "object", "properties": {}})
    capabilities: frozenset[str] = frozenset()
    state_version: int = 1


@dataclass(frozen=True)
class NodeRef:
    """A node, as far as a hook needs it: addresses are of the primary and replication networks."""

    uuid: str
    name: str
    address: str
    secondary_address: str = ""


@dataclass(frozen=True)
class NicSpec:
    """A virtual network card. `mode`: ``bridged``, ``routed``, ``openvswitch``."""

    uuid: str
    index: int
    mac: str
    mode: str = "bridged"
    link: str = ""
    vlan: str = ""
    ip: str | None = None
    name: str | None = None
    network: JsonDict | None = None


@dataclass(frozen=True)
class DiskSpec:
    """One device of an instance.

    :param template: the disk template that owns it
    :param size: MiB
    :param logical_id: the template's own data that identifies the device; made by its ``layout``
    :param params: the template's filled parameters
    :param path: the device or file as the instance's node sees it; empty until `open` answered
    :param role: ``primary`` on the node where the instance runs, ``secondary`` on its mirror
    :param peers: the other nodes that hold this device
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
    path: str = ""
    role: Literal["primary", "secondary"] = "primary"
    peers: tuple[NodeRef, ...] = ()
    instance: str = ""


@dataclass(frozen=True)
class InstanceSpec:
    """An instance, complete: what a node must know to run it or to install it.

    :param os: OS name with its variant, ``name`` or ``name+variant``; empty for none
    :param beparams: ``maxmem``, ``minmem`` (MiB), ``vcpus``, ``spindle_use``, ``auto_balance``,
        ``always_failover``
    :param network_port: TCP port that the cluster granted to it (graphical console), or None
    """

    uuid: str
    name: str
    hypervisor: str
    hvparams: JsonDict = field(default_factory=dict)
    beparams: JsonDict = field(default_factory=dict)
    os: str = ""
    osparams: JsonDict = field(default_factory=dict)
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    tags: tuple[str, ...] = ()
    network_port: int | None = None
    primary_node: str = ""
    secondary_nodes: tuple[str, ...] = ()
    ctime: float = 0.0
    mtime: float = 0.0

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

    `kind`: ``ssh`` (run `command` on `host`), ``vnc``, ``spice`` (connect to `host`:`port`),
    ``msg`` (show `message`: there is no console).
    """

    kind: Literal["ssh", "vnc", "spice", "msg"]
    instance: str
    host: str = ""
    port: int | None = None
    user: str = "root"
    command: tuple[str, ...] = ()
    display: int | None = None
    message: str = ""


@dataclass(frozen=True)
class RunningInstance:
    """An instance that a hypervisor found on its node. `memory` in MiB, `cpu_time` in seconds."""

    name: str
    uuid: str
    state: Literal["running", "paused", "user-down"]
    memory: int
    vcpus: int
    cpu_time: float = 0.0


@dataclass(frozen=True)
class HostFacts:
    """What a node has, as its hypervisor sees it; memory in MiB.

    `memory_host` is what the host itself uses; `version` the hypervisor's own.
    """

    memory_total: int
    memory_free: int
    memory_host: int
    cpu_total: int
    cpu_sockets: int = 1
    cpu_nodes: int = 1
    version: str = ""


@dataclass(frozen=True)
class MigrationTarget:
    """Where a migration goes: made by the target's `migration_prepare`, used by the source."""

    address: str
    port: int
    details: JsonDict = field(default_factory=dict)


@dataclass(frozen=True)
class MigrationStatus:
    """How far a migration is. RAM counts in bytes."""

    state: Literal["none", "active", "completed", "failed", "cancelled"]
    transferred_ram: int = 0
    total_ram: int = 0
    message: str = ""


@dataclass(frozen=True)
class DeviceStep:
    """One device on one node, as a disk template's `layout` plans it."""

    node: str
    disk: DiskSpec


@dataclass(frozen=True)
class DiskRequest:
    """What an instance asks of a disk template: `size` MiB, and options of that template."""

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
class DiskPlan:
    """A disk template's answer: the disk as it enters the config, and its devices per node."""

    disk: DiskSpec
    devices: tuple[DeviceStep, ...]


@dataclass(frozen=True)
class DiskStatus:
    """A device as it is. `size` MiB; `degraded`: a mirror is missing or behind."""

    exists: bool
    path: str = ""
    size: int = 0
    is_open: bool = False
    degraded: bool = False
    sync_percent: float | None = None


@dataclass(frozen=True)
class StorageSpace:
    """Room in one storage of a node, MiB; `name` is a folder, volume group or pool."""

    name: str
    total: int
    free: int


@dataclass(frozen=True)
class OsInfo:
    """An OS definition as one node has it; `problem` is empty when it can be used."""

    name: str
    path: str
    api_versions: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    trusted: bool = True


@dataclass(frozen=True)
class Report:
    """What a collector found; the form of the monitoring daemon's answers.

    `kind`: 0 performance, 1 status. `version`: of the data's format.
    """

    data: JsonDict
    kind: Literal[0, 1] = 0
    version: str = "B"
    format_version: int = 1
