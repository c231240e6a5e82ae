"""Node groups."""

from __future__ import annotations

from typing import Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import JsonDict, NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class GroupAdd(OpCode):
    """Add a node group."""

    op_id = "OP_GROUP_ADD"
    summary_field = "group_name"

    group_name: NonEmptyStr
    alloc_policy: Literal["last_resort", "preferred", "unallocable"] | None = None
    ndparams: JsonDict | None = None
    diskparams: JsonDict | None = None
    hv_state: JsonDict | None = None
    disk_state: JsonDict | None = None
    ipolicy: JsonDict | None = None


@dataclass(frozen=True, kw_only=True)
class GroupAssignNodes(OpCode):
    """Move nodes to a group."""

    op_id = "OP_GROUP_ASSIGN_NODES"
    summary_field = "group_name"

    group_name: NonEmptyStr
    nodes: list[NonEmptyStr]
    force: bool = False
    node_uuids: list[NonEmptyStr] | None = None


@dataclass(frozen=True, kw_only=True)
class GroupEvacuate(OpCode):
    """Move all instances out of a group; expands into jobs."""

    op_id = "OP_GROUP_EVACUATE"
    summary_field = "group_name"

    group_name: NonEmptyStr
    early_release: bool = False
    iallocator: NonEmptyStr | None = None
    target_groups: list[NonEmptyStr] | None = None
    sequential: bool = False
    force_failover: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupRemove(OpCode):
    """Remove an empty node group."""

    op_id = "OP_GROUP_REMOVE"
    summary_field = "group_name"

    group_name: NonEmptyStr


@dataclass(frozen=True, kw_only=True)
class GroupRename(OpCode):
    """Rename a node group."""

    op_id = "OP_GROUP_RENAME"

    group_name: NonEmptyStr
    new_name: NonEmptyStr


@dataclass(frozen=True, kw_only=True)
class GroupSetParams(OpCode):
    """Change settings of a node group."""

    op_id = "OP_GROUP_SET_PARAMS"
    summary_field = "group_name"

    group_name: NonEmptyStr
    alloc_policy: Literal["last_resort", "preferred", "unallocable"] | None = None
    ndparams: JsonDict | None = None
    diskparams: JsonDict | None = None
    hv_state: JsonDict | None = None
    disk_state: JsonDict | None = None
    ipolicy: JsonDict | None = None


@dataclass(frozen=True, kw_only=True)
class GroupVerifyDisks(OpCode):
    """Verify the disks of the instances of one group."""

    op_id = "OP_GROUP_VERIFY_DISKS"
    summary_field = "group_name"

    group_name: NonEmptyStr
