"""A cluster on machines of the lab, installed from the package, as tests use it."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machines.fleet import Fleet, Prepared
from machines.machine import Machine, Ran
from machines.sorts import USUAL, Sort

PATIENCE = 600.0
"""Seconds for what takes a few where nothing is emulated."""


@dataclass(frozen=True)
class MachineCluster:
    """The cluster; its first machine is the master."""

    fleet: Fleet
    machines: Sequence[Machine]

    @classmethod
    @contextmanager
    def lent(cls, name: str, count: int, package: Path, script: str, *init: str,
             templates: str, hypervisor: str = "fake", sort: Sort = USUAL
             ) -> Iterator[MachineCluster]:
        """Give a cluster for as long as it is used; see `up`.

        With ``GANETI_LAB_KEPT`` set it is left up in the lab of that name and given again, for who
        writes tests: making it takes most of the time.

        :param name: of the lab, unique among those that may be up at once
        """
        kept = os.environ.get("GANETI_LAB_KEPT")
        fleet = Fleet(kept or f"{name}{os.getpid()}", sort=sort)
        try:
            if kept and len(fleet.all()) == count:
                yield cls(fleet, fleet.all())
            else:
                yield cls.up(fleet, count, package, script, *init, templates=templates,
                             hypervisor=hypervisor)
        finally:
            if not kept:
                fleet.down()

    @classmethod
    def up(cls, fleet: Fleet, count: int, package: Path, script: str, *init: str,
           templates: str, hypervisor: str = "fake") -> MachineCluster:
        """Start machines with the package and make a cluster of them.

        :param script: run on a machine before its state is saved
        :param init: options of ``gnt-cluster init``
        :param templates: disk templates to enable
        :param hypervisor: to enable
        """
        machines = fleet.up(count, Prepared(
            f"dpkg -i {package.name} > /dev/null\n{script}", (package,)))
        made = cls(fleet, machines)
        made.gnt("gnt-cluster", "init", f"--enabled-hypervisors={hypervisor}",
                 "--master-netdev=br0", f"--enabled-disk-templates={templates}",
                 f"--ipolicy-disk-templates={templates}", *init, "cluster.example.com")
        for machine in machines[1:]:
            made.gnt("gnt-node", "add", "--no-ssh-key-check", f"{machine.name}.example.com")
        return made

    def on(self, number: int) -> Machine:
        """Return the machine ``nodeN``."""
        return self.machines[number - 1]

    def run(self, *words: str) -> Ran:
        """Run a command on the master."""
        return self.on(1).run(shlex.join(words), seconds=PATIENCE)

    def gnt(self, *words: str) -> str:
        """Run a command that must succeed; return what it prints."""
        ran = self.run(*words)
        assert ran.status == 0, f"{shlex.join(words)}:\n{ran.output}"
        return ran.output

    def fails(self, *words: str) -> str:
        """Run a command that must be refused; return what it prints."""
        ran = self.run(*words)
        assert ran.status != 0, f"{shlex.join(words)}:\n{ran.output}"
        return ran.output

    def wait(self, number: int, condition: str, what: str) -> None:
        """Wait until a script on a machine ends well."""
        until = time.monotonic() + PATIENCE
        while (ran := self.on(number).run(condition)).status:
            assert time.monotonic() < until, f"{what}: {ran.output}"
            time.sleep(0.2)

    def power_back(self, number: int) -> None:
        """Switch a machine on again and start its daemon, as an init system would."""
        self.on(number).start_again()
        ran = self.on(number).run("ganeti-noded")
        assert ran.status == 0, ran.output
