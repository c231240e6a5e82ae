"""Arguments of LUXI methods, read strictly: what does not fit is refused as Ganeti does it."""

from __future__ import annotations

import json
import math
from typing import Any

from ganeti_core.errors import RequestError

MOST_DIGITS = 18
"""Of an id; no cluster ever has so many jobs, and the database can count so far."""


def unreadable(args: list[Any], wanted: str) -> str:
    """The message about arguments that cannot be read as `wanted`."""
    return _cannot_convert(args, f"Unable to read {wanted}")


def _cannot_convert(args: list[Any], why: str) -> str:
    shown = json.dumps(args)[:300]
    return f"Failed to parse request: Cannot convert value '{shown}', error: {why}"


def job_id(value: Any) -> int:
    """:raises RequestError: it is no number of a job, or has more digits than any"""
    if isinstance(value, str) and value.isascii() and value.isdecimal() \
            and len(value) <= MOST_DIGITS:
        return int(value)
    if isinstance(value, str):
        raise RequestError(_cannot_convert(
            [value], f"parsing job id: cannot parse string '{value[:100]}'"))
    if natural(value, "JobId") >= 10 ** MOST_DIGITS:
        raise RequestError(unreadable([value], "JobId"))
    return int(value)


def natural(value: Any, wanted: str) -> int:
    """:raises RequestError: it is no whole number, or below 0"""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise RequestError(unreadable([value], wanted))


def number(value: Any) -> float:
    """:raises RequestError: it is no number, or larger than JSON can tell"""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if math.isfinite(found):
            return found
    raise RequestError(unreadable([value], "Double"))


def names(value: Any) -> list[str]:
    """:raises RequestError: it is no list of texts"""
    if not isinstance(value, list):
        raise RequestError(unreadable([value], "list"))
    if not all(isinstance(one, str) for one in value):
        raise RequestError(unreadable([value], "string"))
    return value


def repetitions(value: Any) -> tuple[tuple[str, str | None, str], ...]:
    """:raises RequestError: it is no list of ``[key, inner key or null, other key]``"""
    match value:
        case [*entries] if all(_is_repetition(entry) for entry in entries):
            return tuple((key, inner, other) for key, inner, other in entries)
    raise RequestError(unreadable([value], "list of repetitions"))


def _is_repetition(value: Any) -> bool:
    match value:
        case [str(), str() | None, str()]:
            return True
    return False
