"""The cgroups of containers: where LXC makes them, which processes are in them, and their end.

Under version 1 every controller has a hierarchy of its own, and a container has a cgroup of the
same name in each; under version 2 there is one. Some hosts have both.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NO_CONTROLLERS = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"})
_INIT_SCOPE = "/init.scope"
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Hierarchy:
    """One hierarchy that is mounted.

    :param base: the folder in which cgroups of containers are made: that of the first process
    :param controllers: names such as ``memory``; of one without a controller ``name=...``
    :param unified: it is the one of version 2
    """

    base: Path
    controllers: frozenset[str]
    unified: bool = False


def hierarchies(proc: Path = Path("/proc")) -> tuple[Hierarchy, ...]:
    """Find all hierarchies of this node."""
    first = _cgroup_of_init(proc)
    found: dict[frozenset[str], Hierarchy] = {}
    for line in (proc / "self/mountinfo").read_text(errors="surrogateescape").splitlines():
        here, _, there = line.partition(" - ")
        root, point = here.split()[3:5]
        kind, _, options = there.split()[:3]
        if kind not in ("cgroup", "cgroup2"):
            continue
        mounted = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), point))
        names = frozenset() if kind == "cgroup2" else frozenset(
            options.split(",")) - _NO_CONTROLLERS
        base = mounted / _below(first.get(names, "/"), root)
        if kind == "cgroup2":
            offered = _words(mounted / "cgroup.controllers")
            found.setdefault(names, Hierarchy(base, offered, unified=True))
        else:
            found.setdefault(names, Hierarchy(base, names))
    return tuple(found.values())


def _cgroup_of_init(proc: Path) -> dict[frozenset[str], str]:
    """Where the first process is, by controllers; version 2 has none there."""
    lines = (line.split(":", 2) for line in (proc / "1/cgroup").read_text().splitlines())
    return {frozenset(filter(None, names.split(","))): path.removesuffix(_INIT_SCOPE)
            for _, names, path in lines}


def _below(path: str, root: str) -> str:
    # A mount of another part of the tree shows nothing of the first process: its root is taken.
    inside = path.removeprefix(root.rstrip("/")) if path.startswith(root) else ""
    return inside.lstrip("/")


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()


@dataclass(frozen=True)
class Group:
    """The cgroups of one container, one of the same name in each hierarchy.

    `instance`: its name, for people.
    """

    hierarchies: tuple[Hierarchy, ...]
    name: str
    instance: str = ""

    @property
    def monitor(self) -> str:
        """The cgroup of the process that looks after the container."""
        return f"{self.name}.monitor"

    def folder(self, controller: str) -> Path | None:
        """The container's cgroup of one controller; None where this node has no such."""
        return next((one.base / self.name for one in self.hierarchies
                     if controller in one.controllers), None)

    @property
    def unified(self) -> Path | None:
        """The container's cgroup of version 2; None where that is not mounted."""
        return next((one.base / self.name for one in self.hierarchies if one.unified), None)

    def pids(self) -> set[int]:
        """The processes of the container."""
        return {pid for one in self.hierarchies for folder in _tree(one.base / self.name)
                for pid in _pids(folder)}

    def send_kill(self) -> bool:
        """Send SIGKILL to all processes; return whether there are any."""
        pids = self.pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def remove(self) -> None:
        """Remove what is empty of the cgroups; harmless twice."""
        for one in self.hierarchies:
            for name in (self.name, self.monitor):
                for folder in _tree(one.base / name):
                    with suppress(OSError):
                        folder.rmdir()


def _tree(folder: Path) -> Iterator[Path]:
    """A cgroup and those below it, the deepest first."""
    return (Path(path) for path, _, _ in os.walk(folder, topdown=False))


def _pids(folder: Path) -> Iterator[int]:
    with suppress(OSError):  # it is being removed
        # One of another PID namespace is shown as 0: to kill that would mean this process' group.
        yield from filter(None, map(int, (folder / "cgroup.procs").read_text().split()))
