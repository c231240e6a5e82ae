"""One machine of the lab: a process of QEMU, with its disks, cards and console in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from machines.channels import monitor, run_in_guest
from machines.image import PATIENCE, Image

BOOTING = 300.0
"""Seconds for what takes ten of a processor that nobody else uses."""
DATA_DISKS = {"vdb": 8, "vdc": 4, "vdd": 4}
"""The disks beside the system's, empty, by their names in the guest: GiB."""
CARDS = ("79", "80")
"""By number of the card: the number of its network, 10.N.0.0/24."""
_COMMAND_LINE = ("root=/dev/vda quiet panic=-1 mitigations=off nokaslr audit=0"
                 " net.ifnames=0 random.trust_cpu=1")
_WRAPPED = (f'export HOME=/root LANG=C.UTF-8 {PATIENCE}; cd; out=$(mktemp);'
            ' bash -euo pipefail -c "$1" > "$out" 2>&1 < /dev/null; status=$?;'
            ' cat "$out"; rm "$out"; exit $status')
"""A daemon that a script leaves behind keeps the file open, not the agent's pipe."""


@dataclass(frozen=True)
class Ran:
    """A script that ended; `output` is what it printed on both streams."""

    status: int
    output: str


@dataclass(frozen=True)
class Machine:
    """A machine, running or not.

    :param number: 0 is the one whose state the others are restored from
    :param namespace: the name of the network namespace that its cards are in
    """

    number: int
    folder: Path
    namespace: str
    image: Image

    @property
    def name(self) -> str:
        return f"node{self.number}"

    def create(self) -> None:
        """Make its disks, all new."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _qemu_img("-F", "raw", "-b", self.image.root, self.folder / "vda.qcow2")
        for name, size in DATA_DISKS.items():
            _qemu_img(self.folder / f"{name}.qcow2", f"{size}G")

    def copy_of(self, other: Machine) -> None:
        """Take over the disks of another machine that does not run, with its saved state."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name in ("vda", *DATA_DISKS):
            subprocess.run(["cp", "--sparse=always", other.folder / f"{name}.qcow2", self.folder],
                           check=True)

    def start(self, count: int, *, memory: int, saved: bool = False) -> None:
        """Switch it on; `wait_until_ready` says when it can be used.

        :param count: how many machines there are, which it is to know by their names
        :param memory: MiB
        :param saved: restore the saved state, as `memory` was then
        """
        (self.folder / "memory").write_text(json.dumps([count, memory]))
        console = self.folder / "console.log"
        if console.exists():
            console.rename(self.folder / "console.before.log")
        disks = [word for name in ("vda", *DATA_DISKS) for word in (
            "-drive", f"file={self.folder}/{name}.qcow2,if=virtio,format=qcow2,cache=unsafe,"
            "discard=unmap")]
        # cache=unsafe: what the guest has flushed is in this host's memory, and outlives QEMU.
        cards = [word for card, network in enumerate(CARDS) for word in (
            "-netdev", f"tap,id=net{card},ifname={self.tap(card)},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net{card},id=card{card},romfile=,"
            f"mac=52:54:00:{network}:00:{self.number:02x}")]
        subprocess.run(
            ["ip", "netns", "exec", self.namespace, "qemu-system-x86_64", "-name", self.name,
             "-M", "q35", "-accel", "tcg", "-cpu", self.image.sort.cpu, "-m", str(memory),
             "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-daemonize",
             "-pidfile", self.folder / "pid",
             "-qmp", f"unix:{self.folder}/monitor,server=on,wait=off",
             "-chardev", f"socket,id=console,path={self.folder}/console,server=on,wait=off,"
             f"logfile={console}", "-serial", "chardev:console",
             *self.image.boot_words(f"{_COMMAND_LINE} lab.id={self.number} lab.count={count}"),
             *disks, *cards, "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=agent,path={self.folder}/agent,server=on,wait=off",
             "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
             "-device", "virtio-rng-pci", *(("-loadvm", "ready") if saved else ())],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def tap(self, card: int) -> str:
        """Return the name of the device of this host that a card is attached to."""
        return f"tap{self.number}n{card}"

    def start_again(self) -> None:
        """Switch it on after a power failure: it boots from its disks as they were then."""
        count, memory = json.loads((self.folder / "memory").read_text())
        self.start(count, memory=memory)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """:raises TimeoutError: it has not booted; the message ends with its console's end"""
        until = time.monotonic() + BOOTING
        while "LAB READY" not in (text := self.console()):
            if time.monotonic() > until or self.pid() is None:
                raise TimeoutError(f"{self.name} does not boot; its console ends:\n{text[-2000:]}")
            time.sleep(0.1)
        self.run("true")

    def identify(self, count: int) -> None:
        """Give it its own names and addresses after another's state was restored."""
        done = self.run(f"date -s @{time.time():.0f}; /lab-init identify {self.number} {count}",
                        seconds=BOOTING)
        if done.status:
            raise RuntimeError(f"{self.name}: {done.output}")

    def save(self) -> None:
        """Save its state for `start`, and switch it off."""
        self.run("sync", seconds=BOOTING)
        complaint = monitor(self.folder / "monitor", "human-monitor-command", BOOTING,
                            **{"command-line": "savevm ready"})
        if complaint:
            raise RuntimeError(f"{self.name} cannot be saved: {complaint}")
        self.cut_power()

    def run(self, script: str, seconds: float = 120.0) -> Ran:
        """Run a script of bash there, in /root; it ends at its first failure.

        :raises TimeoutError: it has not ended by then; it may still run
        """
        status, output = run_in_guest(
            self.folder / "agent", ["/bin/sh", "-c", _WRAPPED, "lab", script], seconds)
        return Ran(status, output.decode(errors="replace"))

    def plug(self, card: int, *, connected: bool) -> None:
        """Pull or plug in the cable of a card."""
        monitor(self.folder / "monitor", "set_link", name=f"card{card}", up=connected)

    def cut_power(self) -> None:
        """Let the power fail; harmless when it is off."""
        while (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def console(self) -> str:
        """Return what it has printed on its console since it was switched on."""
        try:
            return (self.folder / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def pid(self) -> int | None:
        """Return the id of its process; None when it is off."""
        try:
            pid = int((self.folder / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        # A zombie has no command line any more.
        return pid if str(self.folder).encode() in command else None


def _qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words], check=True)
