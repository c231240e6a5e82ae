"""One device on one node: attached to its volumes, connected to its peer, and in a role."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, HookContext, NodeRef
from ganeti_core.plugin_api.data import DiskStatus

from . import kernel, parameters
from .kernel import Configured, Minor
from .tools import Tools

HELPER = "ganeti-drbd-helper"
"""The program of ours that the kernel may call; with any other one writes never wait for it."""
PAUSE = 0.05
PRIMARY_SECONDS = 110.0
"""For a kernel that calls the helper first; the hook has 120."""
_SECTORS = 2048
"""Of 512 bytes, in one MiB."""
_CLEARED = 1 << 20
"""Bytes; ``drbdmeta`` looks at the first 68 KiB."""
_UNCONNECTED = ("unknown connection", "(162)", "(158)", "No such connection")


@dataclass(frozen=True)
class Patience:
    """How many seconds a peer has to connect; the kernel tries every 10.

    :param expected: one that was opened just before
    :param lost: one that is thought to be lost
    :param fading: how long one that is lost seems to be there: the kernel asks every 10, too
    """

    expected: float = 25.0
    lost: float = 3.0
    fading: float = 30.0


@dataclass(frozen=True)
class Device:
    """A disk as its node has it.

    :param ctx: of the node
    :param disk: as the node sees it
    """

    ctx: HookContext
    disk: DiskSpec
    tools: Tools
    patience: Patience
    _seen: dict[int, DiskStatus] = field(default_factory=dict, compare=False)
    """How the volumes are, until something is done to them: LVM reads all disks for an answer."""

    # What is known

    @property
    def number(self) -> int:
        return self.disk.minor

    @property
    def resource(self) -> str:
        return f"resource{self.number}"

    @property
    def path(self) -> str:
        return str(self.tools.device(self.number))

    @property
    def peer(self) -> NodeRef | None:
        return next(iter(self.disk.peers), None)

    @property
    def title(self) -> str:
        return f"disk {self.disk.index} of {self.disk.instance}"

    def child(self, which: int, hook: str, **arguments: Any) -> Any:
        """Call a hook about a volume: 0 has the data, 1 DRBD's notes."""
        volume = self.disk.children[which]
        self._seen.clear()
        return self.ctx.driver("disk_templates", volume.template, hook, disk=volume, **arguments)

    def volume(self, which: int) -> DiskStatus:
        """Return how a volume is."""
        if (known := self._seen.get(which)) is None:
            known = self.ctx.driver("disk_templates", self.disk.children[which].template, "status",
                                    disk=self.disk.children[which])
            self._seen[which] = known
        return known

    def volumes_exist(self) -> bool:
        return len(self.disk.children) == 2 and all(  # data and notes
            self.volume(which).exists for which in (0, 1))

    def size(self) -> int:
        """Return how large it is, MiB: as the kernel has it, or else its data volume."""
        try:
            return self.tools.sectors(self.number) // _SECTORS
        except (OSError, ValueError):
            return self.volume(0).size

    def configured(self) -> Configured | None:
        """Return how the kernel has this disk; None where it does not.

        :raises BlockDeviceError: that cannot be found out
        """
        found = self.tools.configured(self.number)
        return found if found is not None and self._is_ours(found) else None

    def state(self) -> Minor | None:
        """Return how the device is; None where it is not configured."""
        return self.tools.minor(self.number) if self.configured() is not None else None

    def own_state(self) -> Minor | None:
        """As `state`, of a device that this hook knows to be this disk's."""
        return self.tools.minor(self.number)

    def lives_by_peer(self) -> bool:
        """Whether it is in use here and has lost its own disk."""
        state = self.state()
        return (state is not None and state.role == "Primary" and state.can_be_written
                and state.disk == "Diskless")

    def _is_ours(self, found: Configured) -> bool:
        """Whether the device is that of this disk, and not what another one has left."""
        noted = self.note()
        own = {str(noted.get(name, "")) for name in ("data", "notes")} - {""}
        if not own and self.disk.children:
            own = {self.volume(which).path for which in (0, 1)} - {""}
        used = {found.data, found.notes} - {""}
        # One that lost its disk, or was being made, has no volumes to know it by.
        return bool(used & own) or (not used and bool(noted))

    def generation(self, *, activate: bool = False) -> kernel.Generation | None:
        """Return what DRBD noted of the data of a device that is not configured.

        None where there are no notes of DRBD, or they are lost.

        :param activate: let the volume of the notes appear, which may be there without a device
        :raises BlockDeviceError: that cannot be found out, as of a volume that is not active
        """
        if (notes := self.volume(1)).local == "faulty":
            return None
        path = self.child(1, "open", exclusive=True).path if activate else notes.path
        try:
            return kernel.generation(self.tools.meta(self.number, path, "get-gi"))
        except BlockDeviceError as exc:
            if _holds_no_notes(exc.message):
                return None
            raise

    # What this node remembers of it

    @property
    def _file(self) -> Path:
        return self.ctx.keep / f"{Path(self.disk.uuid).name}.disk"

    @staticmethod
    def noted_minor(file: Path) -> int | None:
        """Return the number in a file of notes."""
        try:
            return int(json.loads(file.read_text())["minor"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self) -> dict[str, Any]:
        """Return what was written down when it was made and opened."""
        try:
            return dict(json.loads(self._file.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    @property
    def fences(self) -> bool:
        """Whether writes are to wait, when the other node is lost, until the cluster knows that."""
        helper = self.tools.helper() or ""
        # One that the kernel cannot start would let writes wait for ever.
        return Path(helper).name == HELPER and is_program(helper) and bool(
            self.disk.params.get("fencing", True))

    def write_note(self, **paths: str) -> None:
        """Write down what is known of it; the program that the kernel calls reads it, too."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({
            "minor": self.number, "peer": self.peer.uuid if self.peer else "",
            "wait": self.disk.params.get("fence-timeout", parameters.FENCE_SECONDS), **paths}))
        os.replace(draft, self._file)

    def forget(self) -> None:
        for path in (self._file.with_suffix(".draft"), self._file):
            path.unlink(missing_ok=True)

    # Steps

    def make_notes(self, *, holds_data: bool) -> None:
        """Write DRBD's notes anew.

        :param holds_data: what lies on the data volume here is what the other copy is to become
        """
        self.child(0, "open", exclusive=True)
        notes = self.child(1, "open", exclusive=True).path
        _clear(notes)
        self.tools.meta(self.number, notes, "create-md", force=True)
        if holds_data:
            # Bit 0 of a generation says that its node is primary; up to 4 they have a meaning.
            new = int.from_bytes(os.urandom(8), "big") & ~1 | 8
            self.tools.meta(self.number, notes, "set-gi", f"{new:016X}:0:0:0:1:1", force=True)
        for which in (0, 1):
            self.child(which, "close")
        self.write_note()

    def attach(self) -> Configured | None:
        """Let the kernel use the two volumes.

        :returns: how the device is configured, if it was attached before
        :raises BlockDeviceError: they are not there, or the number is another's
        """
        if problem := self.tools.problem():
            raise BlockDeviceError(f"node {self.ctx.node}: {problem}")
        data, notes = (self.child(which, "open", exclusive=True).path for which in (0, 1))
        foreign = self.tools.configured(self.number)
        found = foreign if foreign is not None and self._is_ours(foreign) else None
        if found is None and foreign is not None:
            raise BlockDeviceError(
                f"{self.title}: device {self.path} of node {self.ctx.node} is in use for "
                f"{foreign.data or foreign.resource}: end that with drbdsetup down "
                f"{foreign.resource}")
        state = self.tools.minor(self.number) if found else None
        self.write_note(data=data, notes=notes)
        if found is not None and state is not None and state.disk not in ("Diskless", "Failed"):
            if found.fences != self.fences:
                self.tools.setup("disk-options", str(self.number),
                                 *parameters.fencing_options(fences=self.fences))
            return found
        self.tools.setup("new-resource", self.resource, tolerated=("already exists", "(161)"))
        self.tools.setup("new-minor", self.resource, str(self.number), "0",
                         tolerated=("already exists", "(161)"))
        try:
            self.tools.meta(self.number, notes, "apply-al")
            self.tools.setup("attach", str(self.number), data, notes, "flexible",
                             *parameters.attach_options(self.disk, fences=self.fences))
            self.tools.setup("disk-options", str(self.number),
                             *parameters.speed_options(self.disk))
        except BlockDeviceError:
            if state is None:  # one that lives by its peer's disk goes on to
                self.tools.setup("down", self.resource, tolerated=("",))
            raise
        return None

    def connect(
        self, known: Configured | None, *, both: bool, discard: bool = False
    ) -> None:
        """Connect it to its peer; a connection that is there, or tried, stays.

        :param known: how the device is configured, where that has just been read
        :param both: both nodes write
        :param discard: where the data differ, those here are given up
        """
        ends = self._ends()
        found, state = known or self.tools.configured(self.number), self.tools.minor(self.number)
        if ends is None or found is None or state is None:
            return
        have = (found.local.replace(" ", ":", 1), found.remote.replace(" ", ":", 1))
        if have[0] and (have != ends or state.has_given_up):
            self.tools.setup("disconnect", *have, tolerated=_UNCONNECTED)
        elif have == ends:
            self.share(found, both=both)
            return
        self.tools.setup("connect", self.resource, *ends,
                         *parameters.connect_options(self.disk, both=both),
                         *(["--discard-my-data"] if discard else []))

    def share(self, found: Configured, *, both: bool) -> None:
        """Let both nodes write to a connected device, or only one.

        :param found: how the device is configured
        """
        ends = self._ends()
        if ends is not None and found.remote and found.both != both:
            self.tools.setup("net-options", *ends,
                             *parameters.sharing_options(self.disk, both=both))

    def _ends(self) -> tuple[str, str] | None:
        own, peer, port = self.disk.node, self.peer, self.disk.granted["port"]
        if own is None or peer is None:
            return None
        return _address(own, port), _address(peer, port)

    def settled(self, seconds: float) -> Minor:
        """Wait until the peer has connected, or cannot; return how the device is then.

        :raises BlockDeviceError: it is not configured
        """
        until = time.monotonic() + seconds
        while True:
            state = self.tools.minor(self.number)
            if state is None:
                raise BlockDeviceError(f"{self.title} is not open on node {self.ctx.node}")
            shaking_hands = state.is_connected and state.disk in ("Negotiating", "Attaching")
            if (state.is_connected and not shaking_hands) or state.has_given_up or (
                    time.monotonic() > until):
                return state
            time.sleep(PAUSE)

    def left_by_peer(self, seconds: float) -> Minor:
        """Wait until a peer that writes, and is thought to be lost, has gone for the kernel, too.

        :raises BlockDeviceError: it is not configured
        """
        until = time.monotonic() + seconds
        while (state := self.settled(self.patience.lost)).peer_role == "Primary" and (
                time.monotonic() < until):
            time.sleep(4 * PAUSE)
        return state

    def become_primary(self, *, force: bool = False) -> None:
        # The kernel may call the helper first, and wait for it.
        self.tools.setup("primary", str(self.number), *(["--force"] if force else []),
                         limit=PRIMARY_SECONDS)

    def become_secondary(self) -> None:
        self.tools.setup("secondary", str(self.number))

    def take_down(self) -> None:
        """Let the kernel have nothing of it.

        :raises BlockDeviceError: somebody uses it
        """
        if (found := self.configured()) is not None:
            self.tools.setup("down", found.resource)

    def detach(self) -> None:
        """Let go of the volumes; a device in use goes on with its peer's."""
        self.tools.setup("detach", str(self.number))

    def remove_volumes(self) -> None:
        for which in range(len(self.disk.children)):
            self.child(which, "remove")

    def remove(self) -> None:
        """Take it down, remove both volumes, and forget it."""
        self.take_down()
        self.remove_volumes()
        self.forget()

    def unwrap(self) -> None:
        """As `remove`, but for the data."""
        self.take_down()
        self.child(0, "close")
        self.child(1, "remove")
        self.forget()

    def unwrap_what_was_made(self) -> None:
        """As `unwrap`, after something else has failed, which is what is to be reported."""
        with suppress(BlockDeviceError):
            self.unwrap()

    def remove_what_was_made(self) -> None:
        """As `remove`, after something else has failed, which is what is to be reported."""
        with suppress(BlockDeviceError):
            self.remove()


def _holds_no_notes(message: str) -> bool:
    """Whether drbdmeta has read the volume and found none: it ends with 1 and prints nothing.

    What keeps it from reading has other statuses, such as 20.
    """
    return message.endswith(" exited with status 1") or "No valid meta data found" in message


def _clear(notes: str) -> None:
    """Overwrite the beginning of a volume, which may have held a file system of somebody else.

    ``drbdmeta`` looks for one there, and refuses to go on, ``--force`` or not.

    :raises BlockDeviceError: it cannot be written
    """
    try:
        descriptor = os.open(notes, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, bytes(_CLEARED), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise BlockDeviceError(f"cannot write {notes}: {exc.strerror}") from exc


def is_program(path: str) -> bool:
    """Whether the kernel can start it: by its name on the host, whatever the node's root is."""
    return os.access(path, os.X_OK)


def _address(node: NodeRef, port: int) -> str:
    address = node.secondary_address or node.address
    return f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
