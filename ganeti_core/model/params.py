"""Inheritance of parameters: cluster, group and object levels, merged in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fill(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Merge parameter levels; a later level overrides an earlier one."""
    merged: dict[str, Any] = {}
    for level in levels:
        merged.update(level)
    return merged
