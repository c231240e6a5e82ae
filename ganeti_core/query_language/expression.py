"""Filters as values, and their list form.

The list form is what LUXI carries: ``[operator, operand...]``, nested; ``null`` selects everything.

=========================================  =================================================
``["&", filter...]``, ``["|", filter...]``  all, or any of them (none: true, false)
``["!", filter]``                          not
``["?", field]``                           the field is true
``["=", field, value]``                    equal; ``"=="`` means the same, ``"!="`` the opposite
``["<", field, value]``                    also ``"<="``, ``">"``, ``">="``
``["=~", field, pattern]``                 a regular expression matches somewhere in the field
``["=[]", field, value]``                  the field is a list that contains the value
=========================================  =================================================

A value is a string or a whole number. Texts of errors are Ganeti's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import RequestError
from ganeti_core.lazy_dataclass import dataclass

from .patterns import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Operator = Literal["==", "<", "<=", ">", ">="]

MAX_DEPTH = 50
"""Levels of nesting; deeper filters are refused, for they are walked by recursion."""
MAX_TERMS = 50_000
"""Operators in one filter: room for naming every object of a large cluster."""
MAX_PATTERNS = 200
"""Regular expressions in one filter: each may take a tenth of a second to compile."""
LIGHT_TERMS = 200
"""Operators that are read and evaluated in no time."""


@dataclass(frozen=True)
class All:
    """True where every term is; `EVERYTHING` has none."""

    terms: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """True where one of the terms is."""

    terms: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Not:
    term: Expression


@dataclass(frozen=True)
class Truth:
    """The boolean `field` is true."""

    field: str


@dataclass(frozen=True)
class Compare:
    field: str
    operator: Operator
    value: str | int


@dataclass(frozen=True)
class Match:
    """The regular expression `pattern` matches somewhere in `field`."""

    field: str
    pattern: str


@dataclass(frozen=True)
class Contains:
    """The list `field` has `value` among its items."""

    field: str
    value: str | int


Expression = All | AnyOf | Not | Truth | Compare | Match | Contains

EVERYTHING = All()


def parse_filter(data: object) -> Expression:
    """Read the list form and check it.

    :raises RequestError: it is not a filter, or larger than the limits above
    """
    return _Parser().filter(data, 0)


def is_light(data: object) -> bool:
    """Whether a filter, in its list form, takes no time: few operators, and no pattern."""
    waiting, lists = [data], 0
    while waiting:
        one = waiting.pop()
        if not isinstance(one, list | tuple):
            continue
        lists += 1
        if lists > LIGHT_TERMS or one[:1] == ["=~"]:
            return False
        waiting += one
    return True


class _Parser:
    """One parse; counts operators."""

    def __init__(self) -> None:
        self.terms = 0
        self.patterns = 0

    def filter(self, data: object, depth: int) -> Expression:
        if data is None:
            return EVERYTHING
        if not isinstance(data, list | tuple) or not data or not isinstance(data[0], str):
            raise RequestError(
                f"Cannot deserialise filter: expected array [string, args], got {_shown(data)}")
        self.terms += 1
        if self.terms > MAX_TERMS or depth > MAX_DEPTH:
            raise RequestError(
                f"Filter too large: more than {MAX_TERMS} operators or {MAX_DEPTH} levels")
        operator, *operands = data
        self.patterns += operator == "=~"
        if self.patterns > MAX_PATTERNS:
            raise RequestError(f"Filter too large: more than {MAX_PATTERNS} regular expressions")
        if operator in _LEAVES:
            return _LEAVES[operator](operands)
        return self._logic(operator, operands, depth + 1)

    def _logic(self, operator: str, operands: list[Any], depth: int) -> Expression:
        match operator:
            case "&":
                return All(tuple(self.filter(term, depth) for term in operands))
            case "|":
                return AnyOf(tuple(self.filter(term, depth) for term in operands))
            case "!":
                if len(operands) != 1:
                    raise RequestError("Cannot deserialise field, expected [filter] but got "
                                       f"{_shown(operands)}")
                return Not(self.filter(operands[0], depth))
        raise RequestError(f"Unknown filter operand '{operator:.100}'")


def _truth(operands: list[Any]) -> Expression:
    if len(operands) != 1:
        raise RequestError(
            f"Cannot deserialise field, expected [fieldname] but got {_shown(operands)}")
    return Truth(_string(operands[0]))


def _comparison(operator: Operator) -> Callable[[list[Any]], Expression]:
    def build(operands: list[Any]) -> Expression:
        field, value = _pair(operands)
        return Compare(field, operator, _value(value))

    return build


def _unequal(operands: list[Any]) -> Expression:
    field, value = _pair(operands)
    return Not(Compare(field, "==", _value(value)))


def _match(operands: list[Any]) -> Expression:
    field, value = _pair(operands)
    pattern = _string(value)
    compile_pattern(pattern)  # refuses what it cannot match
    return Match(field, pattern)


def _contains(operands: list[Any]) -> Expression:
    field, value = _pair(operands)
    return Contains(field, _value(value))


_LEAVES: dict[str, Callable[[list[Any]], Expression]] = {
    "?": _truth,
    "=": _comparison("=="),
    "==": _comparison("=="),
    "!=": _unequal,
    "<": _comparison("<"),
    "<=": _comparison("<="),
    ">": _comparison(">"),
    ">=": _comparison(">="),
    "=~": _match,
    "=[]": _contains,
}


def _pair(operands: list[Any]) -> tuple[str, Any]:
    if len(operands) != 2:
        raise RequestError("Cannot deserialise field/value pair, expected [fieldname, value]"
                           f" but got {_shown(operands)}")
    return _string(operands[0]), operands[1]


def _string(data: object) -> str:
    if not isinstance(data, str):
        raise RequestError("Unable to read String")
    return data


def _value(data: object) -> str | int:
    if isinstance(data, float):
        if data.is_integer():
            return int(data)
        raise RequestError("Cannot deserialise numeric filter value, expecting integral but got a"
                           f" fractional value: {data}")
    if isinstance(data, bool) or not isinstance(data, str | int):
        raise RequestError("Cannot deserialise filter value, expecting string or integer, got "
                           f"{_shown(data)}")
    return data


def _shown(data: object) -> str:
    """`data` as JSON, cut where it becomes unreadable."""
    try:
        text = json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(data).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def render(expression: Expression) -> list[Any]:
    """Write an expression in the list form; `parse_filter` reads it back as it was."""
    match expression:
        case All(terms):
            return ["&", *(render(term) for term in terms)]
        case AnyOf(terms):
            return ["|", *(render(term) for term in terms)]
        case Not(term):
            return ["!", render(term)]
        case Truth(field):
            return ["?", field]
        case Compare(field, operator, value):
            return [operator, field, value]
        case Match(field, pattern):
            return ["=~", field, pattern]
        case Contains(field, value):
            return ["=[]", field, value]


def fields_of(expression: Expression) -> Iterator[str]:
    """Every field that the expression reads, in its order, repeated as often as it is named."""
    match expression:
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from fields_of(term)
        case Not(term):
            yield from fields_of(term)
        case _:
            yield expression.field


def requested_names(expression: Expression, name_field: str) -> list[str | int] | None:
    """The names that a filter asks for when it does nothing but ask for names, otherwise None.

    Such a filter is ``name == x``, or any of several; callers then look the names up in an index.
    """
    match expression:
        case Compare(field, "==", value) if field == name_field:
            return [value]
        case AnyOf(terms) if terms:
            names: list[str | int] = []
            for term in terms:
                found = requested_names(term, name_field)
                if found is None:
                    return None
                names += found
            return names
    return None


def split(
    expression: Expression, is_late: Callable[[str], bool]
) -> tuple[Expression, Expression]:
    """Cut a filter in two that together mean the same: one without late fields, and the rest.

    The first can be evaluated before late fields are gathered, so that they are gathered for
    fewer objects. Only a conjunction can be cut.
    """
    if not any(is_late(field) for field in fields_of(expression)):
        return expression, EVERYTHING
    if not isinstance(expression, All):
        return EVERYTHING, expression
    early: list[Expression] = []
    late: list[Expression] = []
    for term in expression.terms:
        (late if any(is_late(field) for field in fields_of(term)) else early).append(term)
    return All(tuple(early)), All(tuple(late))
