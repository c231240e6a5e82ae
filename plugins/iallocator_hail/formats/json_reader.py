"""Typed access to parsed JSON, with messages that say where a value was missing or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import LoadError
from .haskell import show_list

Json = Any
"""A parsed JSON value: looked at only through the readers below."""

T = TypeVar("T")
D = TypeVar("D")
Reader = Callable[[Json], T]
"""Turns a value into what is wanted, or raises `LoadError` without saying where."""


def parse_json(text: str, what: str = "Parsing JSON") -> Json:
    """Parse a document; `what` says in an error what was being done.

    :raises LoadError: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise LoadError(f"{what}: {exc}") from exc


def _kind(value: Json) -> str:
    if value is None:
        return "JSNull"
    if isinstance(value, dict):
        return "JSObject"
    return f"'{json.dumps(value)}'"


def as_string(value: Json) -> str:
    """A string."""
    if not isinstance(value, str):
        raise LoadError("Unable to read String")
    return value


def as_bool(value: Json) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise LoadError("Unable to read Bool")
    return value


def as_int(value: Json) -> int:
    """A number, rounded to a whole one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LoadError("Unable to read Int")
    try:
        return round(value)
    except (OverflowError, ValueError):
        raise LoadError("Unable to read Int") from None


def as_float(value: Json) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LoadError("Unable to read Double")
    try:
        return float(value)
    except OverflowError:
        raise LoadError("Unable to read Double") from None


def as_object(value: Json) -> dict[str, Json]:
    """An object; its members keep their order."""
    if not isinstance(value, dict):
        raise LoadError("readJSON{JSObject}: unable to parse object")
    return value


def list_of(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list of equal things."""

    def read(value: Json) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise LoadError("Unable to read List")
        return tuple(reader(item) for item in value)

    return read


def optional(reader: Reader[T]) -> Reader[T | None]:
    """Null, or something."""

    def read(value: Json) -> T | None:
        return None if value is None else reader(value)

    return read


def choice(values: tuple[str, ...], kind: str) -> Reader[str]:
    """One of several words."""

    def read(value: Json) -> str:
        text = as_string(value)
        if text not in values:
            raise LoadError(f"Invalid value '{text}' for type {kind}")
        return text

    return read


class Fields:
    """The members of an object, read with its name in every message."""

    def __init__(self, what: str, members: Mapping[str, Json]) -> None:
        self.what = what
        self.members = members

    def get(self, key: str, reader: Reader[T]) -> T:
        """A member that must be there.

        :raises LoadError: it is missing or of another type.
        """
        if key not in self.members:
            raise LoadError(
                f"{self.what}: key '{key}' not found, object contains only "
                f"{show_list(self.members)}"
            )
        return self._read(key, reader)

    def maybe(self, key: str, reader: Reader[T], default: D) -> T | D:
        """A member that may be missing or null.

        :raises LoadError: it is of another type.
        """
        if self.members.get(key) is None:
            return default
        return self._read(key, reader)

    def _read(self, key: str, reader: Reader[T]) -> T:
        try:
            return reader(self.members[key])
        except LoadError as exc:
            raise LoadError(f"{self.what}: key '{key}': {exc}") from exc
