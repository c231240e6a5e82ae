"""The query filter language: parse, check and evaluate.

Two forms of one language. On the wire a filter is a list, ``["=", "name", "inst1"]``; people write
text, ``name == "inst1"``. `parse_filter` reads the first into an `Expression`, `parse_filter_text`
turns the second into the first, `compile_filter` makes a predicate of an `Expression`.

Pure, and light for commands: a name's module is imported when the name is first used, and `names`
and `text` import little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluate import NO_VALUE, Access, Comparison, compile_filter
    from .expression import (
        EVERYTHING,
        All,
        AnyOf,
        Compare,
        Contains,
        Expression,
        Match,
        Not,
        Truth,
        fields_of,
        is_light,
        parse_filter,
        render,
        requested_names,
        split,
    )
    from .names import looks_like_filter, make_filter, make_simple_filter
    from .patterns import glob_pattern
    from .text import FilterSyntaxError, parse_filter_text

__all__ = [
    "EVERYTHING",
    "NO_VALUE",
    "Access",
    "All",
    "AnyOf",
    "Compare",
    "Comparison",
    "Contains",
    "Expression",
    "FilterSyntaxError",
    "Match",
    "Not",
    "Truth",
    "compile_filter",
    "fields_of",
    "glob_pattern",
    "is_light",
    "looks_like_filter",
    "make_filter",
    "make_simple_filter",
    "parse_filter",
    "parse_filter_text",
    "render",
    "requested_names",
    "split",
]

_HOMES = {
    "NO_VALUE": "evaluate", "Access": "evaluate", "Comparison": "evaluate",
    "compile_filter": "evaluate", "FilterSyntaxError": "text", "parse_filter_text": "text",
    "looks_like_filter": "names", "make_filter": "names", "make_simple_filter": "names",
    "glob_pattern": "patterns",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES.get(name, 'expression')}", __name__), name)
    globals()[name] = found
    return found
