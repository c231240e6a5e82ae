"""The processes that have a disk open on a node: the storage daemon, and the file that is the disk.

A storage daemon is the disk of the node: as ``primary`` it serves who uses the disk here and copies
to the other node; as ``secondary`` it takes what the other node copies. The file is another one's,
which reads and writes through the first: QEMU does not let a disk be a file and be copied at once.
"""

from __future__ import annotations

import json
import mmap
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.plugin_api import BlockDeviceError, CommandFailed, processes, run_command

from .places import Places
from .qmp import Qmp, QmpLost
from .users import users_of, without_a_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ganeti_core.plugin_api import HookContext

PROGRAM = "qemu-storage-daemon"
FOLDERS = ("usr/bin", "usr/local/bin")
EXPORT = "disk"
MIRRORED = "mirrored"
"""The node that copies what is written, while there is one."""
MIB = 1 << 20
START_SECONDS = 50.0
"""A busy host may need as long for a process."""
END_SECONDS = 20.0
FOR_EVER = (1 << 32) - 1
"""Seconds; the largest number that QEMU takes. Who waits is released by a command."""
PAUSE = 0.02

Role = Literal["primary", "secondary"]


@dataclass(frozen=True)
class Store:
    """The storage daemon of a disk, and the process that makes it a file."""

    ctx: HookContext
    places: Places

    @property
    def name(self) -> str:
        return f"store-{self.places.uuid}"

    @property
    def front(self) -> str:
        return f"front-{self.places.uuid}"

    def role(self) -> Role | None:
        """What the storage daemon is; None where there is none."""
        found = processes.kept(self.ctx).get(self.name)
        return found.facts["role"] if found is not None else None

    def size(self) -> int:
        """Return how large the disk is for the storage daemon, MiB; 0 where there is none."""
        found = processes.kept(self.ctx).get(self.name)
        if found is None:
            return 0
        # Those of earlier versions of this plugin say nothing of it.
        return int(found.facts.get("size") or self.places.order().get("size", 0))

    def qmp(self) -> Qmp:
        """:raises QmpLost: there is no storage daemon, or it does not reply"""
        return Qmp.at(self.places.qmp)

    def start(self, role: Role, path: str, size: int) -> None:
        """Open what lies at `path` and be the disk of `size` MiB on this node.

        :raises BlockDeviceError: it cannot be opened
        """
        self.places.folder.mkdir(mode=0o700, exist_ok=True)
        self.places.qmp.unlink(missing_ok=True)
        serves = self.places.guest if role == "primary" else self.places.copy
        words = [
            "--chardev", f"socket,id=qmp,path={self._short(self.places.qmp)},server=on,wait=off",
            "--monitor", "chardev=qmp",
            "--blockdev", json.dumps({"driver": _driver(path), "node-name": "below",
                                      "filename": path, "discard": "unmap"}),
            "--blockdev", json.dumps({"driver": "raw", "node-name": "data", "file": "below",
                                      "size": size * MIB, "discard": "unmap"}),
            "--nbd-server", f"addr.type=unix,addr.path={self._short(serves)}"]
        if role == "primary":
            words += ["--blockdev", json.dumps({
                "driver": "raw", "node-name": "disk", "file": "data", "discard": "unmap"})]
        else:
            # Each write is on the storage before it is acknowledged: what the guest flushes is
            # flushed on the other node only.
            words += ["--export", f"nbd,id=copy,node-name=data,name={EXPORT},writable=on,"
                      "writethrough=on"]
        self._begin(self.name, words, {"role": role, "size": size})
        self._await(self.name, self._replies, f"open {path}")

    def serve(self) -> None:
        """Let the disk be used on this node; it is served already, or from now on."""
        self.serve_guest()
        self.serve_shared()

    def serve_guest(self) -> None:
        """Let the file that is the disk be connected with the storage daemon."""
        # Copying takes the place of a node for those who use it by then: who comes later must use
        # the one that copies, or his writes pass it by.
        with self.places.locked(), self.qmp() as qmp:
            if "guest" not in qmp.exports():
                node = MIRRORED if MIRRORED in qmp.nodes() else "disk"
                qmp.run("block-export-add", type="nbd", id="guest", node_name=node, name=EXPORT,
                        writable=True)

    def serve_shared(self) -> None:
        """Be the disk as a file, whoever serves it here."""
        if processes.kept(self.ctx).get(self.front) is None:
            left = users_of(self.places.device) if self._is_mounted() else []
            self._unmount()
            self.places.device.touch(mode=0o600)
            self.places.front_qmp.unlink(missing_ok=True)
            self._begin(self.front, [
                "--chardev", "socket,id=qmp,server=on,wait=off,"
                f"path={self._short(self.places.front_qmp)}", "--monitor", "chardev=qmp",
                "--blockdev", json.dumps({
                    "driver": "nbd", "node-name": "disk", "export": EXPORT,
                    "server": {"type": "unix", "path": self._short(self.places.guest)},
                    "reconnect-delay": FOR_EVER, "discard": "unmap"}),
                "--export", "fuse,id=disk,node-name=disk,writable=on,"
                f"mountpoint={str(self.places.device).replace(',', ',,')}"], {"left": left})
        self._await(self.front, self._is_mounted, f"make {self.places.device} the disk")

    def is_out_of_reach(self) -> bool:
        """Whether somebody uses the disk by a file that was there before its process was killed."""
        found = processes.kept(self.ctx).get(self.front)
        return found is not None and without_a_file(found.facts.get("left", ()))

    def can_widen(self) -> bool:
        """Whether the file can become larger while it is used."""
        return self.front not in processes.kept(self.ctx) or self.places.front_qmp.exists()

    def widen(self, size: int) -> None:
        """Let the file be `size` MiB large; the storage daemon is, and serves it.

        :raises BlockDeviceError: it cannot be
        """
        # It learns the size when it connects again, and that it does when it is asked for data.
        _read_uncached(self.places.device)
        with Qmp.at(self.places.front_qmp) as front:
            front.run("block_resize", node_name="disk", size=size * MIB)
        until = time.monotonic() + START_SECONDS
        while self.places.device.stat().st_size < size * MIB:  # the kernel remembers it a while
            if time.monotonic() > until:
                raise BlockDeviceError(f"{self.places.device} does not become {size} MiB large")
            time.sleep(PAUSE)

    @contextmanager
    def sink(self, size: int) -> Iterator[None]:
        """Let what is still to be written to the other copy go nowhere: its loss is durable.

        Otherwise a storage daemon that gives up copying waits for it while it does so.

        :param size: of the disk, MiB
        """
        name = f"sink-{self.places.uuid}"
        self.places.link.unlink(missing_ok=True)
        self._begin(name, [
            "--blockdev", json.dumps({"driver": "null-co", "node-name": "nowhere",
                                      "size": size * MIB}),
            "--nbd-server", f"addr.type=unix,addr.path={self._short(self.places.link)}",
            "--export", f"nbd,id=nowhere,node-name=nowhere,name={EXPORT},writable=on"], {})
        try:
            self._await(name, self.places.link.exists, "let go of the other copy")
            yield
        finally:
            processes.end(self.ctx, name)
            self.places.link.unlink(missing_ok=True)

    def end_front(self) -> None:
        """Take the file away; what was written to it is in the storage daemon."""
        processes.end(self.ctx, self.front, END_SECONDS)
        self._unmount()
        self.places.device.unlink(missing_ok=True)

    def end(self) -> bool:
        """End the storage daemon; returns whether it had written everything."""
        finished = False
        with suppress(QmpLost), self.qmp() as qmp:
            qmp.run("quit")
            until = time.monotonic() + END_SECONDS
            while (running := self.role() is not None) and time.monotonic() < until:
                time.sleep(PAUSE)
            finished = not running
        processes.end(self.ctx, self.name)
        return finished

    def _begin(self, name: str, words: list[str], facts: dict[str, Any]) -> None:
        program = program_of(self.ctx)
        if program is None:
            raise BlockDeviceError(f"node {self.ctx.node}: {PROGRAM} not found: install "
                                   "qemu-system-common (or qemu-utils)")
        processes.begin(self.ctx, name, [program, *words], facts=facts)

    def _await(self, name: str, reached: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + START_SECONDS
        while not reached():
            gone = processes.kept(self.ctx).get(name) is None
            if gone or time.monotonic() > until:
                processes.end(self.ctx, name)
                raise BlockDeviceError(
                    f"node {self.ctx.node}: {PROGRAM} did not {what}: {self._last_words(name)}")
            time.sleep(PAUSE)

    def _last_words(self, name: str) -> str:
        with suppress(OSError, IndexError):
            log = self.ctx.logs / f"{name}.log"
            return log.read_text(errors="replace").splitlines()[-1][-300:]
        return f"see {self.ctx.logs / name}.log"

    def _replies(self) -> bool:
        try:
            with self.qmp():
                return True
        except QmpLost:
            return False

    def _is_mounted(self) -> bool:
        # A mount whose process was killed is still there, and cannot be looked at otherwise.
        needle = str(self.places.device).replace(" ", "\\040")
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
        return any(line.split()[4] == needle for line in mounts.splitlines())

    def _unmount(self) -> None:
        if self._is_mounted():
            with suppress(CommandFailed):
                run_command(["umount", "-l", self.places.device], timeout=10)

    def _short(self, path: Path) -> str:
        """A path as the processes see it from their folder: the kernel takes 107 bytes of it."""
        return str(path.relative_to(self.ctx.state))


def program_of(ctx: HookContext) -> Path | None:
    """Return the storage daemon of this node."""
    paths = [root / folder / PROGRAM for root in (ctx.root, Path("/")) for folder in FOLDERS]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def _read_uncached(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as page:
            os.preadv(opened, [page], 0)
    finally:
        os.close(opened)


def size_of(path: str) -> int:
    """Return how many bytes a file or device has."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(opened, 0, os.SEEK_END)
    finally:
        os.close(opened)


def _driver(path: str) -> str:
    try:
        return "host_device" if stat.S_ISBLK(os.stat(path).st_mode) else "file"
    except OSError as exc:
        raise BlockDeviceError(f"{path}: {exc.strerror}") from exc
