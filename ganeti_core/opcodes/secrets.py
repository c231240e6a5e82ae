"""Where opcodes hold secrets, and how they are left out of whatever outlives the job.

An opcode may carry other opcodes: a declared parameter of descriptions (`OpCode.carries`), or any
dict in its parameters that names itself by ``OP_ID``. Their secrets are found as its own are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.opcodes.base import OpCode, parameters
from ganeti_core.opcodes.registry import OPCODES

if TYPE_CHECKING:
    from collections.abc import Callable

    Visit = Callable[[str, Any], Any]

REDACTED = "<redacted>"
_GENERIC = frozenset(parameters(OpCode))
_known: dict[type, bool] = {}


def redacted(op: OpCode, data: dict[str, Any]) -> dict[str, Any]:
    """The dict form of `op` without the values of secret parameters; their keys stay."""
    return _visited(op, data, lambda _path, value: redact(value))


def redact(value: Any) -> Any:
    """Replace every value of a parameter, keep its keys."""
    if isinstance(value, dict):
        return {key: redact(item) for key, item in value.items()}
    return value if value is None else REDACTED


def secrets_in(op: OpCode) -> dict[str, Any]:
    """The secret parameters that are given, by where they are: ``instances/0/osparams_secret``."""
    found: dict[str, Any] = {}

    def note(path: str, value: Any) -> Any:
        if value is not None:
            found[path] = value
        return value

    if _may_hold(type(op)):
        _visited(op, op.to_dict(), note)
    return found


def lost_secrets(op: OpCode) -> list[str]:
    """The secret parameters whose values were left out when the opcode was written down."""
    return [path for path, value in secrets_in(op).items() if REDACTED in str(value)]


def _may_hold(cls: type[OpCode]) -> bool:
    """Whether it is worth looking: most opcodes have only numbers, names and lists of these."""
    if cls not in _known:
        _known[cls] = bool(cls.secret_fields or cls.carries) or any(
            "Any" in str(parameter.annotation) for name, parameter in parameters(cls).items()
            if name not in _GENERIC)
    return _known[cls]


def _visited(op: OpCode, data: dict[str, Any], visit: Visit) -> dict[str, Any]:
    if not _may_hold(type(op)):
        return data
    return {name: value if name in _GENERIC else _parameter(type(op), name, name, value, visit)
            for name, value in data.items()}


def _parameter(cls: type[OpCode], name: str, path: str, value: Any, visit: Visit) -> Any:
    if name in cls.secret_fields:
        return visit(path, value)
    carried = OPCODES.get(dict(cls.carries).get(name, ""))
    return _within(value, carried, path, visit)


def _within(value: Any, carried: type[OpCode] | None, path: str, visit: Visit) -> Any:
    """Visit the secrets of opcodes in `value`; `carried` is what a dict without OP_ID must be."""
    if isinstance(value, list | tuple):
        return [_within(item, carried, f"{path}/{index}", visit)
                for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    named = value.get("OP_ID")
    # What is declared counts even if the dict says otherwise: it is refused only later.
    cls = carried or (OPCODES.get(named) if isinstance(named, str) else None)
    if cls is None:
        return {key: _within(item, None, f"{path}/{key}", visit) for key, item in value.items()}
    return {key: _parameter(cls, key, f"{path}/{key}", item, visit) for key, item in value.items()}
