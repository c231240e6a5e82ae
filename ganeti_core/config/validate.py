"""What a change must keep true: references point to objects, and claims have one owner.

Only what a change touches is looked at, so a commit costs what it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_NOTUNIQUE, ConfigurationError, OpPrereqError
from ganeti_core.model import Cluster, Disk, Instance, Network, Node, NodeGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import ConfigObject

Claim = tuple[str, str]
"""A value that only one object may use: (space, value)."""

_NAMED = {Node: "node", Instance: "instance", NodeGroup: "nodegroup", Network: "network"}


def claims_of(value: ConfigObject) -> Iterator[Claim]:
    """List what `value` claims for itself alone."""
    for cls, kind in _NAMED.items():
        if isinstance(value, cls):
            yield f"name:{kind}", value.name  # type: ignore[attr-defined]  # all four are named
    if isinstance(value, Instance):
        yield from _instance_claims(value)
    elif isinstance(value, Node):
        yield "address", f"{value.primary_ip}:{value.port}"
        if value.fingerprint:
            yield "certificate", value.fingerprint
    elif isinstance(value, Disk):
        yield from _disk_claims(value)


def _instance_claims(instance: Instance) -> Iterator[Claim]:
    for nic in instance.nics:
        yield "mac", nic.mac.lower()
        if nic.ip and nic.network:
            yield f"ip:{nic.network}", nic.ip
    if instance.network_port is not None:
        yield "port", str(instance.network_port)


def _disk_claims(disk: Disk) -> Iterator[Claim]:
    """What the disk, or one that it lies on, drew from the cluster's pools."""
    for node, minor in disk.granted.get("minor", {}).items():
        yield f"minor:{node}", str(minor)
    for pool in ("port", "secret"):
        if pool in disk.granted:
            yield pool, str(disk.granted[pool])
    for child in disk.children:
        yield from _disk_claims(child)


def check_claims(
    snapshot: Snapshot, value: ConfigObject, leaving: frozenset[str] = frozenset()
) -> None:
    """:raises OpPrereqError: another object claims the same (`ECODE_NOTUNIQUE`)

    :param leaving: uuids of objects that the same transaction deletes
    """
    for space, key in claims_of(value):
        owner = snapshot.claims.get(space, {}).get(key)
        if owner is not None and owner != value.uuid and owner not in leaving:
            what = space.partition(":")[0]
            raise OpPrereqError(
                f"the {what} '{key}' is in use already (by {owner})", ECODE_NOTUNIQUE)


def check_references(snapshot: Snapshot, value: ConfigObject) -> None:
    """:raises ConfigurationError: `value` points to an object that does not exist"""
    for kind, uuid in _references(value):
        if uuid not in snapshot.of_kind(kind):
            raise ConfigurationError(
                f"{type(value).__name__} {value.uuid} refers to the {kind} {uuid}, "
                "which does not exist")


def _references(value: ConfigObject) -> Iterable[tuple[str, str]]:
    if isinstance(value, Cluster):
        yield "node", value.master_node
    elif isinstance(value, Node):
        yield "nodegroup", value.group
    elif isinstance(value, Instance):
        for node in (value.primary_node, *value.secondary_nodes):
            yield "node", node
        for disk in value.disks:
            yield "disk", disk
        for nic in value.nics:
            if nic.network:
                yield "network", nic.network
    elif isinstance(value, Disk):
        for node in value.nodes:
            yield "node", node


def check_once(values: Iterable[ConfigObject]) -> None:
    """:raises ConfigurationError: one transaction changes an object twice: which one is meant?"""
    seen: set[str] = set()
    for value in values:
        if value.uuid in seen:
            raise ConfigurationError(f"one commit changes {value.uuid} twice")
        seen.add(value.uuid)


def check_gone(snapshot: Snapshot, kind: str, value: ConfigObject) -> None:
    """:raises ConfigurationError: something still refers to the object that is to go"""
    if isinstance(value, Disk):
        owner = snapshot.instances.get(value.instance)
        if owner is not None and value.uuid in owner.disks:
            raise ConfigurationError(
                f"the disk {value.uuid} is still used by the instance {owner.name}")
    elif isinstance(value, Instance):
        for uuid in value.disks:
            if uuid in snapshot.disks and snapshot.disks[uuid].instance == value.uuid:
                raise ConfigurationError(
                    f"the instance {value.name} still owns the disk {uuid}")
    elif kind in ("node", "nodegroup", "network"):
        _check_unused(snapshot, kind, value.uuid)


def _check_unused(snapshot: Snapshot, kind: str, uuid: str) -> None:
    for user_kind in ("cluster", "node", "instance", "disk"):
        for user in snapshot.of_kind(user_kind).values():
            if (kind, uuid) in set(_references(user)):
                raise ConfigurationError(
                    f"the {kind} {uuid} is still used by the {user_kind} {user.uuid}")
