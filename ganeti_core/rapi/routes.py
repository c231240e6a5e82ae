"""From a path to its resource: a tree of path segments, one look-up per segment."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from ganeti_core.rapi.consoles import Reached
    from ganeti_core.rapi.permissions import Rule
    from ganeti_core.rapi.request import Call

METHODS = ("GET", "PUT", "POST", "DELETE")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NUMBER = re.compile(r"[0-9]{1,18}")
"""No id is longer: the database counts so far."""
_PATTERNS = {"job": _NUMBER, "disk": _NUMBER}


@dataclass(frozen=True)
class Method:
    """What a resource does at one HTTP method.

    :param run: returns the body, JSON, or the parts of a stream
    :param heavy: the body may be long
    :param versioned: the body is an object with a serial number, which is part of its tag
    :param conditional: it heeds If-Match
    :param by_ticket: a ticket says who asks, and the connection becomes a WebSocket
    """

    rule: Rule
    run: Callable[[Call], Awaitable[bytes | AsyncIterator[bytes] | Reached]]
    heavy: bool = False
    versioned: bool = False
    conditional: bool = False
    by_ticket: bool = False


@dataclass(frozen=True)
class Resource:
    """A pattern of paths, ``/2/instances/{instance}/tags``, and its methods.

    :param operation: its name in reason trails
    """

    path: str
    operation: str
    methods: Mapping[str, Method]


@dataclass
class _Segment:
    resource: Resource | None = None
    literal: dict[str, _Segment] = field(default_factory=dict)
    placeholder: tuple[re.Pattern[str], _Segment] | None = None


class Routes:
    """Finds the resource of a path."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        """:raises ValueError: two resources have the same path"""
        self._root = _Segment()
        for resource in resources:
            place = self._root
            for word in resource.path.split("/")[1:]:
                place = _below(place, word)
            if place.resource is not None:
                raise ValueError(f"{resource.path} is there twice")
            place.resource = resource

    def find(self, path: str) -> tuple[Resource, list[str]] | None:
        """The resource of a path, not unescaped, and the names that stand in it."""
        place, names = self._root, []
        if not path.startswith("/"):
            return None
        for word in path[1:].split("/"):
            found = place.literal.get(word)
            if found is None and place.placeholder and place.placeholder[0].fullmatch(word):
                found = place.placeholder[1]
                names.append(word)
            if found is None:
                return None
            place = found
        return (place.resource, names) if place.resource is not None else None


def _below(place: _Segment, word: str) -> _Segment:
    if not word.startswith("{"):
        return place.literal.setdefault(word, _Segment())
    if place.placeholder is None:
        place.placeholder = _PATTERNS.get(word[1:-1], _NAME), _Segment()
    return place.placeholder[1]
