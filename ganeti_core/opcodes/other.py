"""Queries as jobs, OS definitions, storage providers, helpers."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class ExtStorageDiagnose(OpCode):
    """Return how the ExtStorage providers are on every node."""

    op_id = "OP_EXT_STORAGE_DIAGNOSE"

    output_fields: list[NonEmptyStr]
    names: list[NonEmptyStr] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class OobCommand(OpCode):
    """Run the out-of-band helper of nodes."""

    op_id = "OP_OOB_COMMAND"

    command: Literal["health", "power-cycle", "power-off", "power-on", "power-status"]
    node_names: list[NonEmptyStr] = field(default_factory=list)
    node_uuids: list[NonEmptyStr] | None = None
    timeout: int = 60
    ignore_status: bool = False
    power_delay: float = 2.0


@dataclass(frozen=True, kw_only=True)
class OsDiagnose(OpCode):
    """Return how the OS definitions are on every node."""

    op_id = "OP_OS_DIAGNOSE"

    output_fields: list[NonEmptyStr]
    names: list[NonEmptyStr] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Query(OpCode):
    """Query resources as a job."""

    op_id = "OP_QUERY"
    summary_field = "what"

    what: Literal["cluster", "export", "extstorage", "filter", "group", "instance", "job", "lock",
                  "network", "node", "os"]
    fields: list[NonEmptyStr]
    use_locking: bool = False
    qfilter: list[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class QueryFields(OpCode):
    """List the fields of a resource as a job."""

    op_id = "OP_QUERY_FIELDS"
    summary_field = "what"

    what: Literal["cluster", "export", "extstorage", "filter", "group", "instance", "job", "lock",
                  "network", "node", "os"]
    fields: list[NonEmptyStr] | None = None


@dataclass(frozen=True, kw_only=True)
class RepairNodeStorage(OpCode):
    """Repair a storage unit of a node."""

    op_id = "OP_REPAIR_NODE_STORAGE"
    summary_field = "node_name"

    node_name: NonEmptyStr
    storage_type: Any
    node_uuid: NonEmptyStr | None = None
    name: NonEmptyStr | None = None
    ignore_consistency: bool = False


@dataclass(frozen=True, kw_only=True)
class RestrictedCommand(OpCode):
    """Run a command that an administrator allowed on nodes."""

    op_id = "OP_RESTRICTED_COMMAND"

    nodes: list[NonEmptyStr]
    command: NonEmptyStr
    use_locking: bool = False
    node_uuids: list[NonEmptyStr] | None = None
