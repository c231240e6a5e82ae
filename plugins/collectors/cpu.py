"""Collector ``cpu-avg-load``: how busy each processor was, on average over ten minutes.

The data are those of Ganeti's collector: ``cpu_number``, ``cpus`` (a load per processor, 1.0 for
one that was busy all the time) and ``cpu_total``, their sum.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, JsonDict, Metric, Report

from .clock import PROC, boot_id, since_boot

WINDOW = 600.0
"""Seconds over which the average is taken."""
MOST_SAMPLES = 150
MOST_COUNTERS = 20_000
"""In all samples: with more of them every second one is left out, the oldest stays."""
_IDLE = 3
_COUNTED = 8
"""Columns of a processor's line up to ``steal``: time of guests is part of ``user`` already."""

LOAD = Metric(
    "ganeti_cpu_load_ratio", "gauge",
    "Share of the last ten minutes in which a processor was busy", ("cpu",))

Sample = tuple[float, list[int]]
"""When, and the busy ticks of each processor."""


@dataclass(frozen=True)
class CpuAvgLoad:
    """:param proc: where the kernel's figures are; `now`: seconds since the boot"""

    proc: Path = PROC
    now: Callable[[], float] = since_boot

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "How busy the processors were in the last ten minutes",
                           metrics=(LOAD,))

    @hookimpl
    def collect(self, previous: JsonDict | None) -> Collected:
        boot = boot_id(self.proc)
        sample = (self.now(), _busy_ticks((self.proc / "stat").read_text()))
        samples = [*_kept(previous, boot, sample), sample]
        # At first: since the boot, when nothing had been counted.
        oldest = samples[0] if len(samples) > 1 else (0.0, [0] * len(sample[1]))
        state = {"boot": boot, "samples": [list(one) for one in samples]}
        loads = _loads(oldest, sample)
        return Collected(Report(loads, samples={LOAD.name: [
            [str(cpu), load] for cpu, load in enumerate(loads["cpus"])]}), state)


def _busy_ticks(stat: str) -> list[int]:
    """The ticks in which each processor did something or waited for a disk."""
    lines = [line.split() for line in stat.splitlines()]
    return [sum(int(ticks) for at, ticks in enumerate(line[1:1 + _COUNTED]) if at != _IDLE)
            for line in lines if line and line[0].startswith("cpu") and line[0] != "cpu"]


def _kept(previous: JsonDict | None, boot: str, newest: Sample) -> list[Sample]:
    """The earlier samples that are in the window, oldest first.

    Those of another boot, or of another number of processors, cannot be compared with.
    """
    match previous:
        case {"boot": str(before), "samples": list(samples)} if before == boot:
            found = [one for one in map(_sample, samples) if one is not None]
        case _:
            return []
    now, ticks = newest
    alike = [(when, counted) for when, counted in found
             if len(counted) == len(ticks) and when < now and when >= now - WINDOW]
    return alike[::2] if len(alike) >= min(MOST_SAMPLES, MOST_COUNTERS // len(ticks)) else alike


def _sample(data: Any) -> Sample | None:
    match data:
        case [int(when) | float(when), list(ticks)] if all(isinstance(one, int) for one in ticks):
            return float(when), ticks
    return None


def _loads(oldest: Sample, newest: Sample) -> dict[str, Any]:
    possible = (newest[0] - oldest[0]) * os.sysconf("SC_CLK_TCK")
    loads = [max(0, after - before) / possible
             for before, after in zip(oldest[1], newest[1], strict=True)]
    return {"cpu_number": len(loads), "cpus": loads, "cpu_total": sum(loads)}
