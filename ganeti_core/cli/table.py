"""Tables of query results: columns as wide as their content, numbers to the right.

This is the road of every listing, with thousands of rows: plain loops, no library.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RS_NORMAL, RS_UNKNOWN, RS_NODATA, RS_UNAVAIL, RS_OFFLINE = range(5)
PLACEHOLDERS = {RS_UNKNOWN: ("??", "(unknown)"), RS_NODATA: ("?", "(nodata)"),
                 RS_UNAVAIL: ("-", "(unavail)"), RS_OFFLINE: ("*", "(offline)")}
_TO_THE_RIGHT = frozenset({"number", "unit", "float"})


@dataclass(frozen=True)
class Style:
    """How the user wants a table."""

    headers: bool = True
    separator: str | None = None
    units: str | None = None
    verbose: bool = False

    @property
    def size_unit(self) -> str:
        """Sizes are for people (``h``), unless a program reads the columns."""
        return self.units or ("h" if self.separator is None else "m")


def format_size(mebibytes: float, unit: str) -> str:
    """Write a size; ``h`` chooses the unit and names it, ``m``, ``g``, ``t`` do not name it."""
    if unit == "m" or (unit == "h" and mebibytes < 1024):
        return f"{round(mebibytes)}{'M' if unit == 'h' else ''}"
    if unit == "g" or (unit == "h" and mebibytes < 1024**2):
        return f"{mebibytes / 1024:.1f}{'G' if unit == 'h' else ''}"
    return f"{mebibytes / 1024**2:.1f}{'T' if unit == 'h' else ''}"


def format_time(seconds: float | None) -> str:
    if not isinstance(seconds, int | float):
        return "N/A"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def format_timestamp(stamp: Any) -> str:
    """Write a pair of seconds and microseconds."""
    match stamp:
        case [int(seconds), int(micro)]:
            return f"{format_time(seconds)}.{micro:06d}"
        case _:
            return "?"


def joined(values: Iterable[Any]) -> str:
    return ",".join(map(str, values))


def key_values(parameters: dict[str, Any]) -> str:
    """Write parameters as ``key=value, key=value``."""
    return ", ".join(f"{key}={value}" for key, value in parameters.items())


def column_writer(kind: str, unit: str) -> Callable[[Any], str]:
    """Choose how the values of a field of `kind` are written."""
    match kind:
        case "bool":
            return lambda value: "Y" if value else "N"
        case "unit":
            return lambda value: format_size(value, unit)
        case "timestamp":
            return format_time
        case _:
            return visible


def visible(value: Any) -> str:
    """Write a value so that it cannot steer the terminal or break the line."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable()
                   else character.encode("unicode_escape").decode() for character in text)


def visible_lines(text: str) -> str:
    """Write what others have said, such as the output of a program: it may break lines, and do
    nothing else to a terminal."""
    return "\n".join(map(visible, text.expandtabs().split("\n")))


def layout(titles: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]],
           style: Style) -> list[str]:
    """Arrange cells in lines: with a separator joined, else in columns of even width."""
    lines = [titles, *rows] if style.headers else list(rows)
    if style.separator is not None:
        return [style.separator.join(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)] if lines else []
    if widths and not right[-1]:
        widths[-1] = 0
    pattern = " ".join(f"{{:{'>' if to_right else '<'}{width or ''}}}"
                       for to_right, width in zip(right, widths, strict=False))
    return [pattern.format(*line) for line in lines]


def job_table(titles: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]],
              style: Style) -> list[str]:
    """As `layout`, for the listings that jobs make: there the last title is as wide as its column.
    """
    if style.headers and style.separator is None and titles and not right[-1]:
        width = max((len(row[-1]) for row in rows), default=0)
        titles = [*titles[:-1], titles[-1].ljust(width)]
    return layout(titles, right, rows, style)


def query_table(answer: dict[str, Any], style: Style,
                writers: dict[str, Callable[[Any], str]]) -> list[str]:
    """Arrange the answer of a query; `writers` overrides how a field's values are written."""
    fields = answer["fields"]
    columns = [writers.get(field["name"]) or column_writer(field["kind"], style.size_unit)
               for field in fields]
    right = [field["kind"] in _TO_THE_RIGHT and field["name"] not in writers for field in fields]
    missing = {status: texts[style.verbose] for status, texts in PLACEHOLDERS.items()}
    rows = [[write(value) if status == RS_NORMAL else missing.get(status, f"<{status}>")
             for write, (status, value) in zip(columns, row, strict=True)]
            for row in answer["data"]]
    return layout([field["title"] for field in fields], right, rows, style)
