"""Checks of parameters that a client gave: sizes, back-end parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError, ValueRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE_UNITS = {"": 1, "m": 1, "mib": 1, "g": 1024, "gib": 1024, "t": 1024 ** 2, "tib": 1024 ** 2}


def mebibytes(value: Any, what: str) -> int:
    """Read a size given as a number of MiB or as text with a unit (``512m``, ``1.5g``).

    :raises OpPrereqError: it is none (`ECODE_INVAL`)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = str(value).strip().lower()
    number = text.rstrip("bgimt")
    unit = _SIZE_UNITS.get(text[len(number):].replace("b", "") if text != number else "")
    try:
        size = float(number) * (unit or 0)
    except ValueError:
        size = -1
    if unit is None or size < 0 or not math.isfinite(size):
        raise OpPrereqError(f"Invalid size '{value}' for {what}", ECODE_INVAL)
    return int(-(-size // 1))


BEPARAM_TYPES: dict[str, type] = {
    "maxmem": int, "minmem": int, "vcpus": int, "spindle_use": int, "auto_balance": bool,
    "always_failover": bool, "memory": int,
}


def checked_beparams(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check sparse back-end parameters; ``memory`` sets both memory bounds.

    :raises ValueRejected: an unknown name or a value of the wrong type
    :raises OpPrereqError: a size that is none (`ECODE_INVAL`)
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        kind = BEPARAM_TYPES.get(name)
        if kind is None:
            raise ValueRejected(f"Unknown parameter '{name}'")
        if value == "default":
            continue
        if name in ("maxmem", "minmem", "memory"):
            checked[name] = mebibytes(value, name)
        else:
            checked[name] = _typed(name, value, kind)
    if "memory" in checked:
        both = checked.pop("memory")
        checked = {"maxmem": both, "minmem": both, **checked}
    return checked


def _typed(name: str, value: Any, kind: type) -> Any:
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("yes", "true", "no", "false"):
            return str(value).lower() in ("yes", "true")
        raise ValueRejected(f"Invalid boolean '{value}' for {name}")
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise ValueRejected(f"Invalid number '{value}' for {name}")
    return number


def check_memory_bounds(beparams: Mapping[str, Any]) -> None:
    """:raises OpPrereqError: the filled bounds make no sense (`ECODE_INVAL`)"""
    if beparams["minmem"] > beparams["maxmem"]:
        raise OpPrereqError(
            f"Minimum memory ({beparams['minmem']}) is larger than maximum memory "
            f"({beparams['maxmem']})", ECODE_INVAL)
    if beparams["vcpus"] < 1:
        raise OpPrereqError("An instance needs at least one VCPU", ECODE_INVAL)


def updated(old: Mapping[str, Any], asked: Mapping[str, Any], checked: Mapping[str, Any]
            ) -> dict[str, Any]:
    """Sparse parameters after a change: what was asked to be ``default`` is inherited again.

    :param asked: as the client gave them; `checked`: the same in final form, without defaults
    """
    inherited = {name for name, value in asked.items() if value == "default"}
    if "memory" in inherited:
        inherited |= {"maxmem", "minmem"}
    return {name: value for name, value in {**old, **checked}.items() if name not in inherited}
