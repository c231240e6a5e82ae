"""A guest on a disk of the template drbd, on machines of the lab, and what can happen to it.

It is emulated in an emulated machine. A relay there copies its console onto that of the machine,
which this host keeps: what was acknowledged is known whatever becomes of the machine.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from block_ledger import Ledger
from cluster_of_machines import MachineCluster
from console_listener import ConsoleListener
from machines.fleet import Fleet, Prepared
from machines.machine import Machine
from safety_rounds import DISK, GUEST, NAME, POWER, Fault, Guest

HERE = Path(__file__).parent
HELPER = "/usr/sbin/ganeti-drbd-helper"
LOAD = f"modprobe drbd minor_count=128 usermode_helper={HELPER}"
NO_LOOK = "sed -i 's:^devices {:&\\nglobal_filter = [ \"r|^/dev/drbd|\" ]:' /etc/lvm/lvm.conf"
"""LVM looks at no device of DRBD, for that is a guest's."""
SETUP = f"{LOAD}; {NO_LOOK}; pvcreate -q /dev/vdb; vgcreate -q xenvg /dev/vdb"
REPLICATION = 1
"""The card of the network between the two copies."""
_RELAY = "/srv/safety/relay_console.py"
_ADDRESS = "10.80.0.1{}"
_VOLUME = "drbdsetup show | grep -oE '^ *\\s*disk\\s+\"/[^\"]+' | head -1 | cut -d'\"' -f2"
"""Prints the volume of the data: its name does not tell it from that of the notes."""
_LONG = 900.0
"""Seconds for what takes some where nothing is emulated."""


class DrbdGuest(Guest):
    """The instance on the second and the third machine; the first one is the master."""

    @classmethod
    @contextmanager
    def lent(cls, package: Path) -> Iterator[DrbdGuest]:
        """Give one for as long as it is used; ``GANETI_LAB_KEPT`` as for other clusters there."""
        kept = os.environ.get("GANETI_LAB_KEPT")
        fleet = Fleet(kept or f"r{os.getpid()}")
        try:
            made = (cls(MachineCluster(fleet, fleet.all())) if kept and len(fleet.all()) == 3
                    else cls.install(fleet, package))
            with MachineConsoles(made.cluster.machines, made.ledger):
                made.goes_on()
                yield made
        finally:
            if not kept:
                fleet.down()

    operations = ("migrate", "failover", "replace the copy", "grow", "export")
    patience = 1200.0

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__()
        self.cluster = cluster
        self.faults = {
            "node daemon": Fault(self._kill("ganeti-noded"), self._start("ganeti-noded")),
            "master": Fault(
                lambda node: self._on("node1", _killing("ganeti-masterd")),
                lambda node: self._on("node1", "ganeti-masterd")),
            "helper": Fault(self._kill_helper),
            POWER: Fault(lambda node: self._machine(node).cut_power(), self.boot),
            "cable": Fault(lambda node: self._machine(node).plug(REPLICATION, connected=False),
                           lambda node: self._machine(node).plug(REPLICATION, connected=True)),
            DISK: Fault(self._break_volume),
        }

    @classmethod
    def install(cls, fleet: Fleet, package: Path) -> DrbdGuest:
        """Make a cluster of three machines whose copies have a network for themselves."""
        machines = fleet.up(3, Prepared(
            f"dpkg -i {package.name} > /dev/null\n{SETUP}", (package,)))
        made = cls(MachineCluster(fleet, machines))
        for machine in machines:
            fleet.copy([HERE / "relay_console.py", HERE.parent / "block_ledger.py", GUEST],
                       machine, "/srv/safety")
            made._on(machine.name, "mkdir -p /srv/ganeti/os; cp -rL $(find /usr/lib/ganeti-core "
                     "-path '*os_definitions/tiny') /srv/ganeti/os/ledger; "
                     "cp /srv/safety/ledger.b64 /srv/ganeti/os/ledger/boot-sector.b64")
            made._relay(machine.name)
        made.does("gnt-cluster", "init", "--enabled-hypervisors=kvm", "--master-netdev=br0",
                "--enabled-disk-templates=plain,drbd", "--ipolicy-disk-templates=plain,drbd",
                "--vg-name=xenvg", f"--drbd-usermode-helper={HELPER}", "-s", _ADDRESS.format(1),
                "-H", "kvm:kvm_flag=disabled,kernel_path=", "cluster.example.com")
        for machine in machines[1:]:
            # The look at the host before it is a node takes a minute of an emulated processor.
            made.does("gnt-node", "add", "--no-ssh-key-check", "--no-preflight", "-s",
                      _ADDRESS.format(machine.number), f"{machine.name}.example.com")
        made.does("gnt-instance", "add", "-t", "drbd", "-s", "32M", "-o", "ledger", "-B",
                "memory=16M", "-n", "node2:node3", "--no-nics", "--no-name-check",
                "--no-ip-check", NAME)
        return made

    def run(self, *words: str) -> tuple[int, str]:
        ran = self.cluster.on(1).run(shlex.join(words), seconds=_LONG)
        return ran.status, ran.output

    def lost(self, node: str, numbers: Sequence[int]) -> list[int]:
        # The kernel writes to the volume past the cache of pages, which is read past, too.
        said = self._on(node, (
            f"dd if=$({_VOLUME}) of=/run/copy bs=1M count=4 iflag=direct "
            f"status=none; cd /srv/safety; echo {shlex.quote(json.dumps(list(numbers)))} | "
            "python3 -c 'import json, sys; from block_ledger import missing; "
            "print(missing(open(\"/run/copy\", \"rb\").read(), json.load(sys.stdin)))'"))
        return list(json.loads(said))

    def third(self) -> str:
        raise NotImplementedError("the master has no copies")

    def renew_disk(self, node: str) -> None:
        which = "-p" if self.nodes[0] == node else "-s"
        self.tries("gnt-instance", "replace-disks", which, NAME)

    # What can be lost

    def boot(self, node: str) -> None:
        """As an init system does it."""
        self._machine(node).start_again()
        self._on(node, f"{LOAD}; ganeti-noded")
        self._relay(node)

    def _machine(self, node: str) -> Machine:
        return self.cluster.on(int(node.removeprefix("node")))

    def _on(self, node: str, script: str) -> str:
        ran = self._machine(node).run(script, seconds=_LONG)
        assert ran.status == 0, f"{node}: {script}:\n{ran.output}"
        return ran.output

    def _relay(self, node: str) -> None:
        self._on(node, f"setsid python3 {_RELAY} {NAME} < /dev/null > /dev/null 2>&1 &")

    def _kill(self, daemon: str) -> Callable[[str], object]:
        return lambda node: self._on(node, _killing(daemon))

    def _start(self, daemon: str) -> Callable[[str], object]:
        return lambda node: self._on(node, daemon)

    def _kill_helper(self, node: str) -> None:
        """Cut the cable, and kill who is to report that; the kernel lets writes wait meanwhile."""
        machine = self._machine(node)
        machine.plug(REPLICATION, connected=False)
        try:
            for _ in range(5):
                # Not the shell that has these words on its own command line.
                self._on(node, "pkill -9 -f '[g]aneti-drbd-helper' || true")
                time.sleep(2)
        finally:
            machine.plug(REPLICATION, connected=True)

    def _break_volume(self, node: str) -> None:
        """Let the volume of the data be one that refuses all."""
        self._on(node, f"volume=$(basename $(readlink -f $({_VOLUME}))); "
                 "volume=$(cat /sys/block/$volume/dm/name); "
                 "size=$(blockdev --getsz /dev/mapper/$volume); "
                 "dmsetup suspend --noflush $volume; "
                 "dmsetup load $volume --table \"0 $size error\"; dmsetup resume $volume")


def _killing(daemon: str) -> str:
    return f"kill -9 $(cat /var/run/ganeti/{daemon}.pid)"


class MachineConsoles(ConsoleListener):
    """Enters in a ledger what guests say on the machines' consoles."""

    def __init__(self, machines: Sequence[Machine], ledger: Ledger) -> None:
        super().__init__(ledger)
        self._machines = machines

    def listen(self) -> None:
        opened = {one: (one.folder / "console.log").open("rb") for one in self._machines}
        rests = dict.fromkeys(self._machines, b"")
        while not self.is_over(0.2):
            for one, log in opened.items():
                path = one.folder / "console.log"
                is_new = path.exists() and path.stat().st_ino != os.fstat(log.fileno()).st_ino
                rests[one] = self.ledger.hear(one.name, rests[one] + log.read())
                if is_new:  # it was switched on again
                    log.close()
                    opened[one] = path.open("rb")
        for log in opened.values():
            log.close()

