"""Make a predicate of an expression: a closure per operator, built once per query.

How fields are read is the caller's: `compile_filter` is told by a function from a field's name to
an `Access`. A field that has no value for a row (its node is offline, the instance does not run)
lets the row pass: the filter has nothing to judge by, and hiding the row would mislead.
"""

from __future__ import annotations

import json
import operator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ganeti_core.errors import ParameterError
from ganeti_core.lazy_dataclass import dataclass

from .expression import All, AnyOf, Compare, Contains, Expression, Match, Not, Truth
from .patterns import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class _NoValue(Enum):
    NO_VALUE = "no value"


NO_VALUE: Final = _NoValue.NO_VALUE
"""What `Access.get` answers where the row has no value for the field."""


class Comparison(Enum):
    """How a field's values are compared."""

    PLAIN = "plain"
    HOST_NAME = "host name"
    """Equality also accepts the name's leading labels: ``inst1`` for ``inst1.example.com``."""
    TIMESTAMP = "timestamp"
    """``[seconds, microseconds]``; compared by its seconds."""


@dataclass(frozen=True)
class Access(Generic[R]):
    """How to read one field of a row."""

    get: Callable[[R], Any]
    comparison: Comparison = Comparison.PLAIN


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}


def compile_filter(
    expression: Expression, access: Callable[[str], Access[R]]
) -> Callable[[R], bool]:
    """Build the predicate of `expression`.

    :param access: raises `ParameterError` for a field that does not exist
    :raises ParameterError: here for an unknown field; the predicate raises it where a value has
        another type than the filter compares it with
    """
    match expression:
        case All(terms):
            return _all([compile_filter(term, access) for term in terms])
        case AnyOf(terms):
            return _names(terms, access) or _any([compile_filter(term, access) for term in terms])
        case Not(term):
            inner = compile_filter(term, access)
            return lambda row: not inner(row)
        case Truth(field):
            return _guard(access(field), _is_true)
        case Compare(field, order, value):
            found = access(field)
            if order == "==" and found.comparison is Comparison.HOST_NAME:
                return _guard(found, _host_name_test(value))
            return _guard(found, _order_test(order, value))
        case Match(field, pattern):
            return _guard(access(field), _match_test(pattern))
        case Contains(field, value):
            return _guard(access(field), _contains_test(value))


def _all(tests: list[Callable[[R], bool]]) -> Callable[[R], bool]:
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[Callable[[R], bool]]) -> Callable[[R], bool]:
    return lambda row: any(test(row) for test in tests)


def _guard(access: Access[R], test: Callable[[Any], bool]) -> Callable[[R], bool]:
    get = access.get
    if access.comparison is Comparison.TIMESTAMP:
        return lambda row: (value := get(row)) is NO_VALUE or test(value[0])
    return lambda row: (value := get(row)) is NO_VALUE or test(value)


def _names(
    terms: tuple[Expression, ...], access: Callable[[str], Access[R]]
) -> Callable[[R], bool] | None:
    """One look into a set instead of a comparison per name, for filters that list many names."""
    values: set[str] = set()
    fields: set[str] = set()
    for term in terms:
        if not isinstance(term, Compare) or term.operator != "==" or isinstance(term.value, int):
            return None
        values.add(term.value.lower())
        fields.add(term.field)
    if len(fields) != 1:
        return None
    found = access(fields.pop())
    if found.comparison is not Comparison.HOST_NAME:
        return None

    def test(value: Any) -> bool:
        if not isinstance(value, str):
            raise _type_error(value, next(iter(values)))
        name = value.lower()
        return name in values or any(prefix in values for prefix in _prefixes(name))

    return _guard(found, test)


def _prefixes(name: str) -> list[str]:
    return [name[:at] for at, letter in enumerate(name) if letter == "."]


def _is_true(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ParameterError(f"Unexpected value '{_shown(value)}' in boolean context")


def _host_name_test(wanted: str | int) -> Callable[[Any], bool]:
    if isinstance(wanted, int):
        return _order_test("==", wanted)
    whole = wanted.lower()
    prefix = f"{whole}."

    def test(value: Any) -> bool:
        if not isinstance(value, str):
            raise _type_error(value, wanted)
        name = value.lower()
        return name == whole or name.startswith(prefix)

    return test


def _order_test(order: str, wanted: str | int) -> Callable[[Any], bool]:
    compare = _ORDER[order]
    types = str if isinstance(wanted, str) else (int, float)

    def test(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, types):
            raise _type_error(value, wanted)
        return compare(value, wanted)

    return test


def _match_test(text: str) -> Callable[[Any], bool]:
    pattern = compile_pattern(text)

    def test(value: Any) -> bool:
        if not isinstance(value, str):
            raise ParameterError("Invalid field value used in regexp matching, expecting string "
                                 f"but got '{_shown(value)}'")
        return bool(pattern.search(value))

    return test


def _contains_test(wanted: str | int) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        if not isinstance(value, list | tuple):
            raise ParameterError(f"Cannot look for items in '{_shown(value)}': it is not a list")
        return any(item == wanted and not isinstance(item, bool) for item in value)

    return test


def _type_error(value: Any, wanted: str | int) -> ParameterError:
    number = f"({wanted})" if isinstance(wanted, int) and wanted < 0 else str(wanted)
    name = f"QuotedString {_shown(wanted)}" if isinstance(wanted, str) else f"NumericValue {number}"
    return ParameterError(
        f"Invalid types in comparison, trying to compare {_shown(value)} with '{name}'")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."
