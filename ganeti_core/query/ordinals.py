"""Counting words of field descriptions: ``1st``, ``2nd``, ``11th``."""

from __future__ import annotations


def ordinal(number: int) -> str:
    """Write a positive number as an English ordinal."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
