"""What an opcode is: a frozen value with typed parameters, parsed from a dict or refused.

A class states its parameters as annotated fields; the checks, the JSON Schema and the dict form are
made from them. Error texts of the parser have Ganeti's form. No behaviour lives here.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from ganeti_core.errors import RequestError
from ganeti_core.lazy_dataclass import dataclass

Check = Callable[[Any], str | None]
"""Return what is wrong with a value, or None."""

NonEmptyStr = Annotated[str, "non-empty"]
Natural = Annotated[int, "natural"]
Positive = Annotated[int, "positive"]
ReasonTrail = Annotated[list[Any], "reason trail"]
Priority = Literal[-10, 0, 10]
JsonDict = dict[str, Any]

Public, Private, Secret = "public", "private", "secret"

MAX_DEPTH = 64
"""Levels of lists and objects in a parameter: showing jobs walks them by recursion."""

FINAL_STATUSES = ("canceled", "success", "error")


@dataclass(frozen=True, kw_only=True)
class OpCode:
    """A request to the master. Every opcode has the generic parameters below.

    :param depends: ``[job id, [accepted final states]]`` pairs; a negative id counts back from
        this job within one submission
    :param reason: the reason trail, ``[source, reason, nanoseconds]`` each
    :param serial_no: that of the object that it acts on, as the client has seen it: where it has
        another one nothing is done; not a parameter of Ganeti
    """

    op_id: ClassVar[str] = ""
    summary_field: ClassVar[str | None] = None
    big_lock: ClassVar[bool] = False
    """Runs alone: nothing else may run beside it."""
    secret_fields: ClassVar[tuple[str, ...]] = ()
    """Parameters whose values never reach a disk, a log or an answer."""
    carries: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Parameters that are lists of other opcodes' parameters, with the id of those opcodes."""

    debug_level: Natural = 0
    dry_run: bool | None = None
    priority: Priority = 0
    depends: list[Any] | None = None
    comment: str | None = None
    reason: ReasonTrail = field(default_factory=list)
    serial_no: Natural | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Build the opcode from a dict that has its parameters.

        Null for a parameter that is not required means that it is not given: clients that keep
        every parameter of an opcode in an object send it so.

        :raises RequestError: one is missing, unknown or of the wrong type; the text names it
        """
        table = parameters(cls)
        values: dict[str, Any] = {}
        for name, value in data.items():
            if name == "OP_ID":
                continue
            parameter = table.get(name)
            if parameter is None:
                raise RequestError(f"Unknown parameter '{name}' for {cls.op_id}")
            if value is None and not parameter.required:
                continue
            problem = "nested too deeply" if _is_deep(value) else parameter.check(value)
            if problem is not None:
                raise RequestError(f"Can't parse value for '{name}': {problem}")
            values[name] = value
        for name, parameter in table.items():
            if parameter.required and name not in values:
                have = json.dumps(sorted(data), separators=(",", ":"))
                raise RequestError(f"key '{name}' not found, object contains only {have}")
        return cls(**values)

    def to_dict(self) -> JsonDict:
        """The dict form, with every parameter and ``OP_ID``."""
        data: JsonDict = {name: getattr(self, name) for name in parameters(type(self))}
        data["OP_ID"] = self.op_id
        return data

    def summary(self) -> str:
        """What listings show: ``INSTANCE_CREATE(inst1.example.com)``."""
        short = self.op_id.removeprefix("OP_")
        if self.summary_field is None:
            return short
        value = getattr(self, self.summary_field)
        if isinstance(value, list):
            return f"{short}({','.join(map(str, value))})"
        return f"{short}({_number(value) if isinstance(value, float | int) else value})"


def _number(value: float) -> str:
    """Show a number as Ganeti does: ``3.0``, ``1.0e-6``."""
    if isinstance(value, int):
        return str(value)
    if value == 0 or 0.1 <= abs(value) < 1e7:
        return repr(float(value))
    mantissa, _, exponent = f"{value:e}".partition("e")
    digits = mantissa.rstrip("0")
    return f"{digits}{'0' if digits.endswith('.') else ''}e{int(exponent)}"


@dataclass(frozen=True)
class Parameter:
    """One parameter of an opcode class."""

    name: str
    annotation: Any
    required: bool
    default: Any
    check: Check


_tables: dict[type, dict[str, Parameter]] = {}


def parameters(cls: type[OpCode]) -> dict[str, Parameter]:
    """The parameters of an opcode class by name, generic ones included."""
    table = _tables.get(cls)
    if table is None:
        hints = typing.get_type_hints(cls, include_extras=True)
        table = _tables[cls] = {
            f.name: Parameter(f.name, hints[f.name], _is_required(f), _default(f),
                              _check_of(hints[f.name]))
            for f in dataclasses.fields(cls)}
    return table


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level if isinstance(one, list | dict)
                 for inner in (one.values() if isinstance(one, dict) else one)
                 if isinstance(inner, list | dict)]
        if not level:
            return False
    return True


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return None if f.default is dataclasses.MISSING else f.default


def _check_of(annotation: Any) -> Check:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return lambda _value: None
    if annotation == ReasonTrail:
        return _check_list(_check_reason)
    if origin is Annotated:
        return _check_annotated(args[0], args[1])
    if origin is Literal:
        return _check_literal(args)
    if origin in (Union, types.UnionType):
        return _check_union([_check_of(arg) for arg in args])
    if origin is list:
        return _check_list(_check_of(args[0]))
    if origin is dict:
        return _check_dict(_check_of(args[1]))
    return _SIMPLE[annotation]


def _simple(kinds: tuple[type, ...], wanted: str) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, float) and not math.isfinite(value):
            return f"Unable to read {wanted}"  # JSON has no such number: it could not be listed
        if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
            return None
        return f"Unable to read {wanted}"

    return check


_SIMPLE: dict[Any, Check] = {
    str: _simple((str,), "String"), bool: _simple((bool,), "Bool"), int: _simple((int,), "Integer"),
    float: _simple((int, float), "Double"), type(None): _simple((type(None),), "null"),
}


def _check_annotated(base: Any, rule: str) -> Check:
    inner = _SIMPLE[base]

    def check(value: Any) -> str | None:
        problem = inner(value)
        if problem is not None:
            return problem
        if rule == "non-empty" and not value:
            return "expected a non-empty string"
        if rule == "natural" and value < 0:
            return f"expected a number of 0 or more, got {value}"
        if rule == "positive" and value <= 0:
            return f"expected a number above 0, got {value}"
        return None

    return check


def _check_reason(value: Any) -> str | None:
    match value:
        case [str(), str(), int(when)] if not isinstance(when, bool):
            return None
    return f"expected [source, reason, nanoseconds], got {json.dumps(value)[:100]}"


def _check_literal(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any) -> str | None:
        if value in allowed and not isinstance(value, bool):
            return None
        words = ", ".join(map(str, allowed))
        return f"Invalid value {json.dumps(value, default=str)}, expected one of {words}"

    return check


def _check_union(checks: list[Check]) -> Check:
    def check(value: Any) -> str | None:
        problems = [check(value) for check in checks]
        if None in problems:
            return None
        return next((p for p in problems if p != "Unable to read null"), problems[0])

    return check


def _check_list(item: Check) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "Unable to read list"
        return next((problem for entry in value if (problem := item(entry))), None)

    return check


def _check_dict(item: Check) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "Unable to read JSObject"
        return next((problem for entry in value.values() if (problem := item(entry))), None)

    return check


def schema(cls: type[OpCode]) -> JsonDict:
    """The JSON Schema of an opcode's dict form."""
    table = parameters(cls)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": cls.op_id,
        "description": (cls.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": {
            "OP_ID": {"const": cls.op_id},
            **{name: _parameter_schema(parameter) for name, parameter in table.items()},
        },
        "required": ["OP_ID", *(name for name, p in table.items() if p.required)],
        "additionalProperties": False,
    }


def _parameter_schema(parameter: Parameter) -> JsonDict:
    own = _schema_of(parameter.annotation)
    if parameter.required:
        return own
    if type(None) not in get_args(parameter.annotation) and own:
        own = {"anyOf": [own, {"type": "null"}]}
    return own | {"default": parameter.default}


_SCHEMAS: dict[Any, JsonDict] = {
    str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"},
    float: {"type": "number"}, type(None): {"type": "null"}, Any: {},
}
_TRAIL: JsonDict = {"type": "array", "items": {
    "type": "array", "minItems": 3, "maxItems": 3, "items": {},
    "prefixItems": [{"type": "string"}, {"type": "string"}, {"type": "integer"}]}}
_RULES: dict[str, JsonDict] = {
    "non-empty": {"minLength": 1}, "natural": {"minimum": 0}, "positive": {"exclusiveMinimum": 0},
}


def _schema_of(annotation: Any) -> JsonDict:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == ReasonTrail:
        return dict(_TRAIL)
    if origin is Annotated:
        return _SCHEMAS[args[0]] | _RULES[args[1]]
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema_of(arg) for arg in args]}
    if origin is list:
        return {"type": "array", "items": _schema_of(args[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(args[1])}
    return dict(_SCHEMAS[annotation])
