"""Which object an opcode acts on: the one whose serial number its `serial_no` is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CLUSTER = "cluster"
_NAMED_BY = {"instance_name": "instance", "node_name": "node", "network_name": "network",
             "group_name": "nodegroup"}
"""Parameters; the first that is there counts: a network's connection is the network's matter."""
_MAKES = frozenset({"OP_INSTANCE_CREATE", "OP_NODE_ADD", "OP_GROUP_ADD", "OP_NETWORK_ADD"})
_TAGS = ("OP_TAGS_SET", "OP_TAGS_DEL")


def subject_of(op: Mapping[str, Any]) -> tuple[str, str] | None:
    """Kind (of `model.KINDS`) and name of the object that an opcode, in its dict form, acts on.

    None where it makes one, or is about several, or none.
    """
    op_id = str(op.get("OP_ID"))
    if op_id in _MAKES:
        return None
    if op_id in _TAGS:
        return str(op.get("kind")), str(op.get("name") or "")
    for parameter, kind in _NAMED_BY.items():
        if isinstance(name := op.get(parameter), str):
            return kind, name
    return (CLUSTER, "") if op_id.startswith("OP_CLUSTER_") else None
