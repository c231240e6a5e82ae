"""Putting instances on nodes and taking them off, as functions from state to state.

The order of arithmetic is part of the contract: scores have to come out bit for bit as
Ganeti's, so that ties between symmetric nodes fall alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from .arrays import Bools, Demand, Floats, Ints, Site, View, parts_of_view


class Failure(IntEnum):
    """Why an instance cannot be somewhere, in the order in which reports list them."""

    MEM = 1
    DISK = 2
    CPU = 3
    N1 = 4
    TAGS = 5
    MIG = 6
    DISK_COUNT = 7
    SPINDLES = 8
    INTERNAL = 9

    @property
    def label(self) -> str:
        """The name in reports, such as `FailDiskCount`."""
        if self is Failure.CPU:
            return "FailCPU"
        return "Fail" + "".join(word.capitalize() for word in self.name.split("_"))


Check = tuple[Failure, Bools]


@dataclass(slots=True)
class Marks:
    """How one instance's tags and locations change a node's figures."""

    clashes: Floats | float = 0.0
    location: Floats | float = 0.0
    forbidden: Bools | None = None
    """Where an exclusion tag is present already."""


NO_MARKS = Marks()


def first_failure(checks: Sequence[Check]) -> Ints:
    """The code of the first check that fails, 0 where none does."""
    result: Ints = np.zeros((), dtype=np.int64)
    for failure, condition in reversed(checks):
        result = np.where(condition, int(failure), result)
    return result


def any_failure(checks: Sequence[Check]) -> Bools:
    """Where any check fails."""
    result = checks[0][1]
    for _, condition in checks[1:]:
        result = result | condition
    return result


def _take_spindles(site: Site, free: Floats, demand: Demand, sign: int) -> Floats:
    unknown = demand.spindles < 0
    kept = free if sign > 0 else np.asarray(-1.0)
    changed = np.where(unknown, kept, free + sign * demand.spindles)
    return np.where(site.exclusive, changed, 0.0)


def _use_spindles(site: Site, used: Floats, change: Floats) -> Floats:
    return np.where(site.exclusive, 0.0, used + change) if site.any_exclusive else used + change


def _shift(site: Site, view: View, demand: Demand, sign: int) -> View:
    """State after a primary or secondary is taken off (sign 1) or put on (-1): storage only."""
    out = View(*parts_of_view(view))
    out.free_disk = view.free_disk + sign * demand.disk
    out.spindles = _use_spindles(site, view.spindles, -sign * demand.spindle_use)
    if site.any_exclusive:
        taken = _take_spindles(site, view.free_spindles, demand, sign)
        out.free_spindles = np.where(demand.real, taken, view.free_spindles)
        out.free_spindles_forth = _take_spindles(site, view.free_spindles_forth, demand, sign)
    if site.any_forthcoming:
        out.disk_forth = view.disk_forth + sign * demand.disk_forth
        change = -sign * demand.spindle_use_forth
        out.spindles_forth = _use_spindles(site, view.spindles_forth, change)
    else:
        out.disk_forth = out.free_disk
        out.spindles_forth = out.spindles
    return out


def _shift_primary(site: Site, view: View, demand: Demand, sign: int) -> View:
    out = _shift(site, view, demand, sign)
    out.free_mem = view.free_mem + sign * demand.running
    out.mem_forth = view.mem_forth + sign * demand.memory
    out.cpus = view.cpus - sign * demand.cpus
    out.cpus_forth = (
        view.cpus_forth - sign * demand.cpus_forth if site.any_forthcoming else out.cpus
    )
    out.load_cpu = view.load_cpu - sign * demand.load_cpu
    out.load_mem = view.load_mem - sign * demand.load_mem
    out.load_disk = view.load_disk - sign * demand.load_disk
    out.load_net = view.load_net - sign * demand.load_net
    out.primaries = view.primaries - sign * demand.one
    return out


def _refresh(site: Site, view: View, out: View, demand: Demand) -> None:
    failing = out.free_mem <= out.reserved
    out.failing = np.where(demand.real, failing, view.failing) if site.any_forthcoming else failing


def remove_primary(site: Site, view: View, demand: Demand, marks: Marks) -> View:
    """Take instances off their primary nodes; `marks` tells what their tags had added."""
    out = _shift_primary(site, view, demand, 1)
    out.clashes = view.clashes - marks.clashes
    out.location = view.location - marks.location
    _refresh(site, view, out, demand)
    return out


def remove_secondary(site: Site, view: View, demand: Demand, reserved: Floats) -> View:
    """Take instances off their secondary nodes, which keep `reserved` memory afterwards."""
    out = _shift(site, view, demand, 1)
    out.load_disk = view.load_disk - demand.load_disk
    out.secondaries = view.secondaries - demand.one
    out.reserved = reserved
    _refresh(site, view, out, demand)
    return out


def add_primary(
    site: Site, view: View, demand: Demand, forced: Bools | bool, marks: Marks
) -> tuple[View, list[Check]]:
    """Put instances on nodes as primaries; `forced` drops the checks that policy asks for."""
    out = _shift_primary(site, view, demand, -1)
    out.clashes = view.clashes + marks.clashes
    out.location = view.location + marks.location
    _refresh(site, view, out, demand)
    soft = _softener(forced)
    checks = _primary_checks(site, out, demand, soft)
    if soft is None:
        return out, _real_only(site, demand, checks)
    allowed: Bools | bool = soft
    checks.insert(-1, (Failure.MEM, out.failing & ~view.failing & allowed))
    if marks.forbidden is not None:
        checks.append((Failure.TAGS, marks.forbidden & allowed))
    checks = _real_only(site, demand, checks)
    checks.extend(_primary_checks_forth(site, out, demand, allowed))
    return out, checks


def _softener(forced: Bools | bool) -> Bools | bool | None:
    """A mask for the soft checks, None if none of them applies."""
    if isinstance(forced, bool):
        return None if forced else True
    return None if forced.all() else ~forced


def _real_only(site: Site, demand: Demand, checks: list[Check]) -> list[Check]:
    if not site.any_forthcoming:
        return checks
    return [(failure, condition & demand.real) for failure, condition in checks]


def _primary_checks(
    site: Site, out: View, demand: Demand, soft: Bools | bool | None
) -> list[Check]:
    """Checks on real figures; with soft ones the processor's is the last."""
    checks = [(Failure.MEM, out.free_mem <= 0)]
    checks += _disk_checks(site, (out.free_disk, out.free_spindles, out.spindles), demand, soft)
    if soft is not None:
        over = (site.max_ratio >= 0) & (site.max_ratio < out.cpus / site.total_cpus)
        checks.append((Failure.CPU, over & soft))
    return checks


def _disk_checks(
    site: Site,
    storage: tuple[Floats, Floats, Floats],
    demand: Demand,
    soft: Bools | bool | None,
) -> list[Check]:
    free, free_spindles, spindles = storage
    checks = [(Failure.DISK, demand.local & (free <= 0))]
    if soft is not None:
        checks.append((Failure.DISK, demand.local & (free < site.min_disk) & soft))
    if site.any_exclusive:
        short = demand.local & site.exclusive & (free_spindles < 0)
        checks.append((Failure.SPINDLES, short))
    if soft is not None:
        busy = demand.local & (spindles > site.max_spindles) & soft
        checks.append((Failure.DISK, busy))
    return checks


def _primary_checks_forth(
    site: Site, out: View, demand: Demand, soft: Bools | bool
) -> list[Check]:
    checks = [(Failure.MEM, (out.mem_forth <= 0) & soft)]
    if not site.any_forthcoming:
        return checks
    storage = (out.disk_forth, out.free_spindles_forth, out.spindles_forth)
    checks += [
        (failure, condition & soft)
        for failure, condition in _disk_checks(site, storage, demand, soft)
    ]
    over = (site.max_ratio >= 0) & (site.max_ratio < out.cpus_forth / site.total_cpus)
    checks.append((Failure.CPU, over & soft))
    return checks


@dataclass(slots=True)
class Secondary:
    """How instances are put on nodes as secondaries.

    `entry` is the memory that the node keeps reserved so far for the primary node in question.
    Where `keeps_disk`, the disk is there already (a failover from a dead node).
    """

    entry: Floats
    forced: Bools | bool = False
    keeps_disk: Bools | bool = False


def add_secondary(
    site: Site, view: View, demand: Demand, how: Secondary
) -> tuple[View, list[Check]]:
    """Put instances on nodes as secondaries."""
    out = _shift(site, view, demand, -1)
    out.load_disk = view.load_disk + demand.load_disk
    out.secondaries = view.secondaries + demand.one
    out.reserved = np.maximum(view.reserved, how.entry + demand.counted)
    _refresh(site, view, out, demand)
    soft = _softener(how.forced)
    storage = (out.free_disk, out.free_spindles, out.spindles)
    checks = _secondary_disk_checks(site, storage, soft, how.keeps_disk)
    if soft is None:
        return out, [(Failure.DISK, ~demand.drbd), *_real_only(site, demand, checks)]
    short = (demand.counted >= view.free_mem) & soft
    checks.append((Failure.MEM, short))
    checks.append((Failure.MEM, out.failing & ~view.failing & soft))
    checks = [(Failure.DISK, ~demand.drbd), *_real_only(site, demand, checks)]
    if site.any_forthcoming:
        storage = (out.disk_forth, out.free_spindles_forth, out.spindles_forth)
        more = _secondary_disk_checks(site, storage, soft, how.keeps_disk)
        checks += [(failure, condition & soft) for failure, condition in more]
    checks.append((Failure.MEM, (demand.counted_forth >= view.mem_forth) & soft))
    return out, checks


def _secondary_disk_checks(
    site: Site,
    storage: tuple[Floats, Floats, Floats],
    soft: Bools | bool | None,
    keeps_disk: Bools | bool,
) -> list[Check]:
    full = storage[0] <= 0
    if not isinstance(keeps_disk, bool):
        full = full & ~keeps_disk
    elif keeps_disk:
        full = np.zeros((), dtype=np.bool_)
    checks: list[Check] = [(Failure.DISK, full)]
    if soft is not None:
        checks.append((Failure.DISK, (storage[0] < site.min_disk) & soft))
    if site.any_exclusive:
        checks.append((Failure.SPINDLES, site.exclusive & (storage[1] < 0)))
    if soft is not None:
        checks.append((Failure.DISK, (storage[2] > site.max_spindles) & soft))
    return checks
