"""The process beside a storage daemon that connects it with the other node's, and knows how it is.

It takes what the other node's keeper asks for; where this node writes, `link.Link` asks. It reads
what it is to do anew each time, and may be killed and begun again at any moment: meanwhile writes
wait.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import BlockDeviceError, unix_sockets
from ganeti_core.plugin_api.stream_frames import StreamFailed, Wire

from .ends import Carrier, accept, dial
from .link import Link
from .notes import Note
from .places import Places
from .qmp import QUESTION_SECONDS, SECONDS, QmpLost, Question
from .replies import Replies, WriteFailed
from .stores import MIB, Store, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.plugin_api import HookContext

log = logging.getLogger(__name__)

BIND_PAUSE = 0.2
BIND_SECONDS = 30.0
"""The one before may not have let go of the port."""
HUNG = 30.0
"""Seconds in which a storage daemon replies however busy its host is."""
BUSY_SECONDS = 5.0
"""For what earlier connections sent to be written; who asks hears in time that it is not."""


def main(ctx: HookContext, uuid: str) -> None:
    """Keep the disk with this uuid; ends when there is nothing to keep."""
    places = Places.of(ctx, uuid)
    order = places.order()
    if not order:
        return
    keeper = Keeper(ctx, places)
    listener = _listen(order["address"], order["port"])
    threading.Thread(target=keeper.take, args=(listener,), daemon=True).start()
    if order["role"] == "primary":
        Link(ctx, places).keep()
    else:
        places.say("waiting", reason="the other node has not connected yet")
        threading.Event().wait()


def share(ctx: HookContext, uuid: str) -> None:
    """Let the disk be used here through the other node, which writes to it."""
    places = Places.of(ctx, uuid)
    order = places.order()

    def serve(local: socket.socket) -> None:
        try:
            wire, _ = dial(ctx, order, "guest")
        except StreamFailed:
            local.close()  # who uses it tries again
            return
        Carrier().carry(wire, local)

    each_in_a_thread(unix_sockets.listen(places.guest), serve)


def each_in_a_thread(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serve each caller in a thread, until the listener is closed."""
    with suppress(OSError):
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


@dataclass
class Keeper:
    """Takes the connections of the other node's keeper."""

    ctx: HookContext
    places: Places
    _copying: Carrier = field(default_factory=Carrier)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _control: object = None

    def take(self, listener: socket.socket) -> None:
        each_in_a_thread(listener, self._serve)

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError, StreamFailed, BlockDeviceError):
            wire, said = accept(self.ctx, self.places.order(), raw)
            with wire.sock:
                self._admit(wire, said)

    def _admit(self, wire: Wire, said: dict[str, Any]) -> None:
        kind = str(said.get("kind"))
        is_secondary = self.places.order()["role"] == "secondary"
        if kind == "control" and is_secondary:
            self._obey(wire, said.get("size"))
        elif kind in ("copy", "fill") and is_secondary:
            self._copy(wire)
        elif kind == "guest" and not is_secondary:
            wire.say({"ok": True})
            Carrier().carry(wire, unix_sockets.connect(self.places.guest, SECONDS))
        else:
            wire.say({"error": "this node does not write to the disk" if is_secondary else
                      "this node writes to the disk itself"})

    def _copy(self, wire: Wire) -> None:
        """Let the other node write to the copy here.

        Where that fails the connection ends, and nothing is said: the other node's writes wait
        until the cluster knows that this copy does not follow. What was acknowledged is here.
        """
        wire.say({"ok": True})
        try:
            local = unix_sockets.connect(self.places.copy, SECONDS)
            self._copying.carry(wire, local, Replies().feed)
        except WriteFailed as exc:
            log.error("disk %s: %s", self.places.uuid, exc)

    def _obey(self, wire: Wire, size: Any) -> None:
        """Do what the keeper of the node that writes says, until it is lost or another one comes.

        What is on its way by earlier connections must not come later than what is written from now
        on: they are over, and the storage daemon has done all of it, before there is a reply.

        :param size: of the disk where it is written, MiB; the copy here becomes as large
        """
        note = Note.load(self.places.note)
        if note is None or Store(self.ctx, self.places).role() != "secondary":
            wire.say({"error": "no storage daemon has the copy there open"})
            return
        if not self._guard.acquire(timeout=BUSY_SECONDS):
            wire.say({"error": "what was sent there before is not written yet"})
            return
        try:
            problem = self._take_over(wire, size)
        finally:
            self._guard.release()
        if problem:
            wire.say({"error": problem})
            return
        try:
            wire.say((Note.load(self.places.note) or note).told())
            replied = time.monotonic()
            while True:
                said = wire.hear()
                if self._replies():
                    replied = time.monotonic()
                elif time.monotonic() > replied + HUNG:
                    wire.say({"error": "the storage daemon there does not reply"})
                    return
                with self._guard:
                    if self._control is not wire:
                        return
                    self._do(said)
                wire.say({"ok": True})
        finally:
            with self._guard:
                if self._control is wire:
                    self.places.say("lost", reason="the node that writes is not connected")

    def _take_over(self, wire: Wire, size: Any) -> str:
        """Let this connection be the one that counts; return why it cannot be."""
        self._control = wire
        self._copying.cut()
        self._copying.drain()
        self._copying = Carrier()
        self.places.say("linking", wanted=size)
        if problem := self._fit(size):
            self.places.say("lost", reason=problem, wanted=size)
        return problem

    def _replies(self) -> bool:
        """Whether the storage daemon here does; one that is halted takes writes, and ends none."""
        try:
            with Question.connect(self.places.qmp, QUESTION_SECONDS):
                return True
        except QmpLost:
            return False

    def _fit(self, size: Any) -> str:
        """Let the copy be as large as the disk; return why it cannot be."""
        store, path = Store(self.ctx, self.places), self.places.order()["path"]
        with self.places.locked():
            if size is None or store.size() == int(size):
                return ""
            if (have := size_of(path)) < int(size) * MIB:
                order = self.places.order()
                return (f"the device there has {have // MIB} MiB, and the disk {size}: run "
                        "gnt-instance grow-disk --absolute "
                        f"{order.get('instance', 'INSTANCE')} {order.get('index', 'DISK')} {size}m")
            store.end()
            try:
                store.start("secondary", path, int(size))
            except BlockDeviceError as exc:
                return str(exc)
        return ""

    def _do(self, said: dict[str, Any]) -> None:
        """Do what the other node's keeper says, durably."""
        note = Note.load(self.places.note) or Note()
        match said.get("do"):
            case "fill":
                replace(note, whole=False).save(self.places.note)
                self.places.say("filling", percent=0.0)
            case "percent":
                self.places.say("filling", percent=float(said["percent"]))
            case "whole":
                _flush(self.places.order()["path"])
                Note(str(said["generation"]), whole=True, earlier=tuple(map(str, said["earlier"])),
                     peer=self.places.order()["peer"]["uuid"],
                     size=(size := Store(self.ctx, self.places).size())).save(self.places.note)
                self.places.say("linked", size=size)


def _flush(path: str) -> None:
    """Let what was written to a file or device be on its storage, whoever wrote it."""
    opened = os.open(path, os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    until = time.monotonic() + BIND_SECONDS
    while True:
        try:
            return socket.create_server((address, port), family=family)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(BIND_PAUSE)


