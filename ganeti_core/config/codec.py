"""Configuration objects as JSON documents of the database, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cattrs

from ganeti_core.config.earlier import upgraded
from ganeti_core.errors import ConfigurationError
from ganeti_core.model import KINDS, Cluster, Instance

if TYPE_CHECKING:
    from ganeti_core.model import ConfigObject

_ALWAYS: dict[type, tuple[str, ...]] = {Cluster: ("settings",), Instance: ("disk_template",)}
"""Fields that are never left out: without them a document is one of an earlier version."""
_converter = cattrs.Converter(omit_if_default=True, detailed_validation=False)


def encode_object(value: ConfigObject) -> str:
    """Encode an object; fields that have their default are left out."""
    document = _converter.unstructure(value)
    for name in _ALWAYS.get(type(value), ()):
        document[name] = getattr(value, name)
    return json.dumps(document, separators=(",", ":"))


def decode_object(kind: str, text: str) -> ConfigObject:
    """:raises ConfigurationError: the document does not fit the kind"""
    cls = KINDS.get(kind)  # type: ignore[call-overload]  # an unknown kind is answered below
    if cls is None:
        raise ConfigurationError(f"unknown kind of object {kind!r} in the database")
    try:
        document = upgraded(kind, json.loads(text))
        return _converter.structure(document, cls)  # type: ignore[no-any-return]
    except (
            cattrs.BaseValidationError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"damaged {kind} in the database: {exc}") from exc


def to_plain(value: ConfigObject) -> dict[str, Any]:
    """The object as plain dicts and lists."""
    return dict(_converter.unstructure(value))
