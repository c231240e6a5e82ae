"""The side that writes: each write goes to the other node, too, or waits until the loss is durable.

The storage daemon writes to the other node through a socket of the keeper. Where that connection
ends, the daemon lets writes wait, for as long as it takes; only a command of the keeper lets them
go on without the other node, and that comes after the cluster has in writing that its copy is left
behind, and after this node has begun a new generation.

What the other copy lacks is copied beneath that: the copying reads a block before a new write
changes it, and the new write goes to the other node after that.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import BlockDeviceError, unix_sockets
from ganeti_core.plugin_api.copy_reports import UNHEARD, WRITTEN, report_left_behind
from ganeti_core.plugin_api.stream_frames import StreamFailed, Wire

from .ends import LIMITS, Carrier, dial
from .notes import Note, filled_how
from .qmp import QUESTION_SECONDS, Qmp, QmpLost, Question
from .stores import EXPORT, FOR_EVER, MIRRORED, Store

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.plugin_api import HookContext

    from .places import Places

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two signs of life, and between two tries."""
QUICK = 0.02
REPORT_SECONDS = 5.0
SETTLED = 30.0
"""Seconds after which a connection that holds has carried what had waited for it, or would have
ended: QEMU pauses 16 s at most between two tries."""
MIRROR, FILL = "mirror", "fill"
"""Jobs of the storage daemon: what is written, and what is missing, goes to the other node."""
_FINISHED = ("concluded", "null")


class Lost(Exception):
    """The other node is not within reach any more, or its copy cannot be written."""


@dataclass
class Link:
    """The connection with the other copy, as the node that writes has it."""

    ctx: HookContext
    places: Places
    _carrier: Carrier = field(default_factory=Carrier)
    _listeners: list[socket.socket] = field(default_factory=list)
    _broken: threading.Event = field(default_factory=threading.Event)
    _alone: bool = False
    _opened: float = 0.0
    """When the way to the other copy was opened last."""
    _since: float | None = None
    """Since when writes wait, or may; a connection that does not hold is no end of that."""

    # What goes on

    def keep(self) -> None:
        """Follow the storage daemon, for ever."""
        while True:
            try:
                self._connect()
            except QmpLost as exc:
                self._cut()
                self.places.say("down", reason=f"its storage daemon does not reply: {exc}")
                time.sleep(BEAT)

    def _connect(self) -> None:
        """Let the other copy follow as long as it can; then see to what is written from then on.

        :raises QmpLost: the storage daemon does not reply
        """
        try:
            control, other = self._reach()
        except (StreamFailed, OSError) as exc:
            self._missed(str(exc))
            return
        with control.sock:
            try:
                self._follow(control, other)
            except (Lost, StreamFailed, OSError, BlockDeviceError) as exc:
                self._cut()
                self._missed(str(exc))

    def _missed(self, reason: str) -> None:
        if self._since is None:
            self._since = time.monotonic()
        if self._is_mirrored():
            self._freeze(reason, "frozen", self._since)
        elif self.places.order().get("waits"):
            self._freeze(reason, "held", self._since)
        else:
            self._since = None
            self._without(reason)
            time.sleep(BEAT)

    def _reach(self, stall: float = LIMITS.stall) -> tuple[Wire, Note]:
        wire, said = dial(self.ctx, order := self.places.order(), "control",
                          replace(LIMITS, stall=min(LIMITS.stall, stall)), size=order["size"])
        return wire, Note(str(said["generation"]), bool(said["whole"]),
                          earlier=tuple(map(str, said["earlier"])))

    def _follow(self, control: Wire, other: Note) -> None:
        """Let the other copy follow, until it cannot.

        :raises Lost: it cannot any more
        """
        order, mine = self.places.order(), self._note()
        how = filled_how(mine, other, other_is_old=bool(order["peer_is_old"]))
        if not how:
            raise Lost(_unlike(order, mine, other))
        how = self._begin_copying(control, how, other)
        if how != "nothing":
            self._fill(control, how)
        self._say(control, do="whole", generation=mine.generation, earlier=list(mine.earlier))
        with Qmp.at(self.places.qmp) as store:
            for name in store.bitmaps() - {f"since-{mine.generation}"}:
                store.run("block-dirty-bitmap-remove", node="data", name=name)
        self._alone = False
        self._owe(False)
        self.places.say("linked", how=how, size=order["size"])
        while self._is_mirrored():
            self._rest(BEAT)
            self._say(control, do="alive")
        # Copying has ended by itself: what was written since is here only.
        reason = f"{order['peer']['name']} cannot be written to"
        self._go_alone(reason, owed=not self._reported(order))
        raise Lost(reason)

    def _begin_copying(self, control: Wire, how: str, other: Note) -> str:
        """Let new writes go to the other node, and begin to copy what is missing there.

        :returns: how it is filled: as `how`, or with more than that
        """
        # First: a storage daemon that waits for a write may not reply until it can connect.
        self._open_way()
        with self.places.locked(), Qmp.at(self.places.qmp) as store:
            was_recorded = f"since-{other.generation}" in store.bitmaps()
            if how == "nothing" and was_recorded and MIRROR not in store.jobs():
                how = "changes"  # it was copied to, and is no longer: nobody knows since when
            elif how == "changes" and not was_recorded:
                how = "all"
            if how != "nothing" and MIRROR in store.jobs():
                self._end_mirror(store)  # what waits for it is of a copy that is not whole
                self._cut()
                self._open_way()
            if how != "nothing":
                self._say(control, do="fill")
            self._mirror(store, self._note())
            if how != "nothing":
                self._begin_fill(store, how, other)
        self._let_go()
        return how

    def _rest(self, seconds: float) -> None:
        """:raises Lost: the connection by which writes go to the other node has ended"""
        if self._broken.wait(seconds):
            raise Lost("the connection was lost")
        if time.monotonic() > self._opened + SETTLED:
            self._since = None

    # The storage daemon

    def _mirror(self, store: Qmp, mine: Note) -> None:
        """Let what is written from now on go to the other node as well."""
        name = f"since-{mine.generation}"
        if name not in store.bitmaps():
            store.run("block-dirty-bitmap-add", node="data", name=name)
        if MIRROR not in store.jobs():
            self._add_peer(store, "peer", self.places.link, FOR_EVER)
            store.run("blockdev-mirror", job_id=MIRROR, device="disk", target="peer", sync="none",
                      copy_mode="write-blocking", filter_node_name=MIRRORED,
                      on_target_error="report")

    def _begin_fill(self, store: Qmp, how: str, other: Note) -> None:
        self._end_fill(store)  # of an earlier connection
        self._open_door(self.places.fill, "fill")
        self._add_peer(store, "filled", self.places.fill, 0)
        only = {"bitmap": f"since-{other.generation}", "bitmap_mode": "never"}
        store.run("blockdev-backup", job_id=FILL, device="data", target="filled",
                  filter_node_name="copied", auto_dismiss=False,
                  **({"sync": "bitmap", **only} if how == "changes" else {"sync": "full"}))

    def _fill(self, control: Wire, how: str) -> None:
        pause, due = QUICK, 0.0
        while True:
            with Qmp.at(self.places.qmp) as store:
                job = store.jobs().get(FILL)
                if job is None or job["status"] in _FINISHED:
                    self._end_fill(store)
                    break
            if time.monotonic() > due:
                due = time.monotonic() + BEAT
                percent = 100.0 * job["current-progress"] / max(1, job["total-progress"])
                self._say(control, do="percent", percent=percent)
                self.places.say("filling", how=how, percent=percent)
            self._rest(pause)
            pause = min(BEAT, pause * 1.5)
        if job is None or job.get("error"):
            raise Lost(f"it could not be filled: {(job or {}).get('error')}")

    def _end_fill(self, store: Qmp) -> None:
        if (job := store.jobs().get(FILL)) is not None and job["status"] not in _FINISHED:
            store.run("block-job-cancel", device=FILL, force=True)
            self._until_over(store, FILL)
        with suppress(BlockDeviceError):
            store.run("job-dismiss", id=FILL)
        if "filled" in store.nodes():
            store.run("blockdev-del", node_name="filled")

    def _end_mirror(self, store: Qmp) -> None:
        """Let writes go on without the other node."""
        self._end_fill(store)
        if MIRROR in store.jobs():
            store.run("block-job-cancel", device=MIRROR, force=True)
            self._until_over(store, MIRROR)
        if "peer" in store.nodes():
            store.run("blockdev-del", node_name="peer")

    @staticmethod
    def _until_over(store: Qmp, job: str) -> None:
        while (found := store.jobs().get(job)) is not None and found["status"] not in _FINISHED:
            time.sleep(QUICK)

    def _add_peer(self, store: Qmp, name: str, place: Path, patience: int) -> None:
        store.run("blockdev-add", driver="nbd", node_name=name, export=EXPORT,
                  server={"type": "unix", "path": str(place.relative_to(self.places.state))},
                  reconnect_delay=patience, discard="unmap")

    # The way there

    def _open_way(self) -> None:
        """Let the storage daemon connect for what is written."""
        self._carrier, self._broken = Carrier(), threading.Event()
        self._opened = time.monotonic()
        self._open_door(self.places.link, "copy")

    def _open_door(self, place: Path, kind: str) -> None:
        """Let the storage daemon connect to the other node, once.

        Whoever connects again could be overtaken by what is still on its way: it waits for the next
        connection of the keepers, which begins when all of that has come or is lost.
        """
        listener = unix_sockets.listen(place)
        self._listeners.append(listener)
        threading.Thread(target=self._carry, args=(
            listener, kind, self._carrier, self._broken), daemon=True).start()

    def _carry(
        self, listener: socket.socket, kind: str, carrier: Carrier, broken: threading.Event
    ) -> None:
        def ended() -> None:
            if kind == "copy":
                broken.set()

        with suppress(OSError):
            local = listener.accept()[0]
            listener.close()
            try:
                wire, _ = dial(self.ctx, self.places.order(), kind)
            except StreamFailed as exc:
                log.warning("disk %s: %s", self.places.uuid, exc)
                local.close()
            else:
                # The storage daemon reads only while it waits for a reply: as long as nobody
                # writes, it does not notice the end, and does not hang up.
                carrier.carry(wire, local, ended=ended)
            ended()

    # The loss of the other node

    def _cut(self) -> None:
        """Carry nothing more: the storage daemon lets writes wait from here on."""
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._listeners.clear()
        for place in (self.places.link, self.places.fill):
            place.unlink(missing_ok=True)
        self._carrier.cut()

    def _freeze(self, reason: str, state: str, since: float) -> None:
        """Let writes wait until the loss is durable, or the other node is back with all of them.

        There is one limit for all that is asked and tried meanwhile.

        :param since: when the other node was found to be lost, first
        """
        order = self.places.order()
        limit = float(order["wait"])
        until = since + (limit or math.inf)
        seconds = REPORT_SECONDS  # however late it is: the cluster is to be told if that can be
        self.places.say(state, reason=reason)
        while True:
            status, why = report_left_behind(
                self.ctx.root, order["disk"], order["peer"]["uuid"], seconds)
            if status == WRITTEN:
                break
            if status == UNHEARD and time.monotonic() > until:
                log.error("disk %s: in %g s nobody could be told", self.places.uuid, limit)
                break
            self.places.say(state, reason=f"{reason}; {why}")
            if self._is_back(until):
                return
            time.sleep(BEAT)
            if not self._must_wait():
                return
            seconds = min(REPORT_SECONDS, max(BEAT, until - time.monotonic()))
        self._go_alone(reason, owed=status != WRITTEN)

    def _is_back(self, until: float) -> bool:
        """Whether the other node can be reached, with a copy from which nothing is missing."""
        try:
            control, other = self._reach(max(BEAT, until - time.monotonic()))
        except (StreamFailed, OSError):
            return False
        control.sock.close()
        return filled_how(self._note(), other, other_is_old=False) == "nothing"

    def _go_alone(self, reason: str, *, owed: bool = False) -> None:
        """Begin a new generation, then let writes go on here only.

        :param owed: the cluster has still to be told
        """
        replace(self._note().renewed(), owed=owed).save(self.places.note)
        self._alone = True
        with Store(self.ctx, self.places).sink(int(self.places.order()["size"])):
            self._release()
        self._since = None
        self._let_go()
        self.places.say("alone", reason=reason)

    def _release(self) -> None:
        """Let the storage daemon do without the other node; it is asked until it has.

        All that this depends on is decided and durable: nothing else is asked again because the
        daemon takes its time.

        :raises QmpLost: there is none
        """
        while True:
            try:
                with Qmp.at(self.places.qmp) as store:
                    return self._end_mirror(store)
            except QmpLost as exc:
                if Store(self.ctx, self.places).role() is None:
                    raise
                log.warning("disk %s: writes wait for its storage daemon: %s",
                            self.places.uuid, exc)
                time.sleep(BEAT)

    def _let_go(self) -> None:
        """Serve who waits for the disk since it was begun anew to become larger."""
        order = self.places.order()
        if order.get("waits"):
            Store(self.ctx, self.places).serve_guest()
            self.places.want({**order, "waits": False})

    def _without(self, reason: str) -> None:
        """Nothing was ever written to the other node: write alone, where the cluster knows that."""
        order = self.places.order()
        if order["peer_is_old"] and not self._alone:
            self._go_alone(reason)
        if self._note().owed:
            self._alone = True  # and the keeper before this one said so
            self._owe(not self._reported(order))
        self.places.say("alone" if self._alone else "unlinked", reason=reason)

    def _owe(self, owed: bool) -> None:
        """Note durably whether the cluster has still to be told that the other copy is left behind.
        """
        note = self._note()
        if note.owed != owed:
            replace(note, owed=owed).save(self.places.note)

    def _reported(self, order: dict[str, Any]) -> bool:
        """Tell that the other copy is left behind; tells whether that is durable."""
        status, _ = report_left_behind(
            self.ctx.root, order["disk"], order["peer"]["uuid"], REPORT_SECONDS)
        return status == WRITTEN

    # What is known

    def _say(self, control: Wire, **message: Any) -> None:
        control.say(message)
        control.hear()

    def _note(self) -> Note:
        note = Note.load(self.places.note)
        if note is None:
            raise BlockDeviceError(f"there is no note of disk {self.places.uuid}")
        return replace(note, closed=False)

    def _must_wait(self) -> bool:
        """Whether writes wait for the other node: it has all those before, and no loss is durable.

        :raises QmpLost: there is no storage daemon
        """
        return self._is_mirrored() or bool(self.places.order().get("waits"))

    def _is_mirrored(self) -> bool:
        """Whether what is written goes to the other node, too, or waits for it.

        :raises QmpLost: there is no storage daemon
        """
        try:
            with Question.connect(self.places.qmp, QUESTION_SECONDS) as store:
                return MIRROR in store.jobs()
        except QmpLost:
            if Store(self.ctx, self.places).role() is None:
                raise
            return True  # it waits for a write, so it does not reply


def _unlike(order: dict[str, Any], mine: Note, other: Note) -> str:
    name = order["peer"]["name"]
    if mine.generation in other.earlier:
        return f"the copy on {name} is newer than the one here"
    return (f"the copy on {name} holds what the one here does not: both were written to. "
            "gnt-instance replace-disks -s makes the one on the secondary node anew")

