"""A host of its own for a daemon that becomes another user: its root is ``/``, as on a real one.

It is a mount namespace with users, groups and folders of its own, and this machine's programs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from virtual_cluster import wait_until

from ganeti_core.paths import Paths
from ganeti_core.pid_file import is_held, running_pid

TOP = Path(__file__).resolve().parents[1]
ENTER = """
set -e
folder=$1; shift
for file in passwd group; do mount --bind "$folder/$file" "/etc/$file"; done
# Python and the sources, where they lie in a folder of root's own: each is named with that folder.
number=0
for pair in "$@"; do
    number=$((number + 1))
    mkdir -p "$folder/kept/$number"
    mount --bind "${pair#*|}" "$folder/kept/$number"
done
number=0
for pair in "$@"; do
    number=$((number + 1))
    closed=${pair%%|*}
    [ "$(stat -c %a "$closed")" = 755 ] || mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "${pair#*|}"
    mount --rbind "$folder/kept/$number" "${pair#*|}"
done
# Whole: a link from /var/run to /run would lead who looks from outside to another place.
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -m 755 /var/lib /var/log /var/run
touch "$folder/ready"
exec sleep infinity
"""

needs_namespaces = [pytest.mark.needs_root, pytest.mark.skipif(
    not all(map(shutil.which, ("unshare", "nsenter"))), reason="needs unshare and nsenter")]


def closed_above(folder: Path) -> Iterator[Path]:
    """The topmost folder above `folder` that others than root cannot enter, if there is one."""
    for parent in reversed(folder.parents):
        if not parent.stat().st_mode & 1:
            yield parent
            return


@dataclass
class OwnHost:
    """The host; `paths` are its files as seen from here."""

    process: subprocess.Popen[bytes]
    started: set[str] = field(default_factory=set)

    @classmethod
    @contextmanager
    def made(cls, folder: Path, users: Mapping[str, tuple[int, tuple[str, ...]]],
             groups: Mapping[str, int]) -> Iterator[Self]:
        """Make it, and end its daemons afterwards.

        :param users: their numbers and groups, each one's own first
        """
        lines = {"passwd": [f"{name}:x:{number}:{groups[mine[0]]}::/:/usr/sbin/nologin"
                            for name, (number, mine) in users.items()],
                 "group": [f"{name}:x:{number}:" + ",".join(
                     user for user, (_, mine) in users.items() if name in mine)
                     for name, number in groups.items()]}
        for file, own in lines.items():
            names = {line.partition(":")[0] for line in own}
            before = [one for one in Path("/etc", file).read_text().splitlines()
                      if one.partition(":")[0] not in names]
            (folder / file).write_text("\n".join([*before, *own, ""]))
            (folder / file).chmod(0o644)
        programs = [f"{closed}|{needed}" for needed in dict.fromkeys(
            Path(one) for one in (sys.base_prefix, sys.prefix, TOP))
            for closed in closed_above(needed)]
        with subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER,
                               "host", str(folder), *programs]) as process:
            made = cls(process)
            try:
                wait_until(lambda: (folder / "ready").exists() or process.poll() is not None,
                           "a host")
                assert process.poll() is None
                yield made
            finally:
                for name in list(made.started):
                    made.stop(name)
                process.kill()

    @property
    def paths(self) -> Paths:
        return Paths(Path(f"/proc/{self.process.pid}/root"))

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        environment = {name: value for name, value in os.environ.items() if name != "GANETI_ROOT"}
        return subprocess.run(
            ["nsenter", "-t", str(self.process.pid), "-m", *words], cwd="/", env=environment,
            input=stdin, capture_output=True, text=True, timeout=120)

    def program(self, name: str, *words: str, stdin: str = "") -> str:
        """Run one of the project's programs, which must succeed; return what it prints."""
        ran = self.run(str(Path(sys.executable).parent / name), *words, stdin=stdin)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def python(self, script: str, *words: str) -> str:
        """Run a script of Python there, as root, with the project's modules."""
        ran = self.run(sys.executable, "-c", script, *words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def start(self, daemon: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Start a daemon; whether that succeeded, its status says."""
        self.started.add(daemon)
        return self.run(str(Path(sys.executable).parent / daemon), *words)

    def pid_of(self, daemon: str) -> int | None:
        return running_pid(self.paths.daemon_pid(daemon))

    def stop(self, daemon: str) -> None:
        """End a daemon, if it runs."""
        if (pid := self.pid_of(daemon)) is not None:
            os.kill(pid, 15)
            wait_until(lambda: not is_held(self.paths.daemon_pid(daemon)), "the daemon has ended")


def rights(pid: int) -> dict[str, str]:
    """What the kernel says of a process: ``Uid``, ``Groups``, ``CapEff`` and so on."""
    return dict(re.findall(r"(?m)^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text()))


def assert_without_rights(pid: int, uid: int, groups: set[int]) -> None:
    """All threads of a process are a user that is not root and can do nothing of what root can."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found = rights(int(thread.name))
        assert found["Uid"].split() == [str(uid)] * 4
        assert set(map(int, found["Groups"].split())) == groups
        assert {found[f"Cap{one}"].strip("0") for one in ("Prm", "Eff", "Inh", "Amb")} == {""}
