"""An instance (virtual machine or container), its network cards and disks."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any, Literal, Self

from ganeti_core.lazy_dataclass import dataclass

from .base import ConfigObject, Params

AdminState = Literal["up", "down", "offline"]


@dataclass(frozen=True, kw_only=True)
class Nic:
    """A network card; `nicparams` is sparse (``mode``, ``link``, ``vlan``)."""

    uuid: str
    mac: str
    ip: str | None = None
    name: str | None = None
    network: str | None = None
    nicparams: Params = field(default_factory=dict)
    other: Params = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Disk(ConfigObject):
    """A disk. `size` in MiB; `logical_id` belongs to its template.

    :param granted: what it drew from the cluster's pools: ``port``, ``secret``, and ``minor`` by
        the uuid of each node; unique while the disk exists
    :param nodes: uuids of the nodes that hold it, primary first
    :param stale: uuids of those whose copies may miss what was written to another one
    :param instance: uuid of the instance that it is attached to, or empty
    """

    template: str
    size: int
    logical_id: tuple[Any, ...] = ()
    mode: Literal["rw", "ro"] = "rw"
    name: str | None = None
    spindles: int | None = None
    params: Params = field(default_factory=dict)
    granted: Params = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    children: tuple[Disk, ...] = ()
    instance: str = ""
    other: Params = field(default_factory=dict)

    def on_top_of(self, newest: Self) -> Self:
        """What nodes report of copies stays, but of those that are given up."""
        gone = frozenset(newest.nodes) - frozenset(self.nodes)
        return replace(self, stale=tuple(uuid for uuid in newest.stale if uuid not in gone))


@dataclass(frozen=True, kw_only=True)
class Instance(ConfigObject):
    """An instance; all parameters are sparse.

    :param primary_node: uuid of the node where it runs; `secondary_nodes` hold copies of its disks
    :param admin_state: what the administrator wants it to be
    :param disks: uuids, in the guest's order
    :param disks_active: its disks are open on the primary node
    """

    name: str
    primary_node: str
    hypervisor: str
    os: str = ""
    disk_template: str = ""
    secondary_nodes: tuple[str, ...] = ()
    admin_state: AdminState = "down"
    admin_state_source: Literal["admin", "user"] = "admin"
    hvparams: Params = field(default_factory=dict)
    beparams: Params = field(default_factory=dict)
    osparams: dict[str, str] = field(default_factory=dict)
    osparams_private: dict[str, str] = field(default_factory=dict)
    nics: tuple[Nic, ...] = ()
    disks: tuple[str, ...] = ()
    disks_active: bool = False
    network_port: int | None = None
    forthcoming: bool = False
    other: Params = field(default_factory=dict)
