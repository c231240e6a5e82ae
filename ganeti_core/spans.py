"""Spans: what was done when, and on whose behalf, for tracing systems. Plain data.

A job is a trace: below it are its opcodes, below them calls to nodes, below those hooks of plugins.
Who does the work opens a span where one is wanted, which `ACTIVE` says in each thread; else nothing
is done, and nothing is sent. The ids of jobs and opcodes follow from the cluster and the job, so a
master that takes a job over goes on with its trace.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, field
from typing import Any, Literal, Self

from ganeti_core.lazy_dataclass import dataclass

SpanKind = Literal["internal", "client", "server"]
_CONTEXT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""As in the W3C's header ``traceparent``."""
ERROR = 500
"""Characters of an error that a span keeps."""


@dataclass(frozen=True)
class Place:
    """Where in which trace: hexadecimal ids of the trace and of a span."""

    trace: str
    span: str

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-01"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what `str` wrote; None: it is something else."""
        found = _CONTEXT.fullmatch(text)
        return cls(*found.groups()) if found else None

    def below(self) -> Place:
        """A new place in the same trace."""
        return Place(self.trace, secrets.token_hex(8))

    @classmethod
    def of_job(cls, cluster: str, job: int) -> Self:
        """:param cluster: its uuid"""
        return cls(_digest(f"{cluster}/{job}", 16), _digest(f"{cluster}/{job}/job", 8))

    @classmethod
    def of_opcode(cls, cluster: str, job: int, index: int) -> Self:
        return cls(_digest(f"{cluster}/{job}", 16), _digest(f"{cluster}/{job}/{index}", 8))


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


@dataclass(frozen=True)
class Span:
    """Something that was done.

    :param parent: id of the span on whose behalf; empty: it is the first of its trace
    :param begin: nanoseconds of the clock that everybody has; `end`, too
    :param error: why it failed; empty: it did not
    """

    name: str
    kind: SpanKind
    trace: str
    span: str
    parent: str
    begin: int
    end: int
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


Export = Callable[[Span], None]
"""Takes a span that has ended; it must neither wait nor raise."""


@dataclass(frozen=True)
class Tracing:
    """What a thread does now, and who is told of it."""

    place: Place
    export: Export


ACTIVE: ContextVar[Tracing | None] = ContextVar("ganeti_tracing", default=None)
"""None: nobody wants to know."""


@contextmanager
def within(place: Place | None, export: Export | None) -> Iterator[None]:
    """Let this thread's spans be below `place`; does nothing where either is None."""
    if place is None or export is None:
        yield
        return
    token = ACTIVE.set(Tracing(place, export))
    try:
        yield
    finally:
        ACTIVE.reset(token)


def on_behalf(tracing: Tracing | None) -> AbstractContextManager[None]:
    """Let this thread's spans be where another thread's were: `tracing` was its ``ACTIVE``."""
    return within(tracing.place, tracing.export) if tracing else within(None, None)


@contextmanager
def unheeded() -> Iterator[None]:
    """Open no spans in this thread meanwhile."""
    token = ACTIVE.set(None)
    try:
        yield
    finally:
        ACTIVE.reset(token)


@dataclass
class Open:
    """A span under way, of which the ends are told; may end in another thread."""

    name: str
    kind: SpanKind
    parent: Tracing
    attributes: dict[str, str | int | float]
    error: str = ""
    """Why it failed."""

    def __post_init__(self) -> None:
        self.place = self.parent.place.below()
        self._begin = time.time_ns()

    def inside(self) -> AbstractContextManager[None]:
        """Let this thread's spans be below this one."""
        return within(self.place, self.parent.export)

    def close(self) -> None:
        """Tell of it."""
        self.parent.export(Span(
            self.name, self.kind, self.place.trace, self.place.span, self.parent.place.span,
            self._begin, time.time_ns(), self.attributes, self.error[:ERROR]))


def begin(name: str, kind: SpanKind, **attributes: str | int | float) -> Open | None:
    """Open a span below what this thread does; None: nobody wants to know.

    Names of attributes have ``__`` for the dot.
    """
    active = ACTIVE.get()
    if active is None:
        return None
    return Open(name, kind, active, {
        key.replace("__", "."): value for key, value in attributes.items()})


@contextmanager
def span(name: str, kind: SpanKind, **attributes: str | int | float) -> Iterator[Open | None]:
    """A span around what is done here, and the place of all below it; see `begin`."""
    opened = begin(name, kind, **attributes)
    if opened is None:
        yield None
        return
    try:
        with opened.inside():
            yield opened
    except BaseException as exc:
        opened.error = str(exc) or type(exc).__name__
        raise
    finally:
        opened.close()


def hook_span(kind: str, driver: str, hook: str) -> AbstractContextManager[Open | None]:
    """A span around a hook of a driver, in whichever process it runs."""
    return span(f"{kind} {driver}: {hook}", "internal", ganeti__plugin=f"{kind}:{driver}",
                ganeti__hook=hook)
