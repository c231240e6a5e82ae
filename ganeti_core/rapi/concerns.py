"""What an opcode is about: the objects that it acts on, and those that it makes use of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSTANCE, NODE, GROUP, NETWORK = "instance", "node", "group", "network"
_OF_INSTANCE = {"instance_name": INSTANCE}
_OF_NODE = {"node_name": NODE}
_OF_GROUP = {"group_name": GROUP}
_OF_NETWORK = {"network_name": NETWORK}
_ACTS_ON: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys((
        "OP_INSTANCE_ACTIVATE_DISKS", "OP_INSTANCE_CONSOLE", "OP_INSTANCE_DEACTIVATE_DISKS",
        "OP_INSTANCE_FAILOVER", "OP_INSTANCE_GROW_DISK", "OP_INSTANCE_MIGRATE", "OP_INSTANCE_MOVE",
        "OP_INSTANCE_REBOOT", "OP_INSTANCE_RECREATE_DISKS", "OP_INSTANCE_REINSTALL",
        "OP_INSTANCE_REMOVE", "OP_INSTANCE_RENAME", "OP_INSTANCE_REPLACE_DISKS",
        "OP_INSTANCE_SET_PARAMS", "OP_INSTANCE_SHUTDOWN", "OP_INSTANCE_STARTUP",
        "OP_BACKUP_EXPORT", "OP_BACKUP_PREPARE", "OP_BACKUP_REMOVE"), _OF_INSTANCE),
    **dict.fromkeys((
        "OP_NODE_EVACUATE", "OP_NODE_MIGRATE", "OP_NODE_MODIFY_STORAGE", "OP_NODE_POWERCYCLE",
        "OP_NODE_SET_PARAMS", "OP_REPAIR_NODE_STORAGE"), _OF_NODE),
    **dict.fromkeys(("OP_GROUP_REMOVE", "OP_GROUP_RENAME", "OP_GROUP_SET_PARAMS"), _OF_GROUP),
    **dict.fromkeys(("OP_NETWORK_REMOVE", "OP_NETWORK_SET_PARAMS"), _OF_NETWORK),
    **dict.fromkeys(("OP_NETWORK_CONNECT", "OP_NETWORK_DISCONNECT"), _OF_NETWORK | _OF_GROUP),
    "OP_GROUP_ASSIGN_NODES": {**_OF_GROUP, "nodes": NODE},
    "OP_INSTANCE_QUERY_DATA": {"instances": INSTANCE},
    "OP_NODE_QUERY_STORAGE": {"nodes": NODE},
}
_USES = {"target_node": NODE, "remote_node": NODE, "pnode": NODE, "snode": NODE, "nodes": NODE,
         "group_name": GROUP}
_LISTS = ("nodes", "instances")
ANY = ""
"""In the place of a name: an allocator chooses one, perhaps in another group."""
_CHOOSE_ANYWHERE = frozenset({"OP_INSTANCE_RECREATE_DISKS"})
"""With an allocator; that of others keeps to the group where the instance lies, or is to lie."""
_TAGGED = {"instance": INSTANCE, "node": NODE, "nodegroup": GROUP, "network": NETWORK}
_ABOUT_NOTHING = frozenset({"OP_OS_DIAGNOSE"})
_SHOWN_TO_ALL = frozenset({"os", "cluster", "extstorage"})


@dataclass(frozen=True)
class Concern:
    """One object that an opcode is about.

    :param name: or `ANY`
    :param used: it is only made use of, such as the node to which an instance moves
    :param made: the tags of an object that the opcode makes; None for one that there is
    """

    kind: str
    name: str
    used: bool = False
    made: frozenset[str] | None = None


class Unbounded(Exception):
    """An opcode is about more than objects that it names; the text says why."""


def concerns(op: Mapping[str, Any]) -> list[Concern]:
    """The objects that an opcode, in its dict form, is about.

    :raises Unbounded: it may be about anything
    """
    op_id = str(op.get("OP_ID"))
    _refuse_uuids(op)
    if op_id in _ABOUT_NOTHING or (
            op_id in ("OP_QUERY", "OP_QUERY_FIELDS") and op.get("what") in _SHOWN_TO_ALL):
        return []
    found = list(_found(op_id, op))
    if not any(not one.used for one in found):
        raise Unbounded(f"{op_id} names no object")
    return found


def _found(op_id: str, op: Mapping[str, Any]) -> Iterator[Concern]:
    if op_id == "OP_INSTANCE_CREATE":
        yield from _created(op)
    elif op_id == "OP_INSTANCE_MULTI_ALLOC":
        for one in op.get("instances", []):
            yield from _created(one)
    elif op_id in ("OP_TAGS_SET", "OP_TAGS_DEL", "OP_TAGS_GET"):
        kind = _TAGGED.get(str(op.get("kind")))
        yield from [Concern(kind, str(op.get("name")))] if kind else []
    elif op_id in _ACTS_ON:
        acts = _ACTS_ON[op_id]
        yield from _named(op, acts, used=False)
        yield from _named(op, {name: kind for name, kind in _USES.items() if name not in acts},
                          used=True)
        if op_id in _CHOOSE_ANYWHERE and op.get("iallocator"):
            yield Concern(NODE, ANY, used=True)


def _refuse_uuids(op: Mapping[str, Any]) -> None:
    # A UUID beside a name wins: the name would say nothing.
    if any(value for name, value in op.items() if name.endswith(("_uuid", "_uuids"))):
        raise Unbounded("objects are named by their UUIDs")


def _created(op: Mapping[str, Any]) -> Iterator[Concern]:
    _refuse_uuids(op)
    if op.get("mode", "create") != "create":
        raise Unbounded("an import reads what another instance has left")
    if op.get("explain"):
        raise Unbounded("an explanation names all nodes")
    disks = op.get("disks", [])
    if any(isinstance(disk, dict) and disk.get("adopt") for disk in disks):
        raise Unbounded("an adopted disk may be anybody's")
    if op.get("commit"):
        # One that was only reserved becomes real: it may be anybody's.
        yield Concern(INSTANCE, str(op.get("instance_name")))
    yield Concern(INSTANCE, str(op.get("instance_name")), made=frozenset(op.get("tags") or []))
    yield from _named(op, _USES, used=True)


def _named(op: Mapping[str, Any], kinds: Mapping[str, str], *, used: bool) -> Iterator[Concern]:
    for parameter, kind in kinds.items():
        value = op.get(parameter)
        for name in value if isinstance(value, list) and parameter in _LISTS else [value]:
            if isinstance(name, str) and name:
                yield Concern(kind, name, used)
