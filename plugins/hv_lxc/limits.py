"""What a container may use and what it has used, in the files of cgroups version 1 and 2."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganeti_core.plugin_api import HypervisorError

from .cgroups import Group, Hierarchy

MIB = 1 << 20
PERIOD = 100_000
"""Microseconds over which processor time is counted out."""
FREEZE_LIMIT = 10.0
POLL = 0.01

Settings = Iterator[tuple[str, str]]
"""Lines of a container's configuration."""


@dataclass(frozen=True)
class Bounds:
    """What a container may use. `memory` in MiB; `cpus`: a list of the host's, or empty for all;
    `devices`: as LXC writes them, such as ``c 1:3 rw``.
    """

    memory: int
    vcpus: int
    cpus: str
    devices: Sequence[str]


class Limits(Protocol):
    """One version of cgroups. What cannot be read is 0: the container has just ended."""

    def missing(self) -> list[str]:
        """Name the controllers that containers need and this node lacks."""

    def settings(self, bounds: Bounds) -> Settings:
        """Give the lines that bound a container from its start on."""

    def memory(self, group: Group) -> int:
        """Return how much memory it may have, MiB."""

    def set_memory(self, group: Group, memory: int) -> None:
        """Let it have `memory` MiB.

        :raises HypervisorError: it holds more, or has ended; all is as before
        """

    def held_memory(self, group: Group) -> float:
        """Return what its processes hold of memory, MiB, caches left out."""

    def vcpus(self, group: Group) -> int:
        """Return how many processors' time it may have."""

    def cpu_seconds(self, group: Group) -> float:
        """Return how much processor time it has used."""

    def is_frozen(self, group: Group) -> bool:
        """Return whether its processes stand still."""

    def freeze(self, group: Group) -> None:
        """Let its processes stand still.

        :raises HypervisorError: they do not
        """

    def thaw(self, group: Group) -> None:
        """Let its processes go on; of one that has ended nothing happens."""


def limits_of(found: Sequence[Hierarchy]) -> Limits:
    """Return the version by which memory is bounded on this node."""
    unified = next((one for one in found if one.unified), None)
    if unified is not None and "memory" in unified.controllers:
        return Version2(unified)
    return Version1(tuple(found))


@dataclass(frozen=True)
class Version1:
    """A hierarchy for each controller."""

    hierarchies: tuple[Hierarchy, ...]
    needed = ("memory", "cpu", "cpuacct", "cpuset", "devices", "freezer")

    def missing(self) -> list[str]:
        there = {name for one in self.hierarchies for name in one.controllers}
        return [name for name in self.needed if name not in there]

    def settings(self, bounds: Bounds) -> Settings:
        yield "lxc.cgroup.memory.limit_in_bytes", f"{bounds.memory}M"
        if self._counts_swap():
            yield "lxc.cgroup.memory.memsw.limit_in_bytes", f"{bounds.memory}M"
        yield "lxc.cgroup.cpu.cfs_period_us", str(PERIOD)
        yield "lxc.cgroup.cpu.cfs_quota_us", str(bounds.vcpus * PERIOD)
        if bounds.cpus:
            yield "lxc.cgroup.cpuset.cpus", bounds.cpus
        yield "lxc.cgroup.devices.deny", "a"
        yield from (("lxc.cgroup.devices.allow", device) for device in bounds.devices)

    def memory(self, group: Group) -> int:
        return _number(_file(group, "memory", "memory.limit_in_bytes")) // MIB

    def set_memory(self, group: Group, memory: int) -> None:
        names = ["memory.limit_in_bytes"]
        if self._counts_swap():
            names.append("memory.memsw.limit_in_bytes")  # never below the first one
        before = self.memory(group)
        order = names if memory < before else names[::-1]
        for index, name in enumerate(order):
            try:
                _file(group, "memory", name).write_text(str(memory * MIB))
            except OSError as exc:
                for done in order[:index]:
                    _file(group, "memory", done).write_text(str(before * MIB))
                raise _refused(group, memory, exc) from exc

    def held_memory(self, group: Group) -> float:
        return _table(_file(group, "memory", "memory.stat")).get("total_rss", 0) / MIB

    def vcpus(self, group: Group) -> int:
        quota = _number(_file(group, "cpu", "cpu.cfs_quota_us"))
        period = _number(_file(group, "cpu", "cpu.cfs_period_us"))
        return max(0, quota) // max(1, period)

    def cpu_seconds(self, group: Group) -> float:
        return _number(_file(group, "cpuacct", "cpuacct.usage")) / 1e9

    def is_frozen(self, group: Group) -> bool:
        return _text(_file(group, "freezer", "freezer.state")) in ("FREEZING", "FROZEN")

    def freeze(self, group: Group) -> None:
        file = _file(group, "freezer", "freezer.state")
        _write(file, "FROZEN")
        _await_frozen(lambda: _text(file) == "FROZEN", group)

    def thaw(self, group: Group) -> None:
        with suppress(HypervisorError):
            _write(_file(group, "freezer", "freezer.state"), "THAWED")

    def _counts_swap(self) -> bool:
        return any((one.base / "memory.memsw.limit_in_bytes").exists()
                   for one in self.hierarchies if "memory" in one.controllers)


@dataclass(frozen=True)
class Version2:
    """One hierarchy with all controllers."""

    hierarchy: Hierarchy
    proc: Path = Path("/proc")
    needed = ("memory", "cpu", "cpuset")

    def missing(self) -> list[str]:
        return [name for name in self.needed if name not in self.hierarchy.controllers]

    def settings(self, bounds: Bounds) -> Settings:
        yield "lxc.cgroup2.memory.max", f"{bounds.memory}M"
        if (self.proc / "swaps").exists():
            yield "lxc.cgroup2.memory.swap.max", "0"
        yield "lxc.cgroup2.cpu.max", f"{bounds.vcpus * PERIOD} {PERIOD}"
        if bounds.cpus:
            yield "lxc.cgroup2.cpuset.cpus", bounds.cpus
        yield "lxc.cgroup2.devices.deny", "a"
        yield from (("lxc.cgroup2.devices.allow", device) for device in bounds.devices)

    def memory(self, group: Group) -> int:
        return _number(self._file(group, "memory.max")) // MIB

    def set_memory(self, group: Group, memory: int) -> None:
        # The kernel would take the limit, and end processes to keep it.
        if (held := self.held_memory(group)) > memory:
            raise HypervisorError(f"{group.instance} cannot have {memory} MiB: its processes hold "
                                  f"{held:.0f} MiB")
        try:
            self._file(group, "memory.max").write_text(str(memory * MIB))
        except OSError as exc:
            raise _refused(group, memory, exc) from exc

    def held_memory(self, group: Group) -> float:
        return _table(self._file(group, "memory.stat")).get("anon", 0) / MIB

    def vcpus(self, group: Group) -> int:
        quota, _, period = _text(self._file(group, "cpu.max")).partition(" ")
        return int(quota) // int(period) if quota.isdigit() and period.isdigit() else 0

    def cpu_seconds(self, group: Group) -> float:
        return _table(self._file(group, "cpu.stat")).get("usage_usec", 0) / 1e6

    def is_frozen(self, group: Group) -> bool:
        return _text(self._file(group, "cgroup.freeze")) == "1"

    def freeze(self, group: Group) -> None:
        _write(self._file(group, "cgroup.freeze"), "1")
        events = self._file(group, "cgroup.events")
        _await_frozen(lambda: _table(events).get("frozen") == 1, group)

    def thaw(self, group: Group) -> None:
        with suppress(HypervisorError):
            _write(self._file(group, "cgroup.freeze"), "0")

    def _file(self, group: Group, name: str) -> Path:
        return self.hierarchy.base / group.name / name


def _file(group: Group, controller: str, name: str) -> Path:
    folder = group.folder(controller)
    if folder is None:
        raise HypervisorError(f"this node has no cgroup controller {controller}")
    return folder / name


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else 0


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _write(path: Path, word: str) -> None:
    try:
        with path.open("r+") as file:  # never made, where the container has ended
            file.write(word)
    except OSError as exc:
        raise HypervisorError(f"{path} cannot be written: {exc.strerror}") from exc


def _await_frozen(condition: Callable[[], bool], group: Group) -> None:
    until = time.monotonic() + FREEZE_LIMIT
    while not condition():
        if not group.pids() or time.monotonic() > until:
            raise HypervisorError(f"{group.instance} does not stand still")
        time.sleep(POLL)


def _refused(group: Group, memory: int, exc: OSError) -> HypervisorError:
    why = "it uses more" if exc.errno == errno.EBUSY else exc.strerror
    return HypervisorError(f"the memory of {group.instance} cannot be set to {memory} MiB: {why}")
