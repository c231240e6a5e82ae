"""Which operation does which opcode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.opcodes.unavailable import MARK, asked_in_vain, refusal
from ganeti_core.operations import os, queries, tags, test, test_allocator, test_queue
from ganeti_core.operations.backup import export as backup_export
from ganeti_core.operations.backup import remove as backup_remove
from ganeti_core.operations.cluster import (
    lifecycle,
    master_ip,
    renew_crypto,
    verify,
    verify_disks,
    verify_group,
)
from ganeti_core.operations.cluster import modify as cluster_modify
from ganeti_core.operations.cluster import rename as cluster_rename
from ganeti_core.operations.group import assign as group_assign
from ganeti_core.operations.group import evacuate as group_evacuate
from ganeti_core.operations.group import lifecycle as group_lifecycle
from ganeti_core.operations.group import modify as group_modify
from ganeti_core.operations.instance import (
    create,
    disk_state,
    failover,
    grow_disk,
    inspect,
    migrate,
    modify,
    move,
    multi_alloc,
    power,
    recreate_disks,
    reinstall,
    remove,
    rename,
    replace_disks,
)
from ganeti_core.operations.network import connect as network_connect
from ganeti_core.operations.network import lifecycle as network_lifecycle
from ganeti_core.operations.node import add as node_add
from ganeti_core.operations.node import evacuate as node_evacuate
from ganeti_core.operations.node import modify as node_modify
from ganeti_core.operations.node import power as node_power
from ganeti_core.operations.node import power_cycle
from ganeti_core.operations.node import remove as node_remove
from ganeti_core.operations.node import restricted as node_restricted
from ganeti_core.operations.node import storage as node_storage
from ganeti_core.operations.node import storage_units as node_storage_units

if TYPE_CHECKING:
    from types import ModuleType

    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.base import Operation


def _collect(*modules: ModuleType) -> dict[str, Operation[Any, Any]]:
    return {operation.opcode.op_id: operation
            for module in modules for operation in module.OPERATIONS}


_OPERATIONS = _collect(
    test, os, tags, lifecycle, master_ip, renew_crypto, verify, create, disk_state, failover,
    grow_disk, inspect, migrate, modify, move, power, recreate_disks, reinstall, remove, rename,
    replace_disks,
    node_add, node_modify, node_power, power_cycle, node_remove, node_restricted, node_storage,
    node_storage_units,
    cluster_modify, cluster_rename, group_assign, group_lifecycle, group_modify, group_evacuate,
    node_evacuate, multi_alloc, test_allocator, test_queue, queries, verify_disks,
    verify_group, network_connect, network_lifecycle) | _collect(backup_export, backup_remove)


def operation_of(op: OpCode) -> Operation[Any, Any]:
    """:raises OpPrereqError: the opcode, or a parameter that it sets, is known but not built yet"""
    operation = _OPERATIONS.get(op.op_id)
    if operation is None:
        raise OpPrereqError(f"The operation {op.op_id} is {MARK}", ECODE_INVAL)
    if names := asked_in_vain(op):
        raise OpPrereqError(refusal(names), ECODE_INVAL)
    return operation


def available() -> frozenset[str]:
    """The ids of all opcodes that can be run."""
    return frozenset(_OPERATIONS)
