"""Forget that copies of disks were left behind soon after they follow again.

Jobs that look at a disk do so, too. Until one came along, the node that writes could die, and the
other copy, whole by then, would be refused as an old one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import BIG_LOCK, Level, LockRequest, Want
from ganeti_core.operations.left_behind import asked_where_written, seen_alike

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.locking import LockManager
    from ganeti_core.model import Instance
    from ganeti_core.operations.copy_marks import CopyMarks
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.live import LiveSource

OWNER = "copies"
"""Of the locks, for who lists them."""


@dataclass(frozen=True)
class CaughtUp:
    """Looks at the disks that have marks; where none has, a look costs nothing."""

    store: Store
    host: PluginHost
    locks: LockManager
    live: LiveSource
    marks: CopyMarks

    def look(self) -> None:
        """Forget the marks of disks whose copies are seen alike."""
        snapshot = self.store.snapshot
        marked = {disk.instance for disk in snapshot.disks.values() if disk.stale}
        # Without a lock at first: a node that does not answer holds up nobody's job.
        whole = self._alike(snapshot, [
            instance for uuid in marked
            if (instance := snapshot.instances.get(uuid)) is not None and instance.disks_active])
        for uuid in {snapshot.disks[disk].instance for disk in whole}:
            self._forget(snapshot.instances[uuid])

    def _forget(self, instance: Instance) -> None:
        """Look again while no job changes the instance: one may have marked a copy that is to stay
        behind from then on, and not have acted yet."""
        ticket = self.locks.request(OWNER, LockRequest.of(
            Want(Level.CLUSTER, BIG_LOCK, exclusive=False),
            Want(Level.INSTANCE, instance.name, exclusive=False)), lambda _ticket: None)
        if self.locks.cancel(ticket):
            return  # a job has it; there will be another look
        try:
            snapshot = self.store.snapshot
            now = snapshot.instances.get(instance.uuid)
            if now is not None and now.primary_node == instance.primary_node:
                reports = self.marks.reports()
                for disk in self._alike(snapshot, [now]):
                    self.marks.forget(disk, reports)
        finally:
            self.locks.release(ticket)

    def _alike(self, snapshot: Snapshot, instances: Iterable[Instance]) -> set[str]:
        """The marked disks of instances (uuids) whose copies the nodes that write see alike; one
        round trip per node."""
        questions = [asked for asked in asked_where_written(snapshot, self.host, instances)
                     if asked.disk.stale]
        return seen_alike(self.live.disk_states(questions)) if questions else set()
