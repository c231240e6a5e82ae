"""Readers of option values: sizes, key=value lists, and their nestings.

Each raises `ValueError` with a message for people; `options.py` turns it into a usage error.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_UNITS = {"m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024,
          "t": 1024**2, "tb": 1024**2, "tib": 1024**2}
MOST_MEBIBYTES = 1 << 50
"""Of a size; more than any storage has."""
MOST_SECONDS = 10**11
"""Of an age or a pause: some 3000 years, to which calendars reach."""
_PREFIXES = {"no_": False, "-": None}


def parse_size(text: str) -> int:
    """Read ``512m``, ``1.5G``, ``2T`` or a number of MiB; give MiB, rounded up to fours."""
    match = re.fullmatch(r"([.\d]+)\s*([a-zA-Z]+)?", text.strip())
    if match is None:
        raise ValueError("Invalid format")
    number, unit = match.groups()
    if unit and unit.lower() not in _UNITS:
        raise ValueError(f"Unknown unit: {unit}")
    try:
        value = float(number) * _UNITS[(unit or "m").lower()]
    except ValueError as exc:
        raise ValueError("Invalid format") from exc
    if value > MOST_MEBIBYTES:
        raise ValueError(f"too large a size: {text.strip():.30}")
    return math.ceil(value / 4) * 4


def parse_bool(text: str) -> bool:
    """Read a yes/no word."""
    match text.lower():
        case "yes" | "true":
            return True
        case "no" | "false":
            return False
    raise ValueError(f"Invalid boolean value '{text}'")


def split_escaped(text: str, separator: str = ",") -> list[str]:
    r"""Split at `separator`, except where a backslash stands before it; ``\\`` is a backslash."""
    parts = [""]
    characters = iter(text)
    for character in characters:
        if character == separator:
            parts.append("")
            continue
        if character == "\\":
            following = next(characters, "")
            character = following if following in (separator, "\\") else "\\" + following
        parts[-1] += character
    return parts


def parse_key_values(text: str) -> dict[str, Any]:
    """Read ``key=value,flag,no_flag,-reset``: a flag is True, ``no_`` False, ``-`` None.

    Values stay strings; what type they have is the master's knowledge (`typed.py`).
    """
    found: dict[str, Any] = {}
    for element in split_escaped(text) if text else []:
        key, equals, value = element.partition("=")
        parsed: Any = value if equals else True
        if not equals:
            for prefix, meaning in _PREFIXES.items():
                if key.startswith(prefix) and len(key) > len(prefix):
                    key, parsed = key.removeprefix(prefix), meaning
                    break
        if key in found:
            raise ValueError(f"Duplicate key '{key}' in option")
        found[key] = parsed
    return found


def parse_identified(text: str) -> tuple[str, Any]:
    """Read ``ident:key=value,...``; ``no_ident`` gives False and ``-ident`` None as the value."""
    ident, colon, rest = text.partition(":")
    for prefix, meaning in _PREFIXES.items():
        # A negative number is an index, not a reset.
        if ident.startswith(prefix) and not re.fullmatch(r"-\d+", ident):
            if rest:
                raise ValueError(f"Cannot pass options when removing parameter groups: {text}")
            return ident.removeprefix(prefix), meaning
    return ident, parse_key_values(rest) if colon else {}


def parse_natural(text: str) -> int:
    """Read a whole number, 0 or more."""
    return _at_least(0, text)


def parse_positive(text: str) -> int:
    """Read a whole number, 1 or more."""
    return _at_least(1, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError as exc:
        raise ValueError(f"invalid integer value: {text!r}") from exc
    if number < least:
        raise ValueError(f"{number} is too small: {least} or more is possible")
    return number


def parse_list(text: str) -> list[str]:
    return split_escaped(text) if text else []


def parse_number(text: str) -> float:
    """Read a number: infinity and what is not a number are none."""
    try:
        number = float(text)
    except ValueError as exc:
        raise ValueError(f"{text!r} is no number") from exc
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no finite number")
    return number


def parse_ratio(text: str) -> float | str:
    """Read a number, or ``default`` which takes back an own value."""
    return "default" if text == "default" else parse_number(text)


def parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"Invalid JSON: {exc}") from exc


def parse_filter_action(text: str) -> Any:
    """Read a job filter's action: a word, or ``RATE_LIMIT n``."""
    word, _, limit = text.partition(" ")
    if word != "RATE_LIMIT":
        return text
    if not limit.strip().isdecimal() or int(limit) == 0:
        raise ValueError("RATE_LIMIT needs a number of jobs: 'RATE_LIMIT 5'")
    return [word, int(limit)]


def parse_bounds(text: str) -> list[dict[str, dict[str, Any]]]:
    """Read ``min:key=n,.../max:key=n,...//min:...``: a list of {name: {key: value}}."""
    return [dict(parse_identified(part) for part in group.split("/"))
            for group in text.split("//")]


def parse_duration(text: str) -> int:
    """Read an age: seconds, or a number with s, m, h, d or w."""
    factors = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    match = re.fullmatch(r"(\d+)([smhdw])?", text)
    seconds = int(match[1][:20]) * factors[match[2] or "s"] if match else MOST_SECONDS + 1
    if match is None or seconds > MOST_SECONDS:
        raise ValueError(f"Invalid time specification '{text:.100}'")
    return seconds
