"""Checks of parameters that a client gave: sizes, back-end parameters."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError, ValueRejected
from ganeti_core.model.names import parameter_names

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})\s*([mgt]?)(i?b)?",
                   re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "m": 1, "g": 1024, "t": 1024 ** 2}
_MOST_MEBIBYTES = 1 << 53
"""Beyond it, a number that travels as JSON is no longer exact."""


def mebibytes(value: Any, what: str) -> int:
    """Read a size given as a number of MiB or as text with a unit (``512m``, ``1.5 GiB``).

    :raises OpPrereqError: it is not a size (`ECODE_INVAL`)
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if found is None or (found[3] and not found[2]):
        raise OpPrereqError(f"Invalid size '{value}' for {what}: expected a number of MiB, or a "
                            "number with one of the units M, G and T", ECODE_INVAL)
    size = math.ceil(Fraction(found[1]) * _UNITS[found[2].lower()])
    if size > _MOST_MEBIBYTES:
        raise OpPrereqError(f"Invalid size '{value}' for {what}: at most {_MOST_MEBIBYTES} MiB "
                            "are possible", ECODE_INVAL)
    return size


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a device that are given; null means that one is not."""
    return {name: value for name, value in params.items() if value is not None}


def os_parameters(asked: Mapping[str, Any] | None) -> dict[str, str]:
    """Return parameters of an OS definition as texts; they become its scripts' environment.

    :raises OpPrereqError: a name or value that cannot be in an environment (`ECODE_INVAL`)
    """
    named = given(asked or {})
    parameter_names("an OS", named)
    for name, value in named.items():
        check_parameter_value(f"OS parameter '{name}'", value)
    return {name: str(value) for name, value in named.items()}


def changed_os_parameters(old: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, str]:
    """Return own parameters of an OS definition after a change; null takes one back, too.

    :raises OpPrereqError: as `os_parameters`
    """
    named = {name: "default" if value is None else value for name, value in asked.items()}
    kept = os_parameters({name: value for name, value in named.items() if value != "default"})
    return updated(old, named, kept)


def check_parameter_value(what: str, value: Any) -> None:
    """:raises OpPrereqError: it is not one text or number without NUL (`ECODE_INVAL`)"""
    if not isinstance(value, str | int | float) or (isinstance(value, str) and "\0" in value):
        # The value itself may be secret.
        raise OpPrereqError(f"Invalid value for the {what}: expected text or a number, without "
                            "NUL characters", ECODE_INVAL)


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
        for bound in ("maxmem", "minmem"):
            if checked.setdefault(bound, both) != both:
                raise OpPrereqError(
                    f"Conflicting parameters: memory={both} sets minmem and maxmem, but {bound} "
                    f"is given as {checked[bound]}", ECODE_INVAL)
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
