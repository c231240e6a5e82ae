"""What a field of a resource is, and what it answers where there is no value."""

from __future__ import annotations

from dataclasses import field, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.names import nice_key
from ganeti_core.query_language import NO_VALUE, Access, Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

R = TypeVar("R")

Kind = Literal["unknown", "text", "bool", "number", "float", "unit", "timestamp", "other"]

NORMAL = 0
"""Status of a cell that has a value."""


class Absent(Enum):
    """Why a cell has no value; the numbers are the status codes on the wire."""

    UNKNOWN = 1
    """There is no such field."""
    NODATA = 2
    """It should exist, but the node did not tell."""
    UNAVAIL = 3
    """It makes no sense for this object: the memory of an instance that does not run."""
    OFFLINE = 4
    """The node is marked offline and was not asked."""


@unique
class Need(Enum):
    """What must be asked of nodes before a field can be computed."""

    RUNNING = "guests that run"
    CONSOLE = "consoles of instances"
    FACTS = "memory and processors"
    SPACES = "room in storages"
    BOOT = "boot id"
    EXPORTS = "exports"
    OSES = "OS definitions"
    PROVIDERS = "ExtStorage providers"


NOTHING: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class Field(Generic[R]):
    """One column.

    :param kind: how clients format it; ``unit`` is MiB
    :param value: computes the cell of a row from the row's context: plain JSON, or an `Absent`
    :param needs: what nodes must be asked for it; empty for fields of the configuration
    """

    name: str
    title: str
    kind: Kind
    doc: str
    value: Callable[[R], Any] = field(repr=False)
    needs: frozenset[Need] = NOTHING
    comparison: Comparison = Comparison.PLAIN

    def describe(self) -> dict[str, str]:
        """The field as listings of fields show it."""
        return {"name": self.name, "title": self.title, "kind": self.kind, "doc": self.doc}

    def cell(self, row: R) -> list[Any]:
        """``[status, value]``."""
        value = self.value(row)
        return [value.value, None] if isinstance(value, Absent) else [NORMAL, value]

    def access(self) -> Access[R]:
        """How filters read the field."""
        value = self.value

        def get(row: R) -> Any:
            found = value(row)
            return NO_VALUE if isinstance(found, Absent) else found

        return Access(get, self.comparison)


Table = dict[str, Field[R]]


def table(*groups: Iterable[Field[R]]) -> Table[R]:
    """Gather fields by name, sorted by it: the order in which fields are listed."""
    found = {field.name: field for group in groups for field in group}
    return dict(sorted(found.items(), key=lambda item: nice_key(item[0])))


def with_aliases(fields: Mapping[str, Field[R]], aliases: Mapping[str, str]) -> Table[R]:
    """Add further names of fields; an alias differs from its field in the name only."""
    extra = [replace(fields[name], name=alias) for alias, name in aliases.items()]
    return table(fields.values(), extra)


def unknown_field(name: str) -> Field[Any]:
    """The column of a field that does not exist."""
    return Field(name, name, "unknown", f"Unknown field '{name}'", lambda _: Absent.UNKNOWN)


def or_unavailable(value: Any) -> Any:
    """`value`, or `Absent.UNAVAIL` for None."""
    return Absent.UNAVAIL if value is None else value


def common_fields(title: str, get: Callable[[R], Any]) -> list[Field[R]]:
    """The fields that every configuration object has.

    :param get: tells the object of a row
    """
    return [
        Field("ctime", "CTime", "timestamp", "Creation timestamp", lambda row: get(row).ctime),
        Field("mtime", "MTime", "timestamp", "Modification timestamp", lambda row: get(row).mtime),
        Field("serial_no", "SerialNo", "number",
              f"{title} object serial number, incremented on each modification",
              lambda row: get(row).serial_no),
        Field("uuid", "UUID", "text", f"{title} UUID", lambda row: get(row).uuid),
        Field("tags", "Tags", "other", "Tags", lambda row: sorted(get(row).tags)),
    ]


def parameter_kind(value: object) -> Kind:
    """The kind of a field that shows a parameter with the default `value`."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "number"
    return "float" if isinstance(value, float) else "other"


def ordinal(number: int) -> str:
    """Return a positive number as a counting word, for descriptions: ``1st``, ``2nd``, ``11th``."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
