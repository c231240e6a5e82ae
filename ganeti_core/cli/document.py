"""The indented form of ``info`` commands, close to YAML.

A document is made of plain data: a mapping is printed sorted by key, a list of pairs in its own
order, any other list with dashes, a tuple of plain values in one line, everything else as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.table import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Pairs = list[tuple[str, Any]]


def print_document(data: Any) -> None:
    print("\n".join(_lines(data)))


def with_defaults(own: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, Any]:
    """Show parameters with their effective values; what is inherited is marked ``default``."""
    return {key: with_defaults(own.get(key, {}), value) if isinstance(value, dict) and value
            else own.get(key, f"default ({value})")
            for key, value in actual.items()}


def _in_one_line(data: Any) -> bool:
    return isinstance(data, tuple) and not any(
        isinstance(item, dict | list | tuple) for item in data)


def _text(data: Any) -> str:
    return f"[{', '.join(map(str, data))}]" if _in_one_line(data) else str(data)


def _text_lines(data: Any) -> list[str]:
    return [visible(line) for line in _text(data).splitlines()] or [""]


def _is_pairs(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and all(
        isinstance(item, tuple) and len(item) == 2 for item in data)


def _lines(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        data = sorted(data.items())
        yield from _pair_lines(data)
    elif _is_pairs(data):
        yield from _pair_lines(data)
    elif isinstance(data, list | tuple) and not _in_one_line(data):
        for item in data:
            for index, line in enumerate(list(_lines(item)) or [""]):
                yield ("  " if index else "- ") + line
    else:
        yield from _text_lines(data)


def _pair_lines(pairs: Pairs) -> Iterator[str]:
    for key, value in pairs:
        shown = visible(key)
        if isinstance(value, dict | list | tuple) and not _in_one_line(value):
            yield f"{shown}: "
            yield from ("  " + line for line in _lines(value))
            continue
        first, *rest = _text_lines(value)
        yield f"{shown}: {first}"
        yield from ("  " + line for line in rest)
