"""Collector ``node-pressure``: memory that is left, and time in which work had to wait.

From the kernel's pressure stall information; where that is switched off, only the memory is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, JsonDict, Metric, Report

from .clock import PROC, boot_id, since_boot

RESOURCES = ("cpu", "io", "memory")
STALLED = 50.0
"""Per cent of the time since the last report in which work waited for memory: more is bad."""
STALLED_TIME = Metric(
    "ganeti_pressure_stalled_seconds_total", "counter",
    "Time in which some work had to wait for the resource", ("resource",))
MEMORY = {
    name: Metric(f"ganeti_memory_{name}_bytes", "gauge", title) for name, title in (
        ("total", "Memory of the node"), ("available", "Memory that programs could still get"),
        ("swap_total", "Swap space of the node"), ("swap_free", "Swap space that is free"))}


@dataclass(frozen=True)
class NodePressure:
    """:param proc: where the kernel's figures are; `now`: seconds since the boot"""

    proc: Path = PROC
    now: Callable[[], float] = since_boot

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Memory that is left, and time spent waiting for it, processors and "
                              "disks", report_kind=1, metrics=(STALLED_TIME, *MEMORY.values()))

    @hookimpl
    def collect(self, previous: JsonDict | None) -> Collected:
        state: dict[str, Any] = {
            "boot": boot_id(self.proc), "time": self.now(), "stalled": self._stalled()}
        stalled = _per_cent(previous, state)
        waits = stalled.get("memory", 0.0)
        status = {"code": 0, "message": ""} if waits < STALLED else {
            "code": 4, "message": f"work waited for memory {waits:.0f}% of the time"}
        memory = self._memory()
        samples: dict[str, list[list[Any]]] = {
            STALLED_TIME.name: [[resource, micros / 1e6]
                                for resource, micros in state["stalled"].items()],
            **{metric.name: [[memory[name] << 20]] for name, metric in MEMORY.items()}}
        return Collected(
            Report({"memory": memory, "stalled": stalled, "status": status}, samples=samples),
            state)

    def _stalled(self) -> dict[str, int]:
        """Microseconds since the boot in which something waited, by resource."""
        found = {}
        for resource in RESOURCES:
            try:
                text = (self.proc / "pressure" / resource).read_text()
            except OSError:
                continue  # switched off in this kernel
            found[resource] = int(text.splitlines()[0].rpartition("total=")[2])
        return found

    def _memory(self) -> dict[str, int]:
        """MiB."""
        lines = (line.split() for line in (self.proc / "meminfo").read_text().splitlines())
        table = {words[0].rstrip(":"): int(words[1]) // 1024 for words in lines if len(words) > 1}
        return {"total": table["MemTotal"], "available": table.get("MemAvailable", 0),
                "swap_total": table.get("SwapTotal", 0), "swap_free": table.get("SwapFree", 0)}


def _per_cent(previous: JsonDict | None, state: dict[str, Any]) -> dict[str, float]:
    """How much of the time since the last report work waited; at first, since the boot."""
    began, before = 0.0, {}
    match previous:
        case {"boot": str(boot), "time": float(when), "stalled": dict(counted)} if (
                boot == state["boot"] and when < state["time"]):
            began, before = when, counted
    micros = (state["time"] - began) * 1e6
    shares = {resource: 100 * (total - _int(before, resource)) / micros
              for resource, total in state["stalled"].items()}
    return {resource: round(min(100.0, max(0.0, share)), 2) for resource, share in shares.items()}


def _int(table: dict[str, Any], key: str) -> int:
    found = table.get(key, 0)
    return found if isinstance(found, int) else 0
