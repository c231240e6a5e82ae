"""What outlives the daemons of a virtual cluster: guests, and whatever else drivers have begun."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ganeti_core.errors import HypervisorError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.processes import MARK
from ganeti_core.plugin_api.root_file_systems import unmount_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ganeti_core.daemons.vcluster.layout import VirtualNode

CGROUPS = Path("/sys/fs/cgroup")
UNIFIED = "unified"


@dataclass(frozen=True)
class _Process:
    """A process as it is now; reading it raises OSError when it has ended or is not ours to see."""

    pid: int

    @property
    def folder(self) -> Path:
        return Path("/proc", str(self.pid))

    def words(self) -> bytes:
        """Its command line; empty for one that only waits to be reaped."""
        return (self.folder / "cmdline").read_bytes()

    def marks(self) -> bytes:
        """What the core has noted in the environment of a kept process."""
        return b" ".join(word for word in (self.folder / "environ").read_bytes().split(b"\0")
                         if word.startswith(f"{MARK}=".encode()))

    def files(self) -> Iterator[bytes]:
        """Its current folder and the files that it has open."""
        for link in (self.folder / "cwd", *(self.folder / "fd").iterdir()):
            with suppress(OSError):
                yield os.fsencode(os.readlink(link))

    def _numbers(self) -> list[int]:
        # The name before the last bracket may hold anything; parent, group, session, terminal.
        fields = (self.folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return [int(field) for field in fields[1:5]]

    @property
    def parent(self) -> int:
        return self._numbers()[0]

    @property
    def session(self) -> int:
        return self._numbers()[2]

    @property
    def has_terminal(self) -> bool:
        return self._numbers()[3] != 0


@dataclass(frozen=True)
class _Callers:
    """Those that called this program, and the sessions in which they are."""

    pids: frozenset[int]
    sessions: frozenset[int]

    @classmethod
    def find(cls) -> Self:
        found = list(_ancestors(os.getpid()))
        return cls(frozenset(one.pid for one in found), frozenset(one.session for one in found))


def left_behind(nodes: Iterable[VirtualNode]) -> list[int]:
    """Processes of these nodes, whatever programs they are; the daemons have ended.

    One whose command line or mark names a file below a node's run folder is one. So is one without
    a terminal, in a session that no caller of this program is in, that has any file of a node open:
    a person's shells and editors are spared.
    """
    run = [os.fsencode(node.paths.run) + b"/" for node in nodes]
    roots = tuple(os.fsencode(os.path.realpath(node.root)) + b"/" for node in nodes)
    callers = _Callers.find()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in callers.pids:
            with suppress(OSError):
                if _belongs(_Process(int(entry)), run, roots, callers.sessions):
                    found.append(int(entry))
    return found


def _belongs(
    process: _Process, run: list[bytes], roots: tuple[bytes, ...], spared: frozenset[int]
) -> bool:
    words = process.words()
    if not words:
        return False
    if any(folder in words for folder in run):
        return True
    if process.session in spared or process.has_terminal:
        return False
    marks = process.marks()
    return any(folder in marks for folder in run) or any(
        (file + b"/").startswith(roots) for file in process.files())


def _ancestors(pid: int) -> Iterator[_Process]:
    while pid > 1:
        one = _Process(pid)
        try:
            pid = one.parent
        except OSError:
            return
        yield one


def with_descendants(pids: Iterable[int]) -> set[int]:
    """These processes and all that they have started: a container's first process has none of the
    node's files open, and ends only some time after its monitor."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, ValueError, IndexError):
                children.setdefault(_Process(int(entry)).parent, []).append(int(entry))
    found: set[int] = set()
    ahead = list(pids)
    while ahead:
        if (pid := ahead.pop()) not in found:
            found.add(pid)
            ahead += children.get(pid, [])
    return found


def cgroups_of(pids: Iterable[int]) -> list[Path]:
    """The control groups that these processes have for themselves, with those that hold only them;
    the deepest first."""
    own = _memberships(os.getpid())
    found = {CGROUPS / hierarchy / path
             for pid in pids for hierarchy, deepest in _memberships(pid).items()
             for path in _with_parents(deepest)
             if not f"{own.get(hierarchy, '')}/".startswith(f"{path}/")}
    return sorted(found, key=lambda folder: len(folder.parts), reverse=True)


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _memberships(pid: int) -> dict[str, str]:
    """Where a process is in each hierarchy; that of version 2 may lie beside the others."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split(":", 2) for line in lines]
    beside = UNIFIED if (CGROUPS / UNIFIED).is_dir() else ""
    return {controllers.removeprefix("name=") or beside: path.strip("/")
            for _, controllers, path in parts}


def remove_empty(cgroups: Iterable[Path]) -> None:
    """Remove those of the control groups, and of the groups in them, that have no process."""
    for folder in cgroups:
        for path, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                os.rmdir(path)


def unmount(nodes: Iterable[VirtualNode]) -> None:
    """Take away what is mounted below the folders of these nodes, as a reset would."""
    for node in nodes:
        with suppress(HypervisorError):  # a person's shell is in there
            unmount_below(node.root)


def forget_run_files(nodes: Iterable[VirtualNode]) -> None:
    """Remove what a machine does not have any more when it comes up: all of its run folder.

    Drivers keep there what is true of a running machine only, such as guests that are pretended.
    """
    for node in nodes:
        with suppress(FileNotFoundError):
            shutil.rmtree(node.paths.run)
        node.paths.make_directories()
