"""The marks of copies that miss something, as the configuration has them: who changes them, changes
them here.

Jobs do that under their locks. Nodes report without any, while writes to the disk wait for the
answer: what a job knows of a disk may then be older than a report, and must not undo it. Nor must
the commit that brings a new disk: what was marked while the job made and filled it comes with it.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Edit, Put
from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import Disk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ganeti_core.config.store import Change, Store

MOST_EARLY = 10_000
"""Disks that are not in the configuration and have marks; of more the oldest are forgotten."""


@dataclass
class _Alone:
    """Held by who changes the marks of one disk; kept while somebody does, or waits to."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


@dataclass
class CopyMarks:
    """Changes the marks; methods may be used from any thread."""

    store: Store
    _reports: Counter[str] = field(default_factory=Counter)
    _early: OrderedDict[str, tuple[str, ...]] = field(default_factory=OrderedDict)
    """The marks of disks that are not in the configuration: a job makes them, or they are gone."""
    _held: dict[str, _Alone] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def reports(self) -> Mapping[str, int]:
        """How often nodes have reported of each disk (uuid), for `forget`."""
        with self._guard:
            return dict(self._reports)

    def add(self, disk: str, copies: Collection[str], *, writer: str = "") -> tuple[str, ...]:
        """Write down that copies of a disk miss what is written from now on.

        :param disk: its uuid; what is marked of one that is not in the configuration yet comes with
            the disk (`committing`)
        :param copies: uuids of their nodes
        :param writer: uuid of the node that is going to write: where its own copy misses something,
            nothing is written down, for it may not
        :returns: all that are marked now
        """
        with self._alone(disk) as known:
            marked = self._marked(disk, known)
            if writer in marked:
                return marked
            marked = tuple(dict.fromkeys((*marked, *copies)))
            self._write(disk, known, marked)
            return marked

    def drop(self, disk: str, copy: str) -> None:
        """Forget the mark of a copy (uuid of its node): by now it is the one that counts."""
        with self._alone(disk) as known:
            self._write(disk, known, tuple(
                uuid for uuid in self._marked(disk, known) if uuid != copy))

    def forget(self, disk: str, reports: Mapping[str, int]) -> None:
        """Forget all marks of a disk: its copies were seen alike.

        :param reports: what `reports` returned before anybody looked; a mark that was reported
            since stays
        """
        with self._alone(disk) as known:
            if self._reports[disk] == reports.get(disk, 0):
                self._write(disk, known, ())

    def report(self, disk: str, copy: str, by: str) -> None:
        """Write down what a node reports: it writes to a disk, and another copy does not follow.

        Returns when that is durable. What is reported of a disk that is not in the configuration is
        kept in memory, and written down by the commit of the job that makes the disk. If this
        master ends before that commit, the job is undone, and its disk is removed.

        :param copy: uuid of the node with that copy; `by`: of the one that reports
        :raises OpPrereqError: the node may not write to the disk: another copy is newer, or the
            disk is not there (`ECODE_STATE`)
        """
        with self._alone(disk) as known:
            if by == copy or (known is not None and by not in known.nodes):
                raise OpPrereqError(f"Disk {disk} has no copy on node {by} beside that on {copy}: "
                                    "this report changes nothing", ECODE_STATE)
            marked = self._marked(disk, known)
            if by in marked:
                raise OpPrereqError(
                    f"Disk {disk} must not be written on node {by}: its copy there misses what was "
                    "written on another node", ECODE_STATE)
            with self._guard:
                self._reports[disk] += 1
            self._write(disk, known, tuple(dict.fromkeys((*marked, copy))))

    @contextmanager
    def committing(self, changes: Sequence[Change]) -> Iterator[list[Change]]:
        """Give the changes of a commit as they are to be made: new disks with their marks.

        Whoever marks one of these disks meanwhile waits, and finds it in the configuration.
        """
        known = self.store.snapshot.disks
        new = {change.value.uuid for change in changes
               if isinstance(change, Put) and isinstance(change.value, Disk)
               and change.value.uuid not in known}
        with ExitStack() as held:
            for uuid in sorted(new):
                held.enter_context(self._alone(uuid))
            yield [self._with_marks(change) if change.value.uuid in new else change
                   for change in changes]
            with self._guard:
                for uuid in new:
                    self._early.pop(uuid, None)

    def _with_marks(self, change: Change) -> Change:
        disk = change.value
        if not isinstance(disk, Disk):
            return change
        early = [uuid for uuid in self._marked(disk.uuid, None) if uuid in disk.nodes]
        return Put(replace(disk, stale=tuple(dict.fromkeys((*disk.stale, *early)))))

    @contextmanager
    def _alone(self, disk: str) -> Iterator[Disk | None]:
        """Give the disk as it is now, while nobody else changes its marks."""
        with self._guard:
            held = self._held.setdefault(disk, _Alone())
            held.users += 1
        try:
            with held.lock:
                yield self.store.snapshot.disks.get(disk)
        finally:
            with self._guard:
                held.users -= 1
                if not held.users:
                    del self._held[disk]

    def _marked(self, disk: str, known: Disk | None) -> tuple[str, ...]:
        if known is not None:
            return known.stale
        with self._guard:
            return self._early.get(disk, ())

    def _write(self, disk: str, known: Disk | None, marked: tuple[str, ...]) -> None:
        if known is None:
            with self._guard:
                self._early.pop(disk, None)
                if marked:
                    self._early[disk] = marked
                while len(self._early) > MOST_EARLY:
                    self._early.popitem(last=False)
        elif marked != known.stale:
            self.store.commit([Edit(known, {"stale": marked})])
