"""A request as handlers see it: names in the path, arguments of the query, a JSON body."""

from __future__ import annotations

import json
import math
from dataclasses import field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.rapi.consoles import ConsoleRelays
    from ganeti_core.rapi.keys import Keys
    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.permissions import Actor

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """One request, its body read.

    :param names: what stands in the path for the resource's placeholders, in their order
    :param query: the text after the question mark
    :param content_type: of the body, as sent; None where the header is missing
    """

    names: Sequence[str] = ()
    query: str = ""
    raw_body: bytes = b""
    content_type: str | None = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The first name of the path: that of the object."""
        return self.names[0]

    @cached_property
    def arguments(self) -> dict[str, list[str]]:
        """The query's arguments; those without a value count as not given."""
        return parse_qs(self.query, errors="replace")

    def text(self, name: str, default: str | None = None) -> str | None:
        """The first value of an argument."""
        values = self.arguments.get(name)
        return values[0] if values else default

    def number(self, name: str, default: int = 0) -> int:
        """:raises HttpFailure: the argument is no whole number"""
        value = self.text(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise bad_request(f"Invalid value for the '{name}' parameter") from None

    def flag(self, name: str) -> bool:
        """Whether an argument is given and not 0.

        :raises HttpFailure: it is no whole number
        """
        return bool(self.number(name))

    @cached_property
    def body(self) -> Any:
        """What the body says; None where there is none.

        :raises HttpFailure: it is of another type than JSON, or cannot be parsed
        """
        if not self.raw_body:
            return None
        if self.content_type is None or self.content_type.lower() != JSON_TYPE:
            raise HttpFailure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            found = _decode(self.raw_body.decode())
            if _SURROGATE in self.raw_body.lower():
                # Half a character, which JSON can write and no text can have.
                json.dumps(found, ensure_ascii=False).encode()
            return found
        except (ValueError, RecursionError):
            raise bad_request("Unable to parse JSON data") from None

    def object_body(self) -> dict[str, Any]:
        """The body, which must be an object.

        :raises HttpFailure: it is something else
        """
        found: dict[str, Any] = check_type(self.body, dict, "Body contents")
        return found

    def body_parameter(self, name: str) -> Any:
        """A value that the body, an object, must have.

        :raises HttpFailure: it has not
        """
        body = self.object_body()
        if name not in body:
            raise bad_request(f"Required parameter '{name}' is missing")
        return body[name]


def check_type(value: Any, wanted: type, what: str) -> Any:
    """Return `value`, which must be of a type; a boolean is no number.

    :raises HttpFailure: it is not
    """
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise bad_request(f"{what}: Type is '{type(value).__name__}', but '{wanted.__name__}' is"
                          " expected")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_SURROGATE = b"\\ud"
_decode = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite).decode


@dataclass(frozen=True)
class Call:
    """What a handler is given: the request, and the way to the master.

    :param operation: the resource's name in reason trails, such as ``instances_name_startup``
    :param user: who has logged in
    :param keys: of submissions that were made
    :param actor: who has logged in, with all that is known of them
    """

    request: Request
    master: Asks
    operation: str
    user: str | None
    keys: Keys
    consoles: ConsoleRelays
    actor: Actor | None = None
