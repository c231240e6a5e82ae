"""Framing and envelopes of LUXI, the text protocol of the master's unix socket.

A message is one JSON document closed by the byte 0x03; several may be in flight on one
connection and are answered in order.  A request is ``{"method": NAME, "args": [...]}``, an answer
``{"success": BOOLEAN, "result": ...}``.  A failure's result is ``[class name, [arguments]]``, or a
plain string when the request could not be understood at all.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, RequestError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

END = b"\x03"
SUCCESS = b'{"success":true,"result":'
"""How the message of a result begins."""
PIECE = 256 * 1024
"""Bytes of a long answer that are sent before it is looked whether there is room for more."""
_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of the longest accepted message; a listing of 10,000 instances takes about 10 MiB."""


@dataclass(frozen=True)
class Encoded:
    """A result that is JSON already, in parts; they are forwarded as they are."""

    parts: Sequence[bytes]


@dataclass(frozen=True)
class Request:
    """One call of a client: `method` is a LUXI name, `args` its positional arguments."""

    method: str
    args: list[Any]


class MessageBuffer:
    """Cuts a stream of bytes into messages.

    :raises RequestError: (in `feed`) a message grew over `limit` bytes; the stream is unusable
    """

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received; answer the messages that it completes, without their end."""
        *complete, rest = data.split(END)
        messages = []
        for part in complete:
            self._check(len(part))
            messages.append(b"".join([*self._parts, part]))
            self._parts, self._size = [], 0
        self._check(len(rest))
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        return messages

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._parts)

    def _check(self, more: int) -> None:
        if self._size + more > self._limit:
            raise RequestError(f"Message is longer than {self._limit} bytes")


def encode(document: Any) -> bytes:
    """Make one message of `document`, with its end."""
    # JSON as written here never holds a raw 0x03: control characters are escaped in strings.
    return json.dumps(document, separators=(",", ":")).encode() + END


def encode_request(method: str, args: list[Any]) -> bytes:
    return encode({"method": method, "args": args})


def encode_result(result: Any) -> bytes:
    return encode({"success": True, "result": result})


def pieces(result: Encoded) -> Iterator[bytes]:
    """The message of a result that is encoded, in pieces of about `PIECE` bytes.

    A long one is never in memory as a whole, and what it is made of is shared with other answers.
    """
    together: list[bytes] = [SUCCESS]
    size = len(SUCCESS)
    for part in _cut(result.parts):
        together.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(together)
            together, size = [], 0
    yield b"".join([*together, b"}", END])


def _cut(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts, those that are long in several."""
    for part in parts:
        if len(part) <= PIECE:
            yield part
        else:
            for first in range(0, len(part), PIECE):
                yield part[first:first + PIECE]


def encode_error(error: GanetiError) -> bytes:
    return encode({"success": False, "result": error.to_wire()})


def parse_request(message: bytes) -> Request:
    """Read a request; `args` that are not a list count as none, as Ganeti has it.

    :raises RequestError: no JSON, no object, or a key is missing
    """
    document = _parse(message, _decode_request)
    _check_text(document, message)
    if not isinstance(document, dict):
        raise RequestError(
            "Failed to parse request: parsing top-level JSON message: Unable to read JSObject")
    for key in ("method", "args"):
        if key not in document:
            found = json.dumps(sorted(document), separators=(",", ":"))
            raise RequestError(
                f"Failed to parse request: key '{key}' not found, object contains only {found}")
    method, args = document["method"], document["args"]
    if not isinstance(method, str):
        raise RequestError("Failed to parse request: Unable to parse LUXI request method: "
                           f"not a string: {json.dumps(method)}")
    return Request(method, args if isinstance(args, list) else [])


def parse_answer(message: bytes) -> Any:
    """Read an answer and give its result.

    :raises RequestError: the server did not understand the request, or its answer is malformed
    :raises GanetiError: the typed error that the server answered
    """
    document = _parse(message)
    if not isinstance(document, dict) or not {"success", "result"} <= document.keys():
        raise RequestError(f"Invalid response from the master: {message[:200]!r}")
    if document["success"]:
        return document["result"]
    result = document["result"]
    raise RequestError(result) if isinstance(result, str) else GanetiError.from_wire(result)


def parse_document(text: bytes) -> Any:
    """Decode JSON that is a part of an answer.

    :raises RequestError: the text is not JSON
    """
    return _parse(text)


def _no_number(word: str) -> Any:
    """JSON has no NaN and no infinity; what has them could not be answered to other clients."""
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    """Numbers such as 1e999 are JSON, and would be answered as ``Infinity``, which is none."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


_decode = json.JSONDecoder(parse_constant=_no_number).decode
"""Made once: that takes longer than most messages."""
_decode_request = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite).decode
"""Answers, which may be long, come from a master that has refused such numbers."""


def _check_text(document: Any, message: bytes) -> None:
    """Half a surrogate pair is JSON and no text: it could be kept, but neither printed nor filed.

    :raises RequestError: there is one
    """
    if not _MAYBE_SURROGATE.search(message):
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise RequestError("Failed to parse request: parsing top-level JSON message: "
                           "a text is not valid Unicode") from exc


def _parse(message: bytes, decode: Callable[[str], Any] = _decode) -> Any:
    try:
        return decode(message.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as exc:
        raise RequestError("Failed to parse request: parsing top-level JSON message: "
                           f"Malformed JSON: {exc}") from exc
