"""A master's journal and its candidates in one process: real databases, a network that fails."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganeti_core.config.database import Database, Write
from ganeti_core.config.journal import Journal
from ganeti_core.config.marks import Mark
from ganeti_core.config.replica import Group, Position, Replica, position_of
from ganeti_core.config.replicate import Replicator
from ganeti_core.errors import NodeUnreachable, OutcomeUnknown, StaleEpoch

MASTER = "master"
TABLES = ("meta", "object", "job", "job_change", "archive", "saga")


def contents(path: Path) -> dict[str, list[Any]]:
    """Every row of a database."""
    with closing(sqlite3.connect(path)) as db:
        return {table: sorted(db.execute(f"SELECT * FROM {table}"))  # noqa: S608  # names from here
                for table in TABLES}


@dataclass
class NodeCopy:
    """A node as the master reaches it.

    :param state: ``up``, ``dead`` (nothing arrives), ``deaf`` (all arrives, no answer does) or
        ``hung`` (nothing happens until it is released)
    """

    replica: Replica
    path: Path
    state: str = "up"
    epoch: int = 1
    mark: Mark = field(default_factory=lambda: Mark(0, frozenset()))
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def act(self, what: str, epoch: int, do: Callable[[], Any]) -> Any:
        self.asked.append(what)
        if self.state == "dead":
            raise NodeUnreachable("it is dead")
        if self.state == "hung":
            self.released.wait(30)
        with self.guard:
            if epoch < self.epoch:
                raise StaleEpoch("a newer master was here")
            answer = do()
        if self.state == "deaf":
            raise OutcomeUnknown("the answer is lost")
        return answer

    def note(self, mark: Mark) -> bool:
        if mark.number < self.mark.number:
            return False
        self.mark = mark
        return True


class Network:
    """The link of one master to its nodes."""

    def __init__(self, folder: Path, candidates: Sequence[str], plain: Sequence[str] = ()) -> None:
        self.epoch = 1
        self.nodes: dict[str, NodeCopy] = {}
        self.roles = list(candidates)
        for name in (*candidates, *plain):
            path = folder / name / "cluster.db"
            path.parent.mkdir(parents=True)
            self.nodes[name] = NodeCopy(Replica(path), path)
        self.here = Mark(0, frozenset())
        self.here_is_full = False
        self.threads = ThreadPoolExecutor(64)

    def candidates(self) -> list[str]:
        return list(self.roles)

    def voters(self) -> list[str]:
        return list(self.nodes)

    def others(self) -> list[str]:
        return list(self.nodes)

    def position(self, node: str) -> Position:
        one = self.nodes[node]
        return one.act("position", self.epoch, one.replica.position)

    def append(self, node: str, group: Group) -> bool:
        one = self.nodes[node]
        # As over the wire: what arrives is another object.
        return one.act("append", self.epoch, lambda: one.replica.append(
            Group.from_dict(group.to_dict())))

    def append_all(self, nodes: Sequence[str], group: Group) -> dict[str, Callable[[float], bool]]:
        return {node: self.threads.submit(self.append, node, group).result for node in nodes}

    def send_copy(self, node: str, cut: Sequence[tuple[int, str]]) -> None:
        one = self.nodes[node]
        for number, (offset, chunk) in enumerate(cut):
            last = number == len(cut) - 1
            one.act("copy", self.epoch,
                    lambda o=offset, c=chunk, e=last: one.replica.receive(o, c, last=e))

    def mark(self, node: str, mark: Mark) -> bool:
        one = self.nodes[node]
        return one.act("mark", self.epoch, lambda: one.note(mark))

    def mark_here(self, mark: Mark) -> bool:
        if self.here_is_full:
            return False
        if mark.number > self.here.number:
            self.here = mark
        return True

    def may_win(self, node: str) -> bool:
        """Whether any majority that the node could gather would let it become master."""
        marks = {name: one.mark for name, one in self.nodes.items()} | {MASTER: self.here}
        size = len(marks)
        for count in range(size // 2 + 1, size + 1):
            for voters in itertools.combinations(marks, count):
                if node in voters:
                    newest = max((marks[name] for name in voters), key=lambda mark: mark.number)
                    if node not in newest.stale:
                        return True
        return False


@dataclass
class Master:
    """A running journal with its replicator."""

    network: Network
    journal: Journal
    replicator: Replicator
    fences: list[str]

    def commit(self, number: int, text: str = "x") -> None:
        """Make one job durable; returns when it is reported."""
        self.journal.write([Write("job", (number,), f'"{text}"')])

    @property
    def path(self) -> Path:
        return self.journal.path

    def current(self) -> set[str]:
        return {node for node, is_current in self.replicator.status().items() if is_current}


def start(folder: Path, network: Network, *, alone: bool = False) -> Master:
    """Start a master on the database in `folder`, or on a new one."""
    path = folder / MASTER / "cluster.db"
    path.parent.mkdir(exist_ok=True)
    journal = Journal(path)
    if "epoch" not in journal.meta():
        journal.write([Write("meta", ("epoch",), "1")])
    fences: list[str] = []
    replicator = Replicator(network, path, position_of(journal.meta()), first_mark=journal.floor,
                            fenced=fences.append, alone=alone)
    journal.replicas = replicator
    return Master(network, journal, replicator, fences)


def stop(master: Master) -> None:
    for node in master.network.nodes.values():
        node.released.set()
    master.replicator.stop_waiting()
    master.journal.close()
    master.replicator.close()


def jobs_in(path: Path) -> set[int]:
    with closing(Database(path)) as database:
        return {row[0] for row in database.rows("job")}


def running(folder: Path, network: Network, **options: Any) -> Iterator[Master]:
    """For ``with``: a master that has brought its candidates up to date."""
    master = start(folder, network, **options)
    try:
        master.replicator.synchronise(2.0)
        yield master
    finally:
        stop(master)
