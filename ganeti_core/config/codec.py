"""Configuration objects as JSON documents of the database, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cattrs

from ganeti_core.errors import ConfigurationError
from ganeti_core.model import KINDS

if TYPE_CHECKING:
    from ganeti_core.model import ConfigObject

_converter = cattrs.Converter(omit_if_default=True, detailed_validation=False)


def encode_object(value: ConfigObject) -> str:
    """Encode an object; fields that have their default are left out."""
    return json.dumps(_converter.unstructure(value), separators=(",", ":"))


def decode_object(kind: str, text: str) -> ConfigObject:
    """:raises ConfigurationError: the document does not fit the kind"""
    cls = KINDS.get(kind)  # type: ignore[call-overload]  # an unknown kind is answered below
    if cls is None:
        raise ConfigurationError(f"unknown kind of object {kind!r} in the database")
    try:
        return _converter.structure(json.loads(text), cls)  # type: ignore[no-any-return]
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"damaged {kind} in the database: {exc}") from exc


def to_plain(value: ConfigObject) -> dict[str, Any]:
    """The object as plain dicts and lists."""
    return dict(_converter.unstructure(value))
