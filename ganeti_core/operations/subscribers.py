"""Subscribers to events: each is loaded and called in a process of its own, and keeps nobody.

An event is put into the queue of everyone who listens to it, and its job goes on. One that hangs is
killed at the deadline and started again for the next event; one that cannot keep up loses events,
which is counted. What is wrong with a subscriber is logged and shown by `status`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ganeti_core.entry_points import Origins, names_of
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.operations.helper_process import HelperProcess
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.events import EVENTS, EVENTS_GROUP
from ganeti_core.plugin_registry import DISABLED, PluginStatus
from ganeti_core.spans import ACTIVE, Tracing, hook_span, on_behalf

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

LOADING_SECONDS = 20.0
DELIVERY_SECONDS = 30.0
"""How long a subscriber may take for one event."""
MOST_WAITING = 1000
"""Events that wait for one subscriber; further ones are lost to it."""
ENDING_SECONDS = 1.0
"""How long the master that ends waits for events under way."""
LOG_FILE = "subscribers.log"

log = logging.getLogger(__name__)

_Event = tuple[str, dict[str, Any], Tracing | None]
"""Its name, its arguments, and what the thread did that told of it."""


@dataclass
class _Subscriber:
    """One subscriber, its thread and its process."""

    name: str
    log_file: Path
    delivery_seconds: float = DELIVERY_SECONDS
    problem: str = ""
    refused: bool = False
    wanted: frozenset[str] | None = None
    """Which events it listens to; None until it has said so."""
    lost: int = 0
    ready: threading.Event = field(default_factory=threading.Event)
    _waiting: queue.Queue[_Event | None] = field(
        default_factory=lambda: queue.Queue(MOST_WAITING))
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _begun: bool = False
    _closed: bool = False

    def __post_init__(self) -> None:
        self._process = HelperProcess("ganeti_core.operations.subscriber_process",
                                      (self.name, str(self.log_file)))
        self._thread = threading.Thread(
            target=self._run, name=f"subscriber-{self.name}", daemon=True)

    def begin(self) -> None:
        with self._guard:
            if not self._begun:
                self._begun = True
                self._thread.start()

    def put(self, event: _Event) -> None:
        if self.refused or (self.wanted is not None and event[0] not in self.wanted):
            return
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self.lost += 1
            if self.lost == 1:
                self._failed(f"{MOST_WAITING} events wait for it: later ones are lost to it")

    def close(self, until: float) -> None:
        """End it; what it has begun may go on until then, what waits is lost."""
        self._closed = True
        if self._begun:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(max(0.0, until - time.monotonic()))
        # Its thread sees the socket close, or is a daemon's and ends with it.
        self._process.bury()

    def _run(self) -> None:
        self._load()
        self.ready.set()
        while not self.refused and (event := self._waiting.get()) is not None:
            if self._closed or event[0] not in (self.wanted or ()):
                continue
            try:
                self._deliver(*event)
            except Exception:  # wall: a thread that ends would keep its events for ever
                log.exception("subscriber %s: %s", self.name, event[0])

    def _load(self) -> bool:
        """Start the process and hear which events it wants; tells whether it can be used."""
        try:
            answer = channel.receive(
                self._process.start(), time.monotonic() + LOADING_SECONDS)
        except TimeoutError:
            self._process.bury()
            return self._refuse(f"cannot be loaded: not within {LOADING_SECONDS:g} s")
        except (OSError, channel.ChannelClosed):
            status = self._process.bury()
            return self._refuse(f"cannot be loaded: its process died ({status})")
        if "refused" in answer:
            self._process.bury()
            return self._refuse(str(answer["refused"]))
        self.wanted = frozenset(answer["events"])
        return True

    def _deliver(self, event: str, arguments: dict[str, Any], tracing: Tracing | None) -> None:
        with on_behalf(tracing), hook_span(EVENTS, self.name, event) as opened:
            if (problem := self._tell(event, arguments)) and opened is not None:
                opened.error = problem

    def _tell(self, event: str, arguments: dict[str, Any]) -> str:
        """Return what went wrong, which has been noted."""
        if self._process.lost:
            self._failed(f"its process has died ({self._process.bury()})")
        if self._process.sock is None and not self._load():
            return self.problem
        sock = self._process.sock
        assert sock is not None  # noqa: S101  # it was just loaded
        deadline = time.monotonic() + self.delivery_seconds
        try:
            channel.send(sock, {"event": event, "arguments": arguments}, deadline)
            problem = str(channel.receive(sock, deadline).get("problem", ""))
        except TimeoutError:
            self._process.bury()
            problem = (f"it did not end within {self.delivery_seconds:g} s; it and what it had "
                       "started were killed")
        except channel.ChannelClosed:
            problem = f"its process died ({self._process.bury()})"
        if problem:
            self._failed(f"{event}: {problem}")
        elif not self.lost:
            self.problem = ""
        return problem

    def _failed(self, problem: str) -> None:
        if self._closed:
            return
        log.error("plugin %s %s: %s", EVENTS, self.name, problem)
        self.problem = problem

    def _refuse(self, problem: str) -> bool:
        log.warning("plugin %s %s is not used: %s", EVENTS, self.name, problem)
        self.problem, self.refused = problem, True
        return False


class Subscribers:
    """All subscribers of this installation; any thread may tell an event.

    :param log_file: where they log
    :param disabled: plugins (``events:NAME``) that the administrator does not want now
    """

    def __init__(
        self, log_file: Path, disabled: Callable[[], Collection[str]] = tuple,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        self._disabled = disabled
        self._make = partial(_Subscriber, log_file=log_file, delivery_seconds=delivery_seconds)
        self._subscribers = [self._make(name) for name in names_of(EVENTS_GROUP)]
        self._origins: Origins | None = None

    def renew(self) -> None:
        """Load all of them anew, as they are installed now; events that wait are lost."""
        old, self._origins = self._subscribers, None
        self._subscribers = [self._make(name) for name in names_of(EVENTS_GROUP)]
        self.begin()
        until = time.monotonic() + ENDING_SECONDS
        for subscriber in old:
            subscriber.close(until)

    def begin(self) -> None:
        """Load them, each on its own; nobody waits for that."""
        for subscriber in self._wanted():
            subscriber.begin()

    def loaded(self, seconds: float) -> bool:
        """Wait until each has been loaded or refused; tells whether it has."""
        until = time.monotonic() + seconds
        return all(subscriber.ready.wait(max(0.0, until - time.monotonic()))
                   for subscriber in self._wanted())

    def _wanted(self) -> list[_Subscriber]:
        if not self._subscribers:
            return []
        disabled = self._disabled()
        return [one for one in self._subscribers if f"{EVENTS}:{one.name}" not in disabled]

    @property
    def anybody(self) -> bool:
        """Whether there is a subscriber at all."""
        return any(not subscriber.refused for subscriber in self._subscribers)

    def tell(self, event: str, **arguments: Any) -> None:
        """Have an event delivered to whoever listens; returns at once and never raises of it."""
        if not (wanted := self._wanted()):
            return
        plain = codec.encode(arguments)
        for subscriber in wanted:
            subscriber.begin()  # one that was enabled meanwhile
            subscriber.put((event, plain, ACTIVE.get()))

    def status(self) -> list[PluginStatus]:
        """Every subscriber, healthy or not, sorted by name."""
        wanted = self._wanted()
        if self._subscribers and self._origins is None:
            self._origins = Origins()
        return [self._with_origin(PluginStatus(
            EVENTS, one.name, "", "", 0 if one.wanted is not None else None,
            one.problem if one in wanted else DISABLED,
            title=f"Listens to {', '.join(sorted(one.wanted or ())) or 'nothing'}"))
            for one in sorted(self._subscribers, key=lambda one: one.name)]

    def _with_origin(self, row: PluginStatus) -> PluginStatus:
        found = self._origins.of(EVENTS_GROUP, row.name) if self._origins else []
        return replace(row, distribution=", ".join(name for name, _ in found),
                       version=", ".join(version for _, version in found))

    def close(self) -> None:
        """End all; events that wait are lost."""
        until = time.monotonic() + ENDING_SECONDS
        for subscriber in self._subscribers:
            subscriber.close(until)
