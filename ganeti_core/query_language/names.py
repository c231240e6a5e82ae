"""Filters from the arguments of a command: names, globs, or a whole filter."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

from .patterns import glob_pattern
from .text import parse_filter_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILTER_CHARACTERS = frozenset("()=/!~'\"\\<>" + string.whitespace)
_GLOB_CHARACTERS = frozenset("*?")


def make_simple_filter(name_field: str, names: Sequence[str | int]) -> list[Any] | None:
    """Ask for objects by name; None, which selects all, where no names are given."""
    return ["|", *(["==", name_field, name] for name in names)] if names else None


def looks_like_filter(text: str) -> bool:
    """Whether an argument can only be meant as a filter: no name contains such characters."""
    return not _FILTER_CHARACTERS.isdisjoint(text)


def make_filter(
    arguments: Sequence[str], *, force: bool = False, name_field: str = "name",
    numeric: bool = False,
) -> list[Any] | None:
    """Make a filter from what a user typed after a listing command.

    One argument that looks like a filter (or any, with `force`) is parsed as one; arguments with
    ``*`` or ``?`` match by glob, the others by name, or by number where names are `numeric`.

    :raises FilterSyntaxError: the filter cannot be parsed
    :raises OpPrereqError: several arguments with `force`, or a number that is none
    """
    if force or (len(arguments) == 1 and looks_like_filter(arguments[0])):
        if len(arguments) != 1:
            raise OpPrereqError("Exactly one argument must be given as a filter", ECODE_INVAL)
        return parse_filter_text(arguments[0])
    if not arguments:
        return None
    return ["|", *(_part(name_field, argument, numeric) for argument in arguments)]


def _part(name_field: str, text: str, numeric: bool) -> list[Any]:
    if numeric:
        try:
            return ["==", name_field, int(text)]
        except ValueError as exc:
            raise OpPrereqError(f"Invalid job ID passed: {exc}", ECODE_INVAL) from exc
    if not _GLOB_CHARACTERS.isdisjoint(text):
        return ["=~", name_field, glob_pattern(text)]
    return ["==", name_field, text]
