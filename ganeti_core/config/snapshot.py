"""An immutable view of the whole configuration at one serial."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ganeti_core.errors import ECODE_NOENT, ConfigurationError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import (
    Cluster,
    ConfigObject,
    Disk,
    FilterRule,
    Instance,
    Network,
    Node,
    NodeGroup,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T", bound=ConfigObject)

_TITLES = {"node": "Node", "instance": "Instance", "nodegroup": "Node group", "network": "Network"}
_HOSTS = frozenset({"node", "instance"})
"""Kinds whose names are those of hosts."""


def _host(names: Mapping[str, str], wanted: str) -> str | None:
    """The uuid of the only host whose name is `wanted` (in lower case) or begins with its parts.
    """
    if wanted in names:
        return names[wanted]
    parts = f"{wanted}."
    # Names of older clusters may have capitals.
    found = [(full.lower(), uuid) for full, uuid in names.items()
             if full[:len(parts)].lower() in (wanted, parts)]
    same = [uuid for full, uuid in found if full == wanted]
    if len(same) == 1 or len(found) == 1:
        return same[0] if same else found[0][1]
    return None


@dataclass(frozen=True)
class Snapshot:
    """The configuration at `serial`. Share it freely; nothing in it changes.

    :param objects: kind → uuid → object; treat as read-only
    :param names: kind → name → uuid, for kinds whose objects have unique names
    :param claims: space (``mac``, ``port``, ``ip:NETWORK`` ...) → value → uuid of its only user
    :param epoch: of the master that committed it
    """

    serial: int = 0
    epoch: int = 0
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> Mapping[str, Any]:
        return self.objects.get(kind, {})

    @cached_property
    def cluster(self) -> Cluster:
        """:raises ConfigurationError: the cluster was not initialised"""
        for found in self.of_kind("cluster").values():
            return cast("Cluster", found)
        raise ConfigurationError("this cluster is not initialised")

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self.of_kind("node")

    @property
    def groups(self) -> Mapping[str, NodeGroup]:
        return self.of_kind("nodegroup")

    @property
    def instances(self) -> Mapping[str, Instance]:
        return self.of_kind("instance")

    @property
    def disks(self) -> Mapping[str, Disk]:
        return self.of_kind("disk")

    @property
    def networks(self) -> Mapping[str, Network]:
        return self.of_kind("network")

    @property
    def filters(self) -> Mapping[str, FilterRule]:
        return self.of_kind("filter")

    @property
    def master(self) -> Node:
        return self.nodes[self.cluster.master_node]

    def find(self, kind: str, name: str) -> Any | None:
        """Find an object by uuid or name; None when unknown.

        Hosts are also found by an unambiguous beginning of their name, in whole parts and in any
        case: ``web1`` and ``WEB1.example`` find ``web1.example.com``.
        """
        objects = self.of_kind(kind)
        if name in objects:
            return objects[name]
        names = self.names.get(kind, {})
        if name in names:
            return objects[names[name]]
        uuid = _host(names, name.lower().removesuffix(".")) if kind in _HOSTS else None
        return None if uuid is None else objects[uuid]

    def node(self, name: str) -> Node:
        """:raises OpPrereqError: no such node (`ECODE_NOENT`)"""
        return cast("Node", self._known("node", name))

    def instance(self, name: str) -> Instance:
        """:raises OpPrereqError: no such instance (`ECODE_NOENT`)"""
        return cast("Instance", self._known("instance", name))

    def group(self, name: str) -> NodeGroup:
        """:raises OpPrereqError: no such group (`ECODE_NOENT`)"""
        return cast("NodeGroup", self._known("nodegroup", name))

    def network(self, name: str) -> Network:
        """:raises OpPrereqError: no such network (`ECODE_NOENT`)"""
        return cast("Network", self._known("network", name))

    def _known(self, kind: str, name: str) -> Any:
        found = self.find(kind, name)
        if found is None:
            missing = "known" if kind in ("node", "instance") else "found"
            raise OpPrereqError(f"{_TITLES[kind]} '{name}' not {missing}", ECODE_NOENT)
        return found

    def disks_of(self, instance: Instance) -> tuple[Disk, ...]:
        """The instance's disks in the guest's order."""
        return tuple(self.disks[uuid] for uuid in instance.disks)

    def members_of(self, group: str) -> tuple[Node, ...]:
        """The nodes in the group with the uuid `group`."""
        return tuple(node for node in self.nodes.values() if node.group == group)

    def instances_on(self, node: str, *, secondary: bool = False) -> Iterator[Instance]:
        """The instances whose primary (or a secondary) node has the uuid `node`."""
        for instance in self.instances.values():
            if node in instance.secondary_nodes if secondary else instance.primary_node == node:
                yield instance
