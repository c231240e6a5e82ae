"""Nodes."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import JsonDict, NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class NodeAdd(OpCode):
    """Add a host that was enrolled as a node, or take one back."""

    op_id = "OP_NODE_ADD"
    summary_field = "node_name"
    big_lock = True

    node_name: NonEmptyStr
    hv_state: JsonDict | None = None
    disk_state: JsonDict | None = None
    primary_ip: NonEmptyStr | None = None
    secondary_ip: NonEmptyStr | None = None
    readd: bool = False
    group: NonEmptyStr | None = None
    master_capable: bool | None = None
    vm_capable: bool | None = None
    ndparams: JsonDict | None = None
    node_setup: bool = False


@dataclass(frozen=True, kw_only=True)
class NodeEvacuate(OpCode):
    """Move instances away from a node; expands into jobs."""

    op_id = "OP_NODE_EVACUATE"
    summary_field = "node_name"

    node_name: NonEmptyStr
    mode: Literal["all", "primary-only", "secondary-only"]
    early_release: bool = False
    node_uuid: NonEmptyStr | None = None
    remote_node: NonEmptyStr | None = None
    remote_node_uuid: NonEmptyStr | None = None
    iallocator: NonEmptyStr | None = None
    ignore_soft_errors: bool | None = None


@dataclass(frozen=True, kw_only=True)
class NodeMigrate(OpCode):
    """Migrate all primary instances of a node; expands into jobs."""

    op_id = "OP_NODE_MIGRATE"
    summary_field = "node_name"

    node_name: NonEmptyStr
    node_uuid: NonEmptyStr | None = None
    mode: Literal["live", "non-live"] | None = None
    live: bool | None = None
    target_node: NonEmptyStr | None = None
    target_node_uuid: NonEmptyStr | None = None
    allow_runtime_changes: bool = True
    ignore_ipolicy: bool = False
    iallocator: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class NodeModifyStorage(OpCode):
    """Change a storage unit of a node."""

    op_id = "OP_NODE_MODIFY_STORAGE"
    summary_field = "node_name"

    node_name: NonEmptyStr
    storage_type: Any
    changes: JsonDict
    node_uuid: NonEmptyStr | None = None
    name: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class NodePowercycle(OpCode):
    """Reset a node hard."""

    op_id = "OP_NODE_POWERCYCLE"
    summary_field = "node_name"

    node_name: NonEmptyStr
    node_uuid: NonEmptyStr | None = None
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class NodeQueryStorage(OpCode):
    """List storage units of nodes."""

    op_id = "OP_NODE_QUERY_STORAGE"

    output_fields: list[NonEmptyStr]
    storage_type: Any = None
    nodes: list[NonEmptyStr] = field(default_factory=list)
    name: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class NodeQueryvols(OpCode):
    """List logical volumes of nodes."""

    op_id = "OP_NODE_QUERYVOLS"

    output_fields: list[NonEmptyStr]
    nodes: list[NonEmptyStr] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class NodeRemove(OpCode):
    """Remove a node that holds no instances."""

    op_id = "OP_NODE_REMOVE"
    summary_field = "node_name"
    big_lock = True

    node_name: NonEmptyStr
    node_uuid: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class NodeSetParams(OpCode):
    """Change a node's role and parameters."""

    op_id = "OP_NODE_SET_PARAMS"
    summary_field = "node_name"

    node_name: NonEmptyStr
    node_uuid: NonEmptyStr | None = None
    force: bool = False
    hv_state: JsonDict | None = None
    disk_state: JsonDict | None = None
    master_candidate: bool | None = None
    offline: bool | None = None
    drained: bool | None = None
    auto_promote: bool = False
    master_capable: bool | None = None
    vm_capable: bool | None = None
    secondary_ip: NonEmptyStr | None = None
    ndparams: JsonDict | None = None
    powered: bool | None = None
