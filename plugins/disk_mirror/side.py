"""A disk on one node: in which role it is, and who may write to it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, HookContext, NodeRef, processes
from ganeti_core.plugin_api.node_programs import program

from .notes import Note
from .places import Places
from .stores import PAUSE, Store
from .users import holders_of

if TYPE_CHECKING:
    from collections.abc import Collection

KEEPER = "ganeti_plugins.disk_mirror.keeper"
_AGAIN = 'while :; do "$@"; sleep 1; done'
"""One that was killed is begun again: until then writes may wait."""


@dataclass(frozen=True)
class Patience:
    """How many seconds others have.

    :param start: a keeper to begin, on a busy host
    :param expected: to be connected, when it was opened just before
    :param fading: to be noticed as lost, when it is thought to be
    :param ending: to let go of a disk, who is just being ended
    """

    start: float = 50.0
    expected: float = 30.0
    fading: float = 20.0
    ending: float = 5.0


@dataclass(frozen=True)
class Side:
    """A disk as its node has it.

    :param ctx: of the node
    :param disk: as the node sees it
    """

    ctx: HookContext
    disk: DiskSpec
    patience: Patience

    # What is known

    @property
    def places(self) -> Places:
        return Places.of(self.ctx, self.disk.uuid)

    @property
    def store(self) -> Store:
        return Store(self.ctx, self.places)

    @property
    def peer(self) -> NodeRef | None:
        return next(iter(self.disk.peers), None)

    @property
    def title(self) -> str:
        return f"disk {self.disk.index} of {self.disk.instance}"

    @property
    def is_marked(self) -> bool:
        """Whether the cluster knows that this copy missed something."""
        return self.disk.here in self.disk.stale

    def child(self, hook: str, **arguments: Any) -> Any:
        """Call a hook about the device that it lies on."""
        [child] = self.disk.children
        return self.ctx.driver("disk_templates", child.template, hook, disk=child, **arguments)

    def note(self) -> Note:
        """:raises BlockDeviceError: the disk is not there"""
        note = Note.load(self.places.note)
        if note is None or not self.child("status").exists:
            raise BlockDeviceError(f"there is no {self.title} on node {self.ctx.node}")
        return note

    def live(self) -> dict[str, Any]:
        """What the keeper knows of the connection with the other node; empty where there is none.
        """
        return self.places.live() if self._runs("keeper") else {}

    @property
    def size(self) -> int:
        """How large the disk is here, MiB; the cluster may not know yet that it has grown."""
        note = Note.load(self.places.note)
        return self.store.size() or max(self.disk.size, note.size if note else 0)

    # Roles

    def write_here(self) -> None:
        """Let this node write; what it writes goes to the other node, too.

        A copy that the cluster knows to be left behind need not follow.

        :raises BlockDeviceError: the copy here is not the newest, or the other one does not follow
        """
        note = self.note()
        if is_new := self.store.role() != "primary":
            if problem := self._why_not(note):
                raise self._refused(problem)
            self.become_primary(note.shared_with(self.peer.uuid) if self.peer else note)
        elif self.peer is not None and note.peer not in ("", self.peer.uuid):
            # Writes wait while there is no keeper.
            processes.end(self.ctx, self._name("keeper"))
            note.shared_with(self.peer.uuid).save(self.places.note)
        peer_is_old = self.peer is not None and self.peer.uuid in self.disk.stale
        self.order("primary", peer_is_old=peer_is_old)
        try:
            self.begin_keeper()
            self.await_link()
            self.store.serve()
        except BlockDeviceError:
            if (is_new or self._is_unserved()) and not self.places.order().get("waits"):
                self._give_up()
            raise

    def _give_up(self) -> None:
        """Open it no more after all: nothing was written since."""
        if self.store.front in processes.kept(self.ctx):
            self.end_processes()  # who has the file open waits, as before
        else:
            self.close()

    def write_alone(self, *, force: bool) -> None:
        """Let this node write although its peer may be lost.

        :param force: even if its data may be old
        :raises BlockDeviceError: its data may be old, or the other node writes
        """
        note = self.note()
        if self.store.role() != "primary":
            self.await_state(self.patience.fading, unlike=("linked", "filling", "linking"))
            if self.live().get("state") in ("linked", "filling", "linking"):
                raise self._refused(f"it is in use on node {self.peer_name}")
            if (problem := self._why_not(note)) and not force:
                raise self._refused(problem)
            self.become_primary(note.renewed())
        self.order("primary", peer_is_old=True)
        self.begin_keeper()
        self.store.serve()

    def follow(self) -> None:
        """Take what the other node writes.

        :raises BlockDeviceError: that cannot be
        """
        self.note()
        if self.store.role() == "primary":
            self.close()
        path = self.child("open", exclusive=True).path
        self.order("secondary", path=path)
        with self.places.locked():
            if self.store.role() is None:
                self.store.start("secondary", path, self.size)
        self.begin_keeper()

    def share(self) -> None:
        """Let this node use the disk through the other one, which goes on to write to it.

        :raises BlockDeviceError: the copy here is not whole, or not connected
        """
        if self.store.role() == "primary" and self.peer is None:
            return
        self.await_state(self.patience.expected, like=("linked",))
        if (state := self.live()).get("state") != "linked":
            raise self._refused("both copies must be whole before two nodes use it: "
                                f"{state.get('reason') or state.get('state') or 'it is closed'}")
        if self.store.role() == "secondary":
            if not self._runs("share"):
                self._begin("share", f"{KEEPER}:share")
            self._await(self.places.guest.exists, "share")
            self.store.serve_shared()

    def await_disuse(self) -> None:
        """Wait a while until nobody on this node uses the disk any more.

        The kernel would refuse to take a device away; nothing refuses to take a file away.

        :raises BlockDeviceError: somebody goes on to use it
        """
        until = time.monotonic() + self.patience.ending
        while holders := holders_of(self.places.device):
            if time.monotonic() > until:
                raise BlockDeviceError(
                    f"{self.title} is in use on node {self.ctx.node}: {', '.join(holders)}")
            time.sleep(PAUSE)

    def close(self) -> None:
        """Use it no more on this node, in whatever role.

        :raises BlockDeviceError: there is something that cannot be ended
        """
        self.store.end_front()
        self.end_processes()
        if self.disk.children:
            self.child("close")
        shutil.rmtree(self.places.folder, ignore_errors=True)

    # Steps

    def become_primary(self, note: Note) -> None:
        """Open the copy here for writing, after what is known of it is durable."""
        self.end_processes()  # its file stays: who uses it waits meanwhile
        # Who had it open was killed: what was on its way may be on one side only.
        note = note if note.closed else note.renewed()
        replace(note, closed=False).save(self.places.note)
        self.store.start("primary", self.child("open", exclusive=True).path, self.size)

    def end_processes(self) -> None:
        """End the processes; the storage daemon first, for it writes with the keeper's help."""
        was_primary = self.store.role() == "primary"
        if self.store.end() and was_primary and (note := Note.load(self.places.note)):
            replace(note, closed=True).save(self.places.note)
        for part in ("share", "keeper", "sink"):
            processes.end(self.ctx, self._name(part))
        self.places.forget_live()

    def order(
        self, role: str, *, peer_is_old: bool = False, path: str = "",
        waits: bool = False,
    ) -> None:
        """Write down what the keeper is to do.

        :param waits: who uses the disk waits since it was begun anew
        """
        peer, own = self.peer, self.disk.node
        if peer is None or own is None:
            return
        self.places.folder.mkdir(mode=0o700, exist_ok=True)
        self.places.want({
            "role": role, "disk": self.disk.uuid, "secret": self.disk.granted["secret"],
            "address": _address(own), "port": self.disk.granted["port"], "path": path,
            "peer": {"uuid": peer.uuid, "name": peer.name, "address": _address(peer)},
            "size": self.size, "peer_is_old": peer_is_old,
            "instance": self.disk.instance, "index": self.disk.index,
            "waits": waits or (role == "primary" and bool(self.places.order().get("waits"))),
            "wait": self.disk.params.get("fence-timeout", 0)})

    def begin_keeper(self) -> None:
        if self.peer is None:
            return
        if not self._runs("keeper"):
            self.places.forget_live()
            self._begin("keeper", f"{KEEPER}:main")
        self._await(lambda: bool(self.places.live()), "keeper")

    def _begin(self, part: str, function: str) -> None:
        processes.begin(self.ctx, self._name(part), [
            "sh", "-c", _AGAIN, "keeper", *program(self.ctx, function, self.disk.uuid)])

    def _await(self, reached: Any, part: str) -> None:
        until = time.monotonic() + self.patience.start
        while not reached():
            if time.monotonic() > until:
                raise BlockDeviceError(
                    f"{self.title}: its {part} did not begin on node {self.ctx.node}: see "
                    f"{self.ctx.logs / self._name(part)}.log")
            time.sleep(PAUSE)

    def await_link(self) -> None:
        """:raises BlockDeviceError: what is written would not go to the other node"""
        if self.peer is None:
            return
        self.await_state(self.patience.expected, like=("linked", "filling", "alone", "frozen"))
        state = self.live()
        if state.get("state") not in ("linked", "filling", "alone", "frozen"):
            raise self._refused(
                f"{state.get('reason') or 'its keeper does not run'}. See that {self.peer_name} "
                "runs and the network between the two works, and run gnt-instance activate-disks "
                f"{self.disk.instance}")

    def await_state(
        self, seconds: float, *, like: Collection[str] = (), unlike: Collection[str] = ()
    ) -> None:
        """Wait until the connection is in one of some states, or in none of others."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = self.live().get("state", "")
            if (like and state in like) or (unlike and state not in unlike):
                return
            time.sleep(PAUSE)

    def _is_unserved(self) -> bool:
        """Whether nobody can have used it; a daemon that waits for a write replies nothing."""
        try:
            with self.store.qmp() as qmp:
                return "guest" not in qmp.exports()
        except BlockDeviceError:
            return False

    def _runs(self, part: str) -> bool:
        return self._name(part) in processes.kept(self.ctx)

    def _name(self, part: str) -> str:
        return f"{part}-{self.places.uuid}"

    @property
    def peer_name(self) -> str:
        return self.peer.name if self.peer else "the other node"

    def _why_not(self, note: Note) -> str:
        """Say why writing here may lose what was written elsewhere; empty where it cannot."""
        if not note.generation:
            return "nothing was ever copied to it"
        if not note.whole:
            return f"it was being filled from {self.peer_name}, and does not have all of it"
        if self.is_marked:
            return f"{self.peer_name} was written to while the copy here could not follow"
        return ""

    def _refused(self, problem: str) -> BlockDeviceError:
        return BlockDeviceError(
            f"{self.title} cannot be written on node {self.ctx.node}: {problem}")


def _address(node: NodeRef) -> str:
    return node.secondary_address or node.address
