"""Rounds in which something breaks while something is done; a seed chooses both.

Then a tired administrator puts the cluster in order by the commands of ``docs/operations.md``. The
guest is the one of ``data/ledger``; `block_ledger` judges.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from block_ledger import Ledger
from virtual_cluster import UNSOUND, wait_until

GUEST = Path(__file__).parent / "data/ledger/ledger.b64"
"""The guest's boot sector; its source lies beside it."""
NAME = "ledger.example.com"
FINAL = ("success", "error", "canceled")
HOLDS = 2.0
"""Seconds before anybody notices what has happened."""
_ADVICE = re.compile(r"gnt-instance (grow-disk --absolute \S+ \d+ \d+m|reboot \S+)")
_CONCERNS = ("MIGRATE", "FAILOVER", "REPLACE_DISKS", "GROW_DISK", "EXPORT")


class Guest(ABC):
    """The instance `NAME`, the cluster where it is, and how parts of that are lost."""

    operations: Sequence[str]
    faults: Mapping[str, Fault]
    patience = 300.0
    """Seconds for whatever must happen."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    # What differs

    @abstractmethod
    def run(self, *words: str) -> tuple[int, str]:
        """Run a command on the master; return its status, and what it prints."""

    @abstractmethod
    def lost(self, node: str, numbers: Sequence[int]) -> list[int]:
        """Return which of these blocks are not on the copy of a node."""

    @abstractmethod
    def renew_disk(self, node: str) -> None:
        """The disk of a node is dead: put in another one, and make the copy there anew."""

    @abstractmethod
    def third(self) -> str:
        """Return a node that could have a copy, and has none."""

    # How it is

    def rows(self, tool: str, *fields: str) -> list[list[str]]:
        status, said = self.run(tool, "list", "--no-headers", "--separator=|", "-o",
                                ",".join(fields))
        assert status == 0, said
        return [line.split("|") for line in said.splitlines()]

    @property
    def nodes(self) -> list[str]:
        """Its primary node and its secondary one."""
        [row] = self.rows("gnt-instance", "pnode", "snodes")
        return [name.split(".")[0] for name in row]

    @property
    def status(self) -> str:
        [[status]] = self.rows("gnt-instance", "status")
        return status

    def goes_on(self, more: int = 5) -> None:
        """Wait until the guest has acknowledged some more blocks."""
        known = self.ledger.last
        wait_until(lambda: self.ledger.last >= known + more, "the guest writes",
                   self.patience)

    def check(self) -> None:
        """Each acknowledged block is on both copies, and nobody wrote beside the other."""
        numbers = self.ledger.numbers()
        assert not self.ledger.wrong, "\n".join(self.ledger.wrong)
        for node in self.nodes:
            lost = self.lost(node, numbers)
            assert not lost, f"blocks {lost} are not on {node}"

    # How it is put right

    def tries(self, *words: str) -> tuple[int, str]:
        """Run a command, and say so."""
        began = time.monotonic()
        status, said = self.run(*words)
        print(f"  {' '.join(words)}: {status} after {time.monotonic() - began:.1f} s",
              *(f"    {line}" for line in said.splitlines()[-6:] if status), sep="\n", flush=True)
        return status, said

    def does(self, *words: str) -> None:
        status, said = self.tries(*words)
        assert status == 0, said

    def await_jobs(self) -> None:
        wait_until(lambda: all(status in FINAL for (status,) in self.rows("gnt-job", "status")),
                   "no job runs", self.patience)

    def tell_of_job(self) -> None:
        """Say what became of what was done in the round."""
        found = [row for row in self.rows("gnt-job", "id", "status", "summary")
                 if any(name in row[2] for name in _CONCERNS)]
        print(*(f"  job {' '.join(row)}" for row in found[-2:]), sep="\n")


@dataclass(frozen=True)
class Fault:
    """How something is lost on a node, and what brings it back that no command brings back."""

    strike: Callable[[str], None]
    end: Callable[[str], None] = field(default=lambda node: None)


POWER, DISK = "power", "disk"
"""Faults after which an administrator does more than to end them."""
OPERATIONS: Mapping[str, Callable[[Guest], tuple[str, ...]]] = {
    "migrate": lambda guest: ("gnt-instance", "migrate", "-f", NAME),
    "failover": lambda guest: ("gnt-instance", "failover", "-f", NAME),
    "replace the copy": lambda guest: ("gnt-instance", "replace-disks", "-s", NAME),
    "move the copy": lambda guest: (
        "gnt-instance", "replace-disks", "-n", guest.third(), NAME),
    "grow": lambda guest: ("gnt-instance", "grow-disk", NAME, "0", "4M"),
    "export": lambda guest: ("gnt-backup", "export", "--noshutdown", "-n", "node1", NAME),
}


@dataclass(frozen=True)
class Round:
    """What a seed means.

    :param primary: it strikes the primary node, else the secondary one
    :param first: the fault comes before the operation
    :param pause: seconds between the two
    :param moves: where the guest is lost with its node: fail over before that is back
    """

    operation: str
    fault: str
    primary: bool
    first: bool
    pause: float
    moves: bool

    @classmethod
    def of(cls, seed: int, guest: Guest) -> Round:
        dice = Random(seed)
        return cls(dice.choice(guest.operations), dice.choice(list(guest.faults)),
                   dice.random() < 0.5, dice.random() < 0.3, dice.uniform(0.0, 3.0),
                   dice.random() < 0.7)


def play(guest: Guest, seed: int) -> None:
    """Play one round; begins and ends with all in order.

    :raises AssertionError: something that was acknowledged is lost, two have written at once, or
        the commands do not put the cluster in order
    """
    begun, planned = time.monotonic(), Round.of(seed, guest)
    primary, secondary = guest.nodes
    node = primary if planned.primary else secondary
    print(f"\nseed {seed}: {planned}\n  on {primary}:{secondary}, strikes {node}, "
          f"{guest.ledger.last} blocks", flush=True)
    tool, verb, *words = OPERATIONS[planned.operation](guest)
    acts = [lambda: guest.faults[planned.fault].strike(node),
            lambda: guest.tries(tool, verb, "--submit", *words)]
    for act in acts if planned.first else acts[::-1]:
        act()
        time.sleep(planned.pause)
    time.sleep(HOLDS)
    _mend(guest, planned, node)
    guest.tell_of_job()
    guest.goes_on()
    guest.check()
    print(f"  seed {seed}: {guest.ledger.last} blocks after {time.monotonic() - begun:.0f} s",
          flush=True)


def _mend(guest: Guest, planned: Round, node: str) -> None:
    """Bring back what is lost on a node, and all that it has left behind."""
    offline = planned.fault == POWER and planned.moves
    if offline:
        guest.does("gnt-node", "modify", "--offline=yes", node)
        guest.await_jobs()
        if guest.nodes[0] == node:
            guest.tries("gnt-instance", "failover", "-f", NAME)
    if planned.fault == DISK:
        guest.await_jobs()
        guest.renew_disk(node)
    guest.faults[planned.fault].end(node)
    guest.await_jobs()
    if offline:
        guest.does("gnt-node", "modify", "--offline=no", node)
    _put_in_order(guest)


def _put_in_order(guest: Guest) -> None:
    """Until nothing is wrong: clean up, start, connect, and do what the messages say."""
    until = time.monotonic() + guest.patience
    while True:
        status = guest.status
        if status in ("ERROR_down", "ADMIN_down"):
            guest.tries("gnt-instance", "start", NAME)
        elif status != "running":
            print(f"  the instance is {status}")
            guest.tries("gnt-instance", "migrate", "-f", "--cleanup", NAME)
        undone, said = guest.tries("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
        if advice := _ADVICE.search(said):
            guest.tries(*advice[0].split())
        wrong, found = guest.run("gnt-cluster", "verify")
        wrong = wrong or UNSOUND.search(found)
        if not undone and not wrong and guest.status == "running":
            return
        print(*(f"    {line}" for line in found.splitlines() if UNSOUND.search(line)), sep="\n")
        assert time.monotonic() < until, found
        time.sleep(1)
