"""Collector ``pressure``: how long work waited for processors, memory and disks.

From the kernel's pressure stall information; where it is switched off, from the load average.
"""

import os
from pathlib import Path
from typing import Any

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import hookimpl
from ganeti_core.plugin_api.data import Collected, Report

PROC = Path("/proc")
RESOURCES = ("cpu", "memory", "io")
HIGH = 50.0
"""Per cent of the last five minutes in which something waited: more deserves a look."""


def pressure(text: str) -> dict[str, dict[str, float]]:
    """Read ``some avg10=0.00 avg60=0.00 ...`` lines: per cent of time, and microseconds."""
    lines = (line.split() for line in text.splitlines())
    return {kind: {name: float(value) for name, value in (pair.split("=") for pair in pairs)}
            for kind, *pairs in lines}


def look(proc: Path = PROC) -> dict[str, Any]:
    try:
        return {name: pressure((proc / "pressure" / name).read_text()) for name in RESOURCES}
    except OSError:
        waiting = max(0.0, 1 - (os.cpu_count() or 1) / max(os.getloadavg()[2], 0.01))
        return {"cpu": {"some": {"avg300": round(100 * waiting, 2)}}}


class PressureCollector:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(api_version=0, title="Waiting for processors, memory and disks",
                               report_kind=1)

    @hookimpl
    def collect(self) -> Collected:
        found = look()
        high = [name for name, kinds in found.items() if kinds["some"]["avg300"] > HIGH]
        status = {"code": 2 if high else 0, "message": f"much waiting for {', '.join(high)}"
                  if high else ""}
        return Collected(Report({**found, "status": status}))
