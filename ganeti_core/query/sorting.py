"""The order of names in listings: numbers in them count as numbers, ``node2`` before ``node10``."""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = re.compile(r"(\d+)")


@lru_cache(maxsize=65_536)
def nice_key(name: str) -> tuple[str | int, ...]:
    """Key to sort `name` by."""
    # Text and numbers alternate, text first, so keys of any two names can be compared.
    return tuple(int(part) if at % 2 else part for at, part in enumerate(_DIGITS.split(name)))
