"""Several machines on two networks, started from the saved state of one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machines import image
from machines.machine import BOOTING, CARDS, DATA_DISKS, Machine
from machines.sorts import SORTS, USUAL, Sort

KEPT_SECONDS = 24 * 3600.0
PORT = 8000
"""Of the server that files are copied from; it is there while they are."""


@dataclass(frozen=True)
class Prepared:
    """What is done on the first machine before its state is saved: all others have it then.

    :param script: run there, by bash
    :param files: of this host, put into ``/root`` before
    """

    script: str = ""
    files: tuple[Path, ...] = ()

    def digest(self) -> str:
        found = hashlib.sha256(self.script.encode())
        for file in self.files:
            found.update(file.name.encode() + b"\0" + file.read_bytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Fleet:
    """The machines of one lab; labs of different names do not meet.

    :param name: of the lab, at most 8 letters and digits
    :param memory: MiB of each machine; 0: as much as its sort needs
    """

    name: str = "lab"
    memory: int = 0
    sort: Sort = USUAL

    @classmethod
    def found(cls, name: str) -> Fleet:
        """Return the lab of that name as it was brought up."""
        sort = image.home() / f"lab-{name}" / "sort"
        return cls(name, sort=SORTS[sort.read_text()] if sort.exists() else USUAL)

    @property
    def folder(self) -> Path:
        return image.home() / f"lab-{self.name}"

    @property
    def _memory(self) -> int:
        return self.memory or self.sort.memory

    @property
    def namespace(self) -> str:
        return f"gntlab-{self.name}"

    def machine(self, number: int) -> Machine:
        """Return the machine ``nodeN``, whether it is there or not."""
        return Machine(number, self.folder / f"node{number}", self.namespace,
                       image.located(self.sort))

    def all(self) -> list[Machine]:
        """List the machines that there are, running or not."""
        if not self.folder.is_dir():
            return []
        return [self.machine(number) for number in sorted(
            int(one.name.removeprefix("node")) for one in self.folder.glob("node*"))]

    def up(self, count: int, prepared: Prepared | None = None) -> list[Machine]:
        """Start so many machines; those that there were are removed.

        :raises OSError: the machines cannot be started, or do not boot
        """
        self.down()
        image.ready(self.sort)
        self.folder.mkdir(parents=True)
        (self.folder / "sort").write_text(self.sort.name)
        self._make_network(count)
        saved = self._saved(prepared or Prepared())
        machines = [self.machine(number) for number in range(1, count + 1)]

        def restore(machine: Machine) -> None:
            machine.copy_of(saved)
            machine.start(count, memory=self._memory, saved=True)
            machine.identify(count)

        with ThreadPoolExecutor() as pool:
            list(pool.map(restore, machines))
        return machines

    def down(self) -> None:
        """Switch all off and remove them and their networks; the image and saved states stay."""
        for machine in self.all():
            machine.cut_power()
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False,
                       capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def copy(self, sources: Sequence[Path], machine: Machine, folder: str) -> None:
        """Copy files and folders of this host into a folder of a machine."""
        with tempfile.TemporaryDirectory() as served:
            with tarfile.open(Path(served) / "files.tar", "w") as packed:
                for source in sources:
                    packed.add(source, source.name)
            with self._served(Path(served)):
                done = machine.run(
                    f"mkdir -p {folder}; cd {folder}; for try in $(seq 50); do"
                    f" busybox wget -q -O - http://10.{CARDS[0]}.0.1:{PORT}/files.tar"
                    " | tar -x && exit; sleep 0.2; done; exit 1", seconds=BOOTING)
        if done.status:
            raise RuntimeError(f"{machine.name}: the files have not arrived: {done.output}")

    @contextmanager
    def _served(self, folder: Path) -> Iterator[None]:
        server = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, sys.executable, "-m", "http.server",
             "--bind", f"10.{CARDS[0]}.0.1", "--directory", folder, str(PORT)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            server.kill()
            server.wait()

    def _saved(self, prepared: Prepared) -> Machine:
        """Return the machine, switched off, whose state others are restored from; made once."""
        kept = hashlib.sha256(repr(
            (image.located(self.sort).folder.name, prepared.digest(),
             self._memory, self.sort, DATA_DISKS,
             (Path(__file__).parent / "machine.py").read_text())).encode()).hexdigest()[:12]
        folder = image.home() / f"saved-{kept}"
        with image.exclusively(folder):
            if not folder.exists():
                self._save(prepared, folder)
                _forget_unused()
            os.utime(folder)
        return Machine(0, folder, self.namespace, image.located(self.sort))

    def _save(self, prepared: Prepared, folder: Path) -> None:
        begun = time.monotonic()
        print(f"Booting a machine to save its state in {folder}; once.", file=sys.stderr,
              flush=True)
        machine = self.machine(0)
        try:
            machine.create()
            machine.start(0, memory=self._memory)
            machine.wait_until_ready()
            if prepared.files:
                self.copy(prepared.files, machine, "/root")
            if prepared.script and (ran := machine.run(prepared.script, 900.0)).status:
                raise RuntimeError(f"the machine cannot be prepared: {ran.output}")
            machine.save()
            machine.folder.rename(folder)
        finally:
            machine.cut_power()
        print(f"Saved after {time.monotonic() - begun:.0f} s.", file=sys.stderr, flush=True)

    def _make_network(self, count: int) -> None:
        inside = ("ip", "-n", self.namespace)
        _do("ip", "netns", "add", self.namespace)
        _do(*inside, "link", "set", "lo", "up")
        for card, network in enumerate(CARDS):
            bridge = f"br{card}"
            _do(*inside, "link", "add", bridge, "type", "bridge", "forward_delay", "0")
            _do(*inside, "addr", "add", f"10.{network}.0.1/24", "dev", bridge)
            _do(*inside, "link", "set", bridge, "up")
            for number in range(count + 1):
                tap = f"tap{number}n{card}"
                _do(*inside, "tuntap", "add", tap, "mode", "tap")
                _do(*inside, "link", "set", tap, "master", bridge, "up")


def _forget_unused() -> None:
    """Remove saved states that nobody has used for a day; packages are built anew all the time."""
    for folder in image.home().glob("saved-????????????"):
        if folder.stat().st_mtime < time.time() - KEPT_SECONDS:
            with image.exclusively(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
