"""Decode a service's arguments into a dataclass that states them."""

from __future__ import annotations

from typing import Any, TypeVar

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.plugin_api import codec

T = TypeVar("T")


def decode(kind: type[T], args: dict[str, Any]) -> T:
    """:raises OpPrereqError: `args` are not those of this service"""
    try:
        found: T = codec.decode(kind, args)
    except TypeError as exc:
        raise OpPrereqError(str(exc), ECODE_INVAL) from exc
    return found
