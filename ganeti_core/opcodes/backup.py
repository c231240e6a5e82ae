"""Exports of instances."""

from __future__ import annotations

from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.base import Natural, NonEmptyStr, OpCode


@dataclass(frozen=True, kw_only=True)
class BackupExport(OpCode):
    """Export an instance to a node or to another cluster."""

    op_id = "OP_BACKUP_EXPORT"
    summary_field = "instance_name"

    instance_name: str
    target_node: Any
    instance_uuid: NonEmptyStr | None = None
    compress: str = "none"
    shutdown_timeout: Natural = 120
    target_node_uuid: NonEmptyStr | None = None
    shutdown: bool = True
    remove_instance: bool = False
    ignore_remove_failures: bool = False
    mode: Literal["local", "remote"] = "local"
    x509_key_name: list[Any] | None = None
    destination_x509_ca: NonEmptyStr | None = None
    zero_free_space: bool = False
    zeroing_timeout_fixed: Natural | None = None
    zeroing_timeout_per_mib: float | None = None
    long_sleep: bool = False


@dataclass(frozen=True, kw_only=True)
class BackupPrepare(OpCode):
    """Prepare the export of an instance to another cluster."""

    op_id = "OP_BACKUP_PREPARE"
    summary_field = "instance_name"

    instance_name: str
    mode: Literal["local", "remote"]
    instance_uuid: NonEmptyStr | None = None


@dataclass(frozen=True, kw_only=True)
class BackupRemove(OpCode):
    """Remove the export of an instance."""

    op_id = "OP_BACKUP_REMOVE"
    summary_field = "instance_name"

    instance_name: str
    instance_uuid: NonEmptyStr | None = None
