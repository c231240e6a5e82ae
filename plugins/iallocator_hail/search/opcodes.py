"""Moves as opcodes, with their keys in the order in which Ganeti writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.cluster import Cluster
from .moves import Kind

OpCode = dict[str, Any]


def job(cluster: Cluster, instance: int, steps: Sequence[tuple[Kind, int]]) -> list[OpCode]:
    """The opcodes that make simple moves of one instance."""
    names = [node.name for node in cluster.description.nodes]
    record = cluster.instances[instance]
    result = []
    for kind, target in steps:
        if kind is Kind.REPLACE_SECONDARY:
            result.append(replace_disks(record.name, names[target]))
        else:
            node = names[target] if kind is Kind.FAILOVER_TO else None
            make = failover if record.forthcoming else migrate
            result.append(make(record.name, node))
    return result


def _with_target(node: str | None) -> OpCode:
    return {} if node is None else {"target_node": node}


def migrate(instance: str, node: str | None) -> OpCode:
    """Migrate, or fail over if that is not possible."""
    return {
        "OP_ID": "OP_INSTANCE_MIGRATE",
        "instance_name": instance,
        **_with_target(node),
        "allow_runtime_changes": False,
        "ignore_ipolicy": False,
        "cleanup": False,
        "allow_failover": True,
        "ignore_hvversions": True,
    }


def failover(instance: str, node: str | None) -> OpCode:
    """Fail over: an instance that does not exist yet cannot migrate."""
    return {
        "OP_ID": "OP_INSTANCE_FAILOVER",
        "instance_name": instance,
        "shutdown_timeout": 120,
        "ignore_consistency": False,
        **_with_target(node),
        "ignore_ipolicy": False,
        "cleanup": False,
    }


def replace_disks(instance: str, node: str) -> OpCode:
    """Rebuild the secondary on another node."""
    return {
        "OP_ID": "OP_INSTANCE_REPLACE_DISKS",
        "instance_name": instance,
        "early_release": False,
        "ignore_ipolicy": False,
        "mode": "replace_new_secondary",
        "disks": [],
        "remote_node": node,
    }
