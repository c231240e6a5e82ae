"""What crosses the wire between master and node: plain JSON, returns and errors in an envelope.

An answer is ``{"ok": result}`` or ``{"error": [wire name, arguments], "classes": [...], ...}``.
``classes`` names the error's class and its bases, nearest first: many classes share one wire name,
and a plugin's own class is unknown to the master, which then takes the nearest base that it knows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, OutcomeUnknown, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes; bulk data goes through a stream of its own."""

Envelope = dict[str, Any]


def check_plain(value: object) -> None:
    """Refuse what JSON would drop or change unseen: bytes, sets, tuples, odd keys, NaN.

    :raises TypeError: says what was found
    """
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"JSON has no form for the number {value}")
    elif isinstance(value, list):
        for item in value:
            check_plain(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key of a mapping must be a string, not {key!r:.100}")
            check_plain(item)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be sent: {value!r:.100}")


def success(result: object) -> Envelope:
    """Wrap a result.

    :raises TypeError: it is not plain
    """
    check_plain(result)
    return {"ok": result}


def failure(error: GanetiError, *, plugin: str = "", hook: str = "") -> Envelope:
    """Wrap an error; `plugin` (``kind name``) and `hook` tell where it came from."""
    return {
        "error": [error.wire_name, [_plain_argument(argument) for argument in error.args]],
        "classes": [cls.__name__ for cls in type(error).__mro__ if issubclass(cls, GanetiError)],
        "retryable": isinstance(error, RpcError) and not isinstance(error, OutcomeUnknown),
        "plugin": plugin,
        "hook": hook,
    }


def _plain_argument(argument: object) -> object:
    return argument if isinstance(argument, str | int) else str(argument)


def unwrap(envelope: object) -> Any:
    """Return the result in `envelope`, or raise the error in it as the class it had.

    :raises RpcError: it is no envelope
    """
    match envelope:
        case {"ok": result}:
            return result
        case {"error": [str(name), list(arguments)], **rest}:
            raise decode_error(name, arguments, rest.get("classes"))
        case _:
            raise RpcError(f"the node's answer cannot be understood: {envelope!r:.200}")


def decode_error(name: str, arguments: list[Any], classes: object) -> GanetiError:
    """Build the error that `failure` wrapped; an unknown class becomes its nearest known base."""
    known = {cls.__name__: cls for cls in _all_errors(GanetiError)}
    for candidate in classes if isinstance(classes, list) else []:
        found = known.get(candidate)
        if found is not None:
            error = found.__new__(found)
            # Not the class's own __init__: it builds the message, which is here already.
            Exception.__init__(error, *arguments)
            return error
    return GanetiError.from_wire([name, arguments])


def _all_errors(cls: type[GanetiError]) -> Iterator[type[GanetiError]]:
    # Deepest last, so that a plugin's class cannot take a core class's name.
    for sub in cls.__subclasses__():
        yield from _all_errors(sub)
    yield cls


def is_failure(envelope: Mapping[str, Any]) -> bool:
    """Whether `envelope` carries an error."""
    return "error" in envelope
