"""Ask the cluster's confds: several at once, until enough have answered, for the newest answer.

`Question` is the protocol, without sockets and clocks: it says which datagrams go to whom, takes
what has come, and says when it knows enough. `ConfdClient` puts it on sockets.
"""

from __future__ import annotations

import random
import select
import socket
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.confd_client.messages import (
    LARGEST_ANSWER,
    OK,
    PORT,
    Ignored,
    Query,
    Reply,
    Request,
    read_reply,
    write_request,
)
from ganeti_core.errors import ConfigurationError, GanetiError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.paths import Paths

MOST_ASKED = 6
"""Candidates that are asked one question."""
SECONDS = 10.0
FIRST_RETRY = 0.5
MOST_KNOWN = 1024


class NoAnswer(GanetiError):
    """No confd has answered in time."""


def needed(asked: int) -> int:
    """How many answers make sure that the newest is among them, for practical purposes."""
    if asked < 3:
        return asked
    return asked - 1 if asked < 5 else asked // 2 + 1


@dataclass
class Question:
    """One question to some servers; datagrams that were lost are sent again.

    :param servers: addresses, each asked at once
    """

    key: bytes
    request: Request
    servers: tuple[str, ...]
    _replies: dict[str, Reply] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _again: float = 0.0
    _pause: float = FIRST_RETRY

    @classmethod
    def about(cls, key: bytes, kind: int, query: Query, servers: Sequence[str]) -> Self:
        return cls(key, Request(kind, query, uuid.uuid4().hex), tuple(servers))

    def due(self, now: float, wall: float) -> list[tuple[str, bytes]]:
        """The datagrams to send now, each with its server; `wall` is the time of day."""
        if now < self._again:
            return []
        self._again, self._pause = now + self._pause, self._pause * 2
        self._refused.clear()
        datagram = write_request(self.key, self.request, wall)
        return [(server, datagram) for server in self.servers if server not in self._replies]

    @property
    def again(self) -> float:
        """When `due` has something to say again."""
        return self._again

    def heard(self, server: str, datagram: bytes) -> None:
        """Take what came from a server; what is no answer to this question is passed over."""
        if server not in self.servers:
            return
        with suppress(Ignored):
            reply = read_reply(self.key, datagram)
            if reply.rsalt == self.request.rsalt:
                self._replies.setdefault(server, reply)

    def refused(self, server: str) -> None:
        """Note that nobody listens there; a confd that is just starting is asked again."""
        self._refused.add(server)

    @property
    def is_settled(self) -> bool:
        """Whether enough servers have answered, or none is left that could."""
        return len(self._replies) >= needed(len(self.servers)) or (
            {*self._replies, *self._refused} == {*self.servers})

    def best(self) -> Reply:
        """The newest answer; an error only where most servers have one.

        :raises NoAnswer: nobody has answered
        """
        if not self._replies:
            raise NoAnswer(f"no confd has answered: {', '.join(self.servers)} were asked (does "
                           "ganeti-confd run there, and do the clocks agree?)")
        good = [reply for reply in self._replies.values() if reply.status == OK]
        bad = [reply for reply in self._replies.values() if reply.status != OK]
        return max(good if len(good) >= len(bad) else bad, key=lambda reply: reply.serial)


@dataclass
class ConfdClient:
    """Asks a cluster's confds; may be used from one thread at a time.

    :param servers: addresses of master candidates, or nodes beside
    """

    key: bytes
    servers: tuple[str, ...]
    port: int = PORT
    seconds: float = SECONDS
    choose: Callable[[Sequence[str], int], list[str]] = random.sample
    _newest: dict[tuple[int, Query], Reply] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Paths) -> Self:
        """A client for the cluster of this node.

        :raises ConfigurationError: this host is no node of a cluster, or has not the key of confd
        """
        try:
            key = (paths.data / "hmac.key").read_bytes()
            servers = (paths.ssconf / "ssconf_master_candidates_ips").read_text().split()
        except OSError as exc:
            raise ConfigurationError(f"confd cannot be asked from here: {exc}") from exc
        return cls(key, tuple(servers))

    def ask(self, kind: int, query: Query = None) -> Reply:
        """Ask; an answer that is older than one that was heard before is passed over.

        :raises NoAnswer: nobody has answered in time
        """
        count = min(len(self.servers), MOST_ASKED)
        question = Question.about(self.key, kind, query, self.choose(self.servers, count))
        self._run(question)
        reply = question.best()
        known = self._newest.get((kind, query))
        if known is not None and reply.status == OK and known.serial > reply.serial:
            return known
        if len(self._newest) < MOST_KNOWN or known is not None:
            self._newest[kind, query] = reply
        return reply

    def value(self, kind: int, query: Query = None) -> Any:
        """Ask, and return what was answered.

        :raises GanetiError: the answer is an error, or there is none
        """
        reply = self.ask(kind, query)
        if reply.status != OK:
            raise GanetiError(f"confd: {_error(reply.answer)}")
        return reply.answer

    def _run(self, question: Question) -> None:
        until = time.monotonic() + self.seconds
        with ExitStack() as stack:
            links = {server: stack.enter_context(_link(server, self.port))
                     for server in question.servers}
            while not question.is_settled and (now := time.monotonic()) < until:
                for server, datagram in question.due(now, time.time()):
                    with suppress(OSError):  # asked again later
                        links[server].send(datagram)
                wait = max(0.0, min(until, question.again) - time.monotonic())
                ready = select.select(list(links.values()), [], [], wait)[0]
                for server, link in links.items():
                    if link in ready:
                        _hear(question, server, link)


_CODES = {0: "there is no such entry", 1: "an internal error", 2: "the question is wrong"}


def _error(answer: Any) -> str:
    return _CODES.get(answer, str(answer)) if isinstance(answer, int) else str(answer)


def _link(server: str, port: int) -> socket.socket:
    """A socket to one server: whatever others send to it is dropped by the kernel."""
    link = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):  # no way there: it does not answer
        link.connect((server, port))
    return link


def _hear(question: Question, server: str, link: socket.socket) -> None:
    try:
        question.heard(server, link.recv(LARGEST_ANSWER))
    except ConnectionRefusedError:
        question.refused(server)
    except OSError:
        pass  # it may answer later
