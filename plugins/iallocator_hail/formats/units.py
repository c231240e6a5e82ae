"""Sizes with units, as command lines and simulation specifications give them."""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import LoadError

_FACTORS = {
    "": Fraction(1),
    "m": Fraction(1),
    "mib": Fraction(1),
    "g": Fraction(1024),
    "gib": Fraction(1024),
    "t": Fraction(1024**2),
    "tib": Fraction(1024**2),
    "M": Fraction(1000**2, 1024**2),
    "mb": Fraction(1000**2, 1024**2),
    "G": Fraction(1000**3, 1024**2),
    "gb": Fraction(1000**3, 1024**2),
    "T": Fraction(1000**4, 1024**2),
    "tb": Fraction(1000**4, 1024**2),
}

_SIZE = re.compile(r"\s*(-?\d+)(.*)", re.DOTALL)


def parse_unit(what: str, text: str) -> int:
    """A size in MiB, cut to a whole number; one letter units are case sensitive.

    :raises LoadError: it is no number, or the unit is unknown.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise LoadError(f"{what}: Can't parse string '{text}'")
    unit = match.group(2).strip()
    key = unit if len(unit) == 1 else unit.lower()
    if key not in _FACTORS:
        raise LoadError(f"{what}: Unknown unit '{unit}'")
    return int(int(match.group(1)) * _FACTORS[key])
