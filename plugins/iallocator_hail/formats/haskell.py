"""Numbers and lists as Ganeti's programs read and print them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from ..errors import LoadError

_NUMBER = re.compile(
    r"(-?)\s*(NaN(?!\w)|Infinity(?!\w)|0[xX][0-9a-fA-F]+|0[oO][0-7]+"
    r"|[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
)
_OPEN = re.compile(r"\s*\(")
_CLOSE = re.compile(r"\s*\)")
_SPACE = re.compile(r"\s*")


def _scan(name: str, text: str) -> tuple[str, str]:
    """A number, which may stand in brackets, and what follows it."""
    position, depth = 0, 0
    while bracket := _OPEN.match(text, position):
        position, depth = bracket.end(), depth + 1
    blank = _SPACE.match(text, position)
    match = _NUMBER.match(text, blank.end() if blank else position)
    if match is None:
        raise LoadError(f"{name}: cannot parse string '{text}'")
    position = match.end()
    for _ in range(depth):
        bracket = _CLOSE.match(text, position)
        if bracket is None:
            raise LoadError(f"{name}: cannot parse string '{text}'")
        position = bracket.end()
    return match.group(1) + match.group(2), text[position:]


def _whole(token: str) -> int | None:
    sign, digits = (-1, token[1:]) if token.startswith("-") else (1, token)
    if digits.isdigit():
        return sign * int(digits)
    return sign * int(digits, 0) if digits[:1] == "0" and digits[1:2] in "xXoO" else None


def read_int(name: str, text: str) -> int:
    """Read a whole number.

    :raises LoadError: not such a value, or something follows it.
    """
    token, rest = _scan(name, text)
    value = _whole(token)
    if value is None:
        raise LoadError(f"{name}: cannot parse string '{text}'")
    _no_rest(name, text, rest)
    return (value + 2**63) % 2**64 - 2**63


def read_float(name: str, text: str) -> float:
    """Read a number; the forms `.5` and `5.` are none.

    :raises LoadError: not such a value, or something follows it.
    """
    token, rest = _scan(name, text)
    _no_rest(name, text, rest)
    value = _whole(token)
    try:
        return float(token) if value is None else float(value)
    except OverflowError:
        return math.inf


def _no_rest(name: str, text: str, rest: str) -> None:
    if rest:
        raise LoadError(f"{name}: leftover characters when parsing '{text}': '{rest}'")


def show_float(value: float) -> str:
    """The shortest text that reads back: decimal from 0.1 to 10^7, else with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    sign, digits, shift = Decimal(repr(value)).normalize().as_tuple()
    exponent = int(shift)
    text = "".join(map(str, digits))
    point = len(text) + exponent
    prefix = "-" if sign else ""
    if 0.1 <= abs(value) < 1e7:
        if point <= 0:
            return f"{prefix}0.{'0' * -point}{text}"
        return f"{prefix}{text[:point].ljust(point, '0')}.{text[point:] or '0'}"
    return f"{prefix}{text[0]}.{text[1:] or '0'}e{point - 1}"


def show_string(text: str) -> str:
    """A quoted string with escapes."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char == "\t":
            out.append("\\t")
        elif " " <= char < "\x7f":
            out.append(char)
        else:
            out.append(f"\\{ord(char)}")
    return '"' + "".join(out) + '"'


def show_list(items: Iterable[str]) -> str:
    """A list of quoted strings."""
    return "[" + ",".join(map(show_string, items)) + "]"


def fixed(value: float, digits: int) -> str:
    """A number with so many decimals; halves of the shortest decimal form go to the even side."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    place = Decimal(1).scaleb(-digits)
    with localcontext() as context:
        context.prec = 400
        return f"{Decimal(repr(value)).quantize(place, ROUND_HALF_EVEN):f}"
