"""What a cluster description says, as plain frozen values; sizes are MiB throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TEMPLATES: Final = (
    "diskless",
    "file",
    "sharedfile",
    "plain",
    "blockdev",
    "drbd",
    "rbd",
    "ext",
    "gluster",
)
LOCAL_TEMPLATES: Final = frozenset({"plain", "drbd"})
"""Templates whose disks are taken from a node's own storage pool."""
FREELY_MOVABLE: Final = frozenset({"ext", "rbd", "sharedfile", "gluster", "blockdev", "diskless"})
"""Templates whose instances can run on any node, as no node holds their data."""
BALANCEABLE: Final = (FREELY_MOVABLE - {"diskless"}) | {"drbd"}

UNKNOWN_LIKE: Final = "file"
"""What a template behaves like of which nothing is known: its disks stay on their node."""

STATUSES: Final = (
    "running",
    "ADMIN_down",
    "ADMIN_offline",
    "USER_down",
    "ERROR_down",
    "ERROR_up",
    "ERROR_nodedown",
    "ERROR_nodeoffline",
    "ERROR_wrongnode",
)
MEMORY_STATUSES: Final = frozenset(
    {"running", "ERROR_up", "ERROR_nodedown", "ERROR_nodeoffline", "ERROR_wrongnode"}
)
"""States in which an instance holds memory on its primary node."""
RUNNING_STATUSES: Final = frozenset({"running", "ERROR_up"})

ALLOC_POLICIES: Final = ("preferred", "last_resort", "unallocable")
"""Allocation policies of groups, best first."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A size of instance."""

    memory: int
    cpus: int
    disk_size: int
    disk_count: int
    nics: int
    spindles: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What instances a group accepts, and how far its nodes may be overcommitted."""

    pairs: tuple[tuple[Spec, Spec], ...]
    std: Spec
    templates: tuple[str, ...] = TEMPLATES
    vcpu_ratio: float = 4.0
    spindle_ratio: float = 32.0
    doubtful: bool = False
    """It names templates that nobody knows, maybe by mistake: instances that are there already
    may keep theirs, since their nodes would otherwise all count as ones that cannot be emptied."""


_SMALLEST = Spec(128, 1, 1024, 1, 1, 1)
DEFAULT_POLICY: Final = Policy(((_SMALLEST, Spec(32768, 8, 1048576, 16, 8, 12)),), _SMALLEST)


@dataclass(frozen=True, slots=True)
class Group:
    """A node group."""

    name: str
    uuid: str
    alloc_policy: str = "preferred"
    tags: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    policy: Policy = DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class Node:
    """A node as reported; `group` is an index into the cluster's groups."""

    name: str
    group: int
    total_memory: float = 0.0
    node_memory: int = 0
    free_memory: int = 0
    total_disk: float = 0.0
    free_disk: int = 0
    total_cpus: float = 0.0
    node_cpus: int = 1
    cpu_speed: float = 1.0
    spindles: int = 1
    free_spindles: int = 0
    exclusive: bool = False
    offline: bool = False
    silent: bool = False
    """It did not say what it has though it is not marked offline; `offline` is set, too."""
    master: bool = False
    tags: tuple[str, ...] = ()
    address: str = ""
    """Where it can be reached; empty where only its name is known."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk; `spindles` is None where nobody knows."""

    size: int
    spindles: int | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance; `primary` and `secondary` are node positions, -1 for none."""

    name: str
    memory: int
    disk: int
    vcpus: int
    template: str
    status: str = "running"
    primary: int = -1
    secondary: int = -1
    disks: tuple[Disk, ...] = ()
    tags: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    spindle_use: int = 1
    auto_balance: bool = True
    forthcoming: bool = False
    like: str = ""
    """For a template that is none of `TEMPLATES`: which of them it behaves like."""

    @property
    def kind(self) -> str:
        """The one of `TEMPLATES` whose rules hold for the instance."""
        return self.like or self.template

    @property
    def total_spindles(self) -> int | None:
        """Spindles of all disks together; None as soon as one is unknown."""
        total = 0
        for disk in self.disks:
            if disk.spindles is None:
                return None
            total += disk.spindles
        return total

    @property
    def uses_memory(self) -> bool:
        """Whether its memory is really taken on the primary node now."""
        return not self.forthcoming and self.status in MEMORY_STATUSES


@dataclass(frozen=True, slots=True)
class Description:
    """A whole cluster as some source told it.

    `first_index` is what the first group and node are numbered with where numbers are shown.
    """

    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    instances: tuple[Instance, ...]
    tags: tuple[str, ...] = ()
    policy: Policy = DEFAULT_POLICY
    hypervisor: str | None = None
    first_index: int = 0
    master: str | None = field(default=None)
    likes: Mapping[str, str] = field(default_factory=dict)
    """For templates that are none of `TEMPLATES`: which of them each behaves like."""

    def like(self, template: str) -> str:
        """What an instance with such a template has as `like`."""
        return "" if template in TEMPLATES else self.likes.get(template, UNKNOWN_LIKE)

    def kind(self, template: str) -> str:
        """The one of `TEMPLATES` whose rules hold for it."""
        return self.like(template) or template
