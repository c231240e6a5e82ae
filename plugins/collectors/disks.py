"""Collector ``diskstats``: what was read from and written to each block device since the boot.

The data are those of Ganeti's collector: an object per line of ``/proc/diskstats``. Sectors have
512 bytes, times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report

from .clock import PROC

FIELDS = (
    "readsNum", "mergedReads", "secRead", "timeRead", "writes", "mergedWrites", "secWritten",
    "timeWrite", "ios", "timeIO", "wIOmillis")
SECTOR = 512


def _counter(name: str, title: str) -> Metric:
    return Metric(f"ganeti_disk_{name}_total", "counter", title, ("device",))


COUNTERS = (
    (_counter("reads", "Reads that were completed"), "readsNum", 1),
    (_counter("read_bytes", "Bytes that were read"), "secRead", SECTOR),
    (_counter("read_seconds", "Time that reads have taken"), "timeRead", 0.001),
    (_counter("writes", "Writes that were completed"), "writes", 1),
    (_counter("written_bytes", "Bytes that were written"), "secWritten", SECTOR),
    (_counter("write_seconds", "Time that writes have taken"), "timeWrite", 0.001),
    (_counter("io_seconds", "Time in which the device was busy"), "timeIO", 0.001))
"""Each with its field of the report and what that is multiplied by."""


@dataclass(frozen=True)
class DiskStats:
    """:param proc: where the kernel's figures are"""

    proc: Path = PROC

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Reads and writes of every block device", category="storage",
                           metrics=tuple(metric for metric, _, _ in COUNTERS))

    @hookimpl
    def collect(self) -> Collected:
        lines = (self.proc / "diskstats").read_text().splitlines()
        devices = [device(line) for line in lines if line.strip()]
        return Collected(Report(devices, samples={
            metric.name: [[one["name"], round(one[field] * factor, 6)] for one in used(devices)]
            for metric, field, factor in COUNTERS}))


def used(devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The devices that were ever read from or written to: there are many empty loop devices."""
    return [one for one in devices if one.get("readsNum") or one.get("writes")]


def device(line: str) -> dict[str, int | str]:
    """Read one line; newer kernels append columns that Ganeti's form has no names for."""
    major, minor, name, *counters = line.split()
    return {"major": int(major), "minor": int(minor), "name": name,
            **{field: int(value) for field, value in zip(FIELDS, counters, strict=False)}}
