"""Hosts on one machine: namespaces with names, addresses and file trees of their own.

Each has the machine's programs, and its own ``/usr``, ``/etc``, ``/var``, ``/root`` and ``/run`` as
overlays: what is installed or written in one is seen nowhere else. There is no init system in them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

NETWORK = "10.99.0"
_ENTER = """
set -e
folder=$1 name=$2
for tree in usr etc var root; do
    mkdir -p "$folder/$tree.up" "$folder/$tree.work"
    mount -t overlay overlay "/$tree" \\
        -o "lowerdir=/$tree,upperdir=$folder/$tree.up,workdir=$folder/$tree.work"
done
mount -t tmpfs none /run
mount -t tmpfs none /srv
mount -t sysfs none /sys
mkdir -p /run/lock /run/sshd
hostname "$name"
ip link set lo up
echo $BASHPID > "$folder/pid"
exec sleep infinity
"""


def why_not() -> str:
    """Why there can be no such hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("unshare", "nsenter", "ip", "sshd") if shutil.which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Ran:
    """A script that ended; `output` is what it printed on both streams."""

    status: int
    output: str


@dataclass
class Host:
    """One host; `folder` keeps what it has written."""

    name: str
    address: str
    folder: Path
    pid: int = 0

    def run(self, script: str, timeout: float = 300.0) -> Ran:
        """Run a script of the shell there, which ends at its first failure."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-n", "-u", "env", "-i", "HOME=/root",
             "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
             "DEBIAN_FRONTEND=noninteractive", "bash", "-euc", script],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=timeout)
        return Ran(done.returncode, done.stdout)

    def processes(self) -> list[int]:
        """Those that live in its file tree."""
        found = []
        own = os.readlink(f"/proc/{self.pid}/ns/mnt")
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "ns/mnt") == own:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


@dataclass
class Hosts:
    """A few hosts on one bridge: ``with Hosts(folder, 3) as hosts``; their names are ``hostN``."""

    folder: Path
    count: int
    bridge: str = "gntlab"
    all: dict[str, Host] = field(default_factory=dict)
    _first: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Hosts:
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("link", "set", self.bridge, "up")
        try:
            for number in range(1, self.count + 1):
                self._add(number)
            self._let_them_talk()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, number: int) -> None:
        host = Host(f"host{number}", f"{NETWORK}.{number}", self.folder / f"host{number}")
        host.folder.mkdir(parents=True)
        with (host.folder / "error").open("w") as complaints:
            self._first.append(subprocess.Popen(
                ["unshare", "-m", "-n", "-u", "--propagation", "private", "bash", "-c", _ENTER,
                 "host", str(host.folder), f"{host.name}.example.com"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=complaints, start_new_session=True))
        until = time.monotonic() + 30.0
        while not (text := _text(host.folder / "pid").strip()):
            if time.monotonic() > until:
                raise RuntimeError(f"{host.name}: {_text(host.folder / 'error')}")
            time.sleep(0.02)
        host.pid = int(text)
        self.all[host.name] = host
        outside = f"{self.bridge}{number}"
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", text)
        _ip("link", "set", outside, "master", self.bridge, "up")
        ran = host.run(f"ip addr add {host.address}/24 dev eth0; ip link set eth0 up")
        if ran.status:
            raise RuntimeError(f"{host.name}: {ran.output}")

    def _let_them_talk(self) -> None:
        """Names, and ssh from the first host to all of them."""
        names = "".join(f"{host.address} {host.name}.example.com {host.name}\n"
                        for host in self.all.values())
        first = next(iter(self.all.values()))
        made = first.run("mkdir -p -m 700 ~/.ssh; "
                         "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; "
                         "cat ~/.ssh/id_ed25519.pub")
        for host in self.all.values():
            ran = host.run(
                f"printf '127.0.0.1 localhost\\n{NETWORK}.100 cluster.example.com cluster\\n%s' "
                f"'{names}' > /etc/hosts; mkdir -p -m 700 ~/.ssh; "
                f"echo '{made.output.strip()}' > ~/.ssh/authorized_keys; "
                "ssh-keygen -A > /dev/null; "
                "/usr/sbin/sshd -o UsePAM=no -o PermitRootLogin=prohibit-password")
            if ran.status:
                raise RuntimeError(f"{host.name}: {ran.output}")

    def close(self) -> None:
        """End all that runs in the hosts, and remove them."""
        for host in self.all.values():
            for pid in host.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        for process in self._first:
            process.kill()
            process.wait()
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
