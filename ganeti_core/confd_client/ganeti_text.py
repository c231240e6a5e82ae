"""JSON as Ganeti's confd writes it: no blanks, and its own form of numbers that are not whole."""

from __future__ import annotations

import json
import math
from typing import Any

LEAST, MOST = 0.1, 1e7
"""Numbers from the one to the other are written without an exponent."""


def dump(value: Any) -> str:
    """Write a value of JSON.

    :raises ValueError: it holds a number that JSON has no form for
    """
    match value:
        case None:
            return "null"
        case True:
            return "true"
        case False:
            return "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return str(value)
        case float():
            return number(value)
        case dict():
            return "{" + ",".join(f"{dump(str(key))}:{dump(one)}"
                                  for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dump, value)) + "]"
    raise ValueError(f"JSON has no form for {value!r}")


def number(value: float) -> str:
    """``2.5``, ``1.5e9`` instead of ``1500000000.5``, and no fraction where it is zero."""
    if not math.isfinite(value):
        raise ValueError(f"JSON has no form for {value!r}")
    if value.is_integer():
        return str(int(value))
    if LEAST <= abs(value) < MOST:
        return repr(value)
    # The shortest digits that give the number back are the same in both languages.
    digits, _, exponent = f"{value!r}".partition("e")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, rest = digits.partition(".")
    shift = int(exponent or 0) + len(whole) - 1
    all_digits = whole + rest
    leading = len(all_digits) - len(all_digits.lstrip("0"))
    significant = all_digits.strip("0") or "0"
    return f"{sign}{significant[0]}.{significant[1:] or '0'}e{shift - leading}"
