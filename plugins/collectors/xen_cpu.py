"""Collector ``xen-cpu-avg-load``: processor time of Xen's domains, on average over ten minutes.

The data are those of Ganeti's collector: the load by the name of the domain, 1.0 for one virtual
processor that was busy all the time. The first domain, which is the node itself, is left out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, JsonDict, Metric, Report
from ganeti_core.plugin_api.run import run_command

from .clock import PROC, boot_id, since_boot

WINDOW = 600.0
"""Seconds over which the average is taken."""
SHORTEST = 100.0
"""Of less than so many seconds no average is told, as Ganeti's collector does."""
MOST_SAMPLES = 150
MOST_COUNTERS = 20_000
"""In all samples: with more of them every second one is left out, the oldest stays."""
NO_GUESTS = frozenset({"Domain-0", "(null)"})
"""The node itself, and domains that are being made or ended."""
LIMIT = 8.0
_ROW = re.compile(r"(\S+)\s+\d+\s+\d+\s+\d+\s+[rbpscdwS?-]{6,7}\s+([\d.]+)")
LOAD = Metric("ganeti_xen_domain_load", "gauge", "Virtual processors of a domain that were busy, "
              "on average over the last ten minutes", ("domain",))

Sample = tuple[float, dict[str, float]]
"""When, and the seconds of processor time that each domain has used."""


def xl_list() -> str:
    """Return what ``xl list`` prints; a node without Xen has no domains."""
    return "" if shutil.which("xl") is None else run_command(["xl", "list"], timeout=LIMIT).stdout


@dataclass(frozen=True)
class XenCpuAvgLoad:
    """:param listed: gives the output of the program

    `proc`: where the kernel's figures are; `now`: seconds since the boot
    """

    listed: Callable[[], str] = xl_list
    proc: Path = PROC
    now: Callable[[], float] = since_boot

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "How busy Xen's domains were in the last ten minutes",
                           metrics=(LOAD,))

    @hookimpl
    def collect(self, previous: JsonDict | None) -> Collected:
        boot = boot_id(self.proc)
        newest = (self.now(), domains(self.listed()))
        samples = [*_kept(previous, boot, newest), newest]
        loads = _loads(samples)
        state = {"boot": boot, "samples": [list(one) for one in samples]}
        return Collected(Report(loads, samples={
            LOAD.name: [[name, load] for name, load in loads.items()]}), state)


def domains(text: str) -> dict[str, float]:
    """Read the seconds of processor time of each guest."""
    rows = map(_ROW.fullmatch, map(str.strip, text.splitlines()))
    return {row[1]: float(row[2]) for row in rows if row and row[1] not in NO_GUESTS}


def _kept(previous: JsonDict | None, boot: str, newest: Sample) -> list[Sample]:
    """The earlier samples that are in the window, oldest first; those of another boot are gone."""
    match previous:
        case {"boot": str(before), "samples": list(samples)} if before == boot:
            found = [one for one in map(_sample, samples) if one is not None]
        case _:
            return []
    now, counted = newest
    kept = [one for one in found if now - WINDOW <= one[0] < now]
    most = min(MOST_SAMPLES, MOST_COUNTERS // max(1, len(counted)))
    return kept[::2] if len(kept) >= most else kept


def _sample(data: Any) -> Sample | None:
    match data:
        case [int(when) | float(when), dict(counted)] if all(
                isinstance(one, int | float) for one in counted.values()):
            return float(when), counted
    return None


def _loads(samples: list[Sample]) -> dict[str, float]:
    """The average of each domain that runs, since the oldest sample of it.

    One whose count went back was started anew: what it had before is not its own.
    """
    (now, newest), loads = samples[-1], {}
    for name, used in newest.items():
        since, began = now, used
        for when, counted in reversed(samples[:-1]):
            if counted.get(name, began + 1) > began:
                break
            since, began = when, counted[name]
        if now - since >= SHORTEST:
            loads[name] = (used - began) / (now - since)
    return loads
