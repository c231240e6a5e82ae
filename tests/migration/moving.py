"""An instance whose guest counts, on real nodes under QEMU, and what must be true of it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api import unix_sockets as sockets

NAME = "counter.example.com"
LONG = 120.0
FINAL = ("success", "error", "canceled")


@dataclass(frozen=True)
class Mover:
    """The instance `NAME` of a cluster."""

    cluster: VirtualCluster

    @property
    def home(self) -> str:
        """The node that the configuration names."""
        (row,) = self.cluster.instances("name", "pnode")
        return row[1].split(".")[0]

    @property
    def other(self) -> str:
        return "node3" if self.home == "node2" else "node2"

    def qemus(self) -> dict[str, list[int]]:
        """Pids of the instance's QEMUs, by node."""
        found: dict[str, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            for node in ("node1", "node2", "node3"):
                folder = f"{self.cluster.root}/{node}/"
                if "-pidfile" in words and any(
                        word.startswith(folder) and word.endswith(f"/{NAME}/pid")
                        for word in words):
                    found.setdefault(node, []).append(int(entry.name))
        return found

    def count(self) -> int:
        """The count that the guest has written to its disk; -1 when there is none yet."""
        (disk,) = [path for path in (self.cluster.root / "shared").rglob("*") if path.is_file()]
        with disk.open("rb") as file:
            file.seek(512)
            found = re.search(rb"[0-9A-F]{8}", file.read(512))
        return int(found[0], 16) if found else -1

    def hear(self, said: bytes) -> None:
        """Wait until the guest says `said` on its serial line; what it said before is lost."""
        node = self.cluster.root / self.home
        (line,) = [path for path in node.rglob("serial") if path.parent.name == NAME]
        with sockets.connect(line, LONG) as connection:
            heard = b""
            while said not in heard:
                chunk = connection.recv(4096)
                assert chunk, f"the guest ended without {said!r}, it said {heard[-200:]!r}"
                heard += chunk

    def migrate(self, *options: str) -> str:
        return self.cluster.submit("gnt-instance", "migrate", "-f", "-n", self.other, *options,
                                   NAME)

    def log(self, job: str) -> str:
        return self.cluster.gnt("gnt-job", "info", job).stdout

    def status(self, job: str) -> str:
        ((status,),) = self.cluster.table("gnt-job", "list", "-o", "status", job)
        return status

    def await_line(self, job: str, line: str) -> None:
        """Wait until the job has logged `line`, or has ended; without a command in between."""
        with self.cluster.luxi() as client:

            def is_logged() -> bool:
                ((entries, status),) = client.query_jobs([int(job)], ["oplog", "status"])
                lines = [str(entry[3]) for op in entries for entry in op]
                return any(line in text for text in lines) or status in FINAL

            # The moment that follows is short.
            wait_until(is_logged, line, LONG, pause=0.01)

    def ended(self, job: str) -> bool:
        return self.status(job) in FINAL

    def await_end(self, job: str) -> str:
        wait_until(lambda: self.ended(job), f"end of job {job}", LONG)
        return self.status(job)

    def strike(self, job: str, phase: str, node: str, number: signal.Signals) -> None:
        """End the guest or the receiver on a node, as a crash does, or halt it, in a phase.

        :param phase: ``* migrating instance to``, or a line that follows it
        """
        self.await_line(job, "* migrating instance to")
        # Looked for before: on a busy machine the transfer would be over before it was found.
        pids = self.qemus().get(node, ())
        self.await_line(job, phase)
        for pid in pids:
            os.kill(pid, number)

    def _await(self, look: Callable[[], object], wanted: object) -> None:
        seen: list[object] = []

        def is_so() -> bool:
            seen[:] = [look()]
            return seen == [wanted]

        try:
            wait_until(is_so, f"{wanted}", LONG)
        except AssertionError:
            raise AssertionError(f"{seen}, not {wanted}") from None

    def check(self, began: int) -> None:
        """There is one guest, on the node that the configuration names; it counts on, and nothing
        is owed.

        :param began: a count from before: the guest was not started anew
        """
        self._await(lambda: {node: len(pids) for node, pids in self.qemus().items()},
                    {self.home: 1})
        self._await(lambda: self.cluster.instances("name", "pnode", "status"),
                    [[NAME, f"{self.home}.example.com", "running"]])
        # It writes every eighth count, and begins with 0 when it is started.
        seen = self.count()
        wait_until(lambda: self.count() > seen, f"a count after {seen}", LONG)
        assert self.count() > began, "it was started anew"
        self._await(lambda: self.cluster.gnt("gnt-node", "list-debts").lines[1:], [])
        self.cluster.verify()
