"""confd's datagrams: pure functions from bytes to requests and from answers to bytes.

A datagram is ``plj0`` and a JSON object of three texts: ``msg``, the inner JSON text; ``salt``; and
``hmac``, the HMAC-SHA1 of salt and message under the cluster's key. The salt of a request is the
time; the salt of its answer is the request's ``rsalt``, so that nobody can send an old answer
again. Whoever has not the key, or sends an old datagram, hears nothing at all.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import field
from typing import Any

from ganeti_core.confd_client.ganeti_text import dump
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass

MAGIC = b"plj0"
VERSION = 1
PORT = 1814
CLOCK_SKEW = 300
"""Seconds by which the time of a request may differ from ours."""
LARGEST = 61_440
"""Bytes of a request; what is larger is no datagram of confd."""
LARGEST_ANSWER = 65_507
"""Bytes that a datagram holds."""

PING, NODE_ROLE, NODE_OF_ADDRESS, MASTER, NODES, CANDIDATES = range(6)
ADDRESSES, NODE_MINORS, NODE_INSTANCES, INSTANCE_DISKS, CONFIG, COLLECTORS = range(6, 12)
TYPES = range(12)

OK, ERROR, NOT_IMPLEMENTED = range(3)
"""Status of an answer."""
UNKNOWN_ENTRY, INTERNAL_ERROR, ARGUMENT_ERROR = range(3)
"""What an answer with the status `ERROR` may hold instead of a text."""

_LINK, _ADDRESS, _ADDRESSES, _FIELDS = "0", "1", "2", "3"
_TIME = re.compile(r"\s*(-?[0-9]{1,18})\s*")


class Ignored(GanetiError):
    """A datagram gets no answer: the message says why, for the log alone."""


@dataclass(frozen=True)
class Choice:
    """A question with several parts.

    :param link: what the cards with these addresses are attached to; None: what cards of the
        cluster are attached to by default
    :param fields: what to say of the master: 0 its name, 1 the cluster's address, 2 its address
    """

    link: str | None = None
    address: str | None = None
    addresses: tuple[str, ...] = ()
    fields: tuple[int, ...] = ()


Query = None | str | Choice


@dataclass(frozen=True)
class Request:
    """A request that is signed, recent and well-formed."""

    type: int
    query: Query
    rsalt: str


@dataclass(frozen=True)
class Answer:
    """What is said: `text` is JSON, `serial` that of the object which the answer is from."""

    status: int
    text: str
    serial: int = 0
    quoted: str = field(init=False, compare=False)
    """The inner message as a text of JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quoted", dump(self.message))

    @property
    def message(self) -> str:
        return (f'{{"protocol":{VERSION},"status":{self.status},"answer":{self.text},'
                f'"serial":{self.serial}}}')

    @classmethod
    def of(cls, status: int, value: Any, serial: int = 0) -> Answer:
        return cls(status, dump(value), serial)


@dataclass(frozen=True)
class Reply:
    """An answer as a client has read it; `rsalt` names the request."""

    rsalt: str
    status: int
    answer: Any
    serial: int


def sign(key: bytes, salt: str, message: str) -> str:
    return hmac.digest(key, (salt + message).encode(errors="replace"), "sha1").hex()


def read_request(key: bytes, datagram: bytes, now: float) -> Request:
    """Read what a client sent.

    :raises Ignored: it is no request, not signed with this key, or not of this time
    """
    salt, message = _signed(key, datagram)
    when = _TIME.fullmatch(salt)
    if when is None or abs(int(when[1]) - int(now)) > CLOCK_SKEW:
        raise Ignored(f"its time {salt:.40} is not within {CLOCK_SKEW} s of ours")
    match _parse(message):
        case {"protocol": int(), "type": int(kind), "rsalt": str(rsalt), **rest} if (
                kind in TYPES and rest.keys() <= {"query"}):
            return Request(kind, _query(rest.get("query")), rsalt)
    raise Ignored(f"no request: {message:.100}")


def _query(value: Any) -> Query:
    match value:
        case None | str():
            return value
        case dict() if value.keys() <= {_LINK, _ADDRESS, _ADDRESSES, _FIELDS}:
            return Choice(
                _text(value.get(_LINK)), _text(value.get(_ADDRESS)),
                tuple(map(_word, _list(value.get(_ADDRESSES, [])))),
                tuple(map(_field, _list(value.get(_FIELDS, [])))))
    raise Ignored(f"no query: {value!r:.100}")


def _text(value: Any) -> str | None:
    return None if value is None else _word(value)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise Ignored(f"no text: {value!r:.100}")
    return value


def _field(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in range(3):
        raise Ignored(f"no field of the master: {value!r:.100}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Ignored(f"no list: {value!r:.100}")
    return value


def write_answer(key: bytes, rsalt: str, answer: Answer) -> bytes:
    """Sign an answer; one that no datagram can hold becomes an error that says so."""
    datagram = _write(key, rsalt, answer)
    if len(datagram) > LARGEST_ANSWER:
        return _write(key, rsalt, Answer.of(
            ERROR, f"The answer has {len(datagram)} bytes, and a datagram holds {LARGEST_ANSWER}: "
                   "ask for less, or ask the master"))
    return datagram


def _write(key: bytes, rsalt: str, answer: Answer) -> bytes:
    signature = sign(key, rsalt, answer.message)
    return MAGIC + (f'{{"hmac":"{signature}","msg":{answer.quoted},"salt":{dump(rsalt)}}}'
                    ).encode(errors="replace")


def write_request(key: bytes, request: Request, now: float) -> bytes:
    """Sign a request; its salt is the time."""
    message = json.dumps({"protocol": VERSION, "type": request.type,
                          "query": _written(request.query), "rsalt": request.rsalt})
    salt = str(int(now))
    return MAGIC + json.dumps(
        {"msg": message, "salt": salt, "hmac": sign(key, salt, message)}).encode()


def _written(query: Query) -> Any:
    if not isinstance(query, Choice):
        return query
    parts = {_LINK: query.link, _ADDRESS: query.address, _ADDRESSES: list(query.addresses),
             _FIELDS: list(query.fields)}
    return {name: value for name, value in parts.items() if value not in (None, [])}


def read_reply(key: bytes, datagram: bytes) -> Reply:
    """Read what a confd sent.

    :raises Ignored: it is no answer, or not signed with this key
    """
    salt, message = _signed(key, datagram)
    match _parse(message):
        case {"status": int(status), "answer": answer, "serial": int(serial)}:
            return Reply(salt, status, answer, serial)
    raise Ignored(f"no answer: {message:.100}")


def _signed(key: bytes, datagram: bytes) -> tuple[str, str]:
    """Return salt and message of a datagram whose signature is right."""
    if not datagram.startswith(MAGIC) or len(datagram) > max(LARGEST, LARGEST_ANSWER):
        raise Ignored("it does not begin as datagrams of confd do")
    match _parse(datagram[len(MAGIC):]):
        case {"msg": str(message), "salt": str(salt), "hmac": str(signature), **rest} if not rest:
            if not hmac.compare_digest(sign(key, salt, message).encode(),
                                       signature.lower().encode(errors="replace")):
                raise Ignored("it is signed with another key")
            return salt, message
    raise Ignored("it is no signed message")


def _parse(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Ignored(f"no JSON: {exc}") from exc
