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
from ganeti_core.opcodes.base import OpCode, parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
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

    :raises RequestError: not a valid one; the text says what is wrong, in Ganeti's form
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


def summary(data: Mapping[str, Any]) -> str:
    """One opcode in a word: ``INSTANCE_CREATE(inst1.example.com)``; of any dict that was accepted.

    It is not checked again: it may be of an older version, with other rules.
    """
    op_id = str(data.get("OP_ID", ""))
    cls = OPCODES.get(op_id)
    if cls is None:
        return op_id.removeprefix("OP_")
    try:
        return cls(**{name: data[name] for name in parameters(cls) if name in data}).summary()
    except TypeError:
        return op_id.removeprefix("OP_")
