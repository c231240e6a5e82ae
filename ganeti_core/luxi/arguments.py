"""Arguments of LUXI methods, read strictly: what does not fit is refused as the peer does it."""

from __future__ import annotations

import json
import math
from typing import Any

from ganeti_core.errors import RequestError

MOST_DIGITS = 18
"""Of an id as text; no cluster ever has so many jobs."""


def unreadable(args: list[Any], wanted: str) -> str:
    """The message about arguments that cannot be read as `wanted`."""
    shown = json.dumps(args)[:300]
    return (f"Failed to parse request: Cannot convert value '{shown}', "
            f"error: Unable to read {wanted}")


def job_id(value: Any) -> int:
    """:raises RequestError: it is no number of a job"""
    if isinstance(value, str) and value.isascii() and value.isdecimal() \
            and len(value) <= MOST_DIGITS:
        return int(value)
    return natural(value, "JobId")


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
