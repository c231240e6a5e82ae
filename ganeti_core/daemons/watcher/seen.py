"""The instances and nodes of the cluster as the watcher sees them, by one question for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_NOENT, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ganeti_core.luxi.client import LuxiClient

_INSTANCE = ["name", "status", "admin_state", "disks_active", "snodes", "pnode.group.uuid",
             "serial_no"]
_NODE = ["name", "bootid", "offline", "group.uuid"]
_LOCK_PREFIX = "instance/"


@dataclass(frozen=True)
class SeenInstance:
    """One instance; `status` as listings show it, ``ERROR_down``; `serial_no` changes with it."""

    name: str
    status: str
    admin_state: str
    disks_active: bool
    secondaries: tuple[str, ...]
    group: str
    serial_no: int | None = None


@dataclass(frozen=True)
class SeenNode:
    """One node; `boot_id` changes with each boot, and is empty where the node does not say."""

    name: str
    boot_id: str
    offline: bool
    group: str


@dataclass(frozen=True)
class Seen:
    """What there is, by name.

    :param locked: instances that jobs work on, or wait for
    :param group: uuid of the only group whose instances were looked at
    """

    instances: dict[str, SeenInstance]
    nodes: dict[str, SeenNode]
    locked: frozenset[str]
    group: str | None = None

    def has_offline_secondary(self, instance: SeenInstance) -> bool:
        """Whether disks of the instance cannot be had whole."""
        return any(name not in self.nodes or self.nodes[name].offline
                   for name in instance.secondaries)


def find_group(client: LuxiClient, given: str) -> str:
    """Return the uuid of the node group with this uuid or name.

    :raises OpPrereqError: there is none
    """
    groups = _values(client, "group", ["uuid", "name"], None)
    for uuid, name in groups:
        if given in (uuid, name):
            return str(uuid)
    raise OpPrereqError(
        f"Node group '{given}' not known (there are: {', '.join(name for _, name in groups)})",
        ECODE_NOENT)


def look(client: LuxiClient, group: str | None) -> Seen:
    """Ask the master.

    :param group: uuid of the only group to look at
    :raises GanetiError: it does not answer
    """
    # Before the instances: who is locked now may be well by the time they are looked at.
    locks = _values(client, "lock", ["name", "mode", "pending"], None)
    locked = frozenset(
        name.removeprefix(_LOCK_PREFIX) for name, mode, pending in locks
        if name.startswith(_LOCK_PREFIX) and (mode or pending))
    one = None if group is None else ["=", "pnode.group.uuid", group]
    instances = [
        SeenInstance(name, status, admin_state, bool(active), tuple(secondaries or ()), its_group,
                     serial_no)
        for name, status, admin_state, active, secondaries, its_group, serial_no in _values(
            client, "instance", _INSTANCE, one)]
    # Of all groups: a secondary may lie in another one.
    nodes = [SeenNode(name, boot_id or "", bool(offline), its_group)
             for name, boot_id, offline, its_group in _values(client, "node", _NODE, None)]
    return Seen({one.name: one for one in instances}, {one.name: one for one in nodes}, locked,
                group)


def _values(
    client: LuxiClient, what: str, fields: list[str], qfilter: list[Any] | None
) -> list[list[Any]]:
    return [[value for _, value in row] for row in client.query(what, fields, qfilter)["data"]]
