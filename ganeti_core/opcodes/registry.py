"""Every opcode by its id, and the way from a client's dict to an opcode."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import RequestError
from ganeti_core.opcodes import (
    backup,
    cluster,
    group,
    instance,
    network,
    node,
    other,
    tags,
    test,
)
from ganeti_core.opcodes.base import OpCode

if TYPE_CHECKING:
    from types import ModuleType


def _classes(*modules: ModuleType) -> dict[str, type[OpCode]]:
    return {
        value.op_id: value
        for module in modules for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, OpCode) and value.op_id
    }


OPCODES = _classes(backup, cluster, group, instance, network, node, other, tags, test)


def parse(data: object) -> OpCode:
    """Turn a client's dict into an opcode.

    :raises RequestError: it is none; the text says what is wrong, in the peer's form
    """
    if not isinstance(data, dict):
        raise RequestError("Unable to read JSObject")
    op_id = data.get("OP_ID")
    if op_id is None:
        have = json.dumps(sorted(map(str, data)), separators=(",", ":"))
        raise RequestError(f"key 'OP_ID' not found, object contains only {have}")
    cls = OPCODES.get(op_id) if isinstance(op_id, str) else None
    if cls is None:
        raise RequestError(f"Unknown opcode {op_id}")
    return cls.parse(data)


def redacted(op: OpCode, data: dict[str, Any]) -> dict[str, Any]:
    """The dict form of `op` without the values of its secret parameters."""
    if not op.secret_fields:
        return data
    return {name: redact(value) if name in op.secret_fields else value
            for name, value in data.items()}


REDACTED = "<redacted>"


def redact(value: Any) -> Any:
    """Replace every value of a parameter, keep its keys."""
    if isinstance(value, dict):
        return {key: redact(item) for key, item in value.items()}
    return value if value is None else REDACTED
