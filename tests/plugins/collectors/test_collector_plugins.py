"""The collectors of this tree: the kit, and their figures from a kernel that the test makes up."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.collectors import CpuAvgLoad, DiskStats, JobQueue, NodePressure

TICKS = os.sysconf("SC_CLK_TCK")
STALL = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 total=0\n"


class TestCpuAvgLoad(CollectorContract):
    @pytest.fixture
    def driver(self) -> CpuAvgLoad:
        return CpuAvgLoad()

    def rate(self, data: Any) -> float:
        return float(data["cpu_total"])


class TestDiskStats(CollectorContract):
    @pytest.fixture
    def driver(self) -> DiskStats:
        return DiskStats()


class TestNodePressure(CollectorContract):
    @pytest.fixture
    def driver(self) -> NodePressure:
        return NodePressure()

    def rate(self, data: Any) -> float:
        return float(data["stalled"].get("cpu", 0.0))


class TestJobQueue(CollectorContract):
    @pytest.fixture
    def driver(self) -> JobQueue:
        return JobQueue()


@dataclass
class Machine:
    """A kernel's figures and its clock."""

    proc: Path
    clock: float = 1000.0
    boot: str = "boot-1"

    def now(self) -> float:
        return self.clock

    def set(self, *busy: int, stalled: int = 0) -> None:
        """Busy ticks of each processor; microseconds of waiting for memory."""
        files = {
            "sys/kernel/random/boot_id": f"{self.boot}\n",
            "stat": "cpu  1 1 1 1\n" + "".join(
                f"cpu{number} {ticks - 7} 1 1 9999999 1 1 1 2 500 600\n"
                for number, ticks in enumerate(busy)) + "intr 5 6\n",
            "meminfo": "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n",
            "pressure/memory": STALL.format(stalled)}
        for name, text in files.items():
            (self.proc / name).parent.mkdir(parents=True, exist_ok=True)
            (self.proc / name).write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "proc")


def test_the_load_is_of_the_window(machine: Machine) -> None:
    cpu = CpuAvgLoad(machine.proc, machine.now)
    machine.set(100 * TICKS, 200 * TICKS)
    first = cpu.collect(None)
    assert first.report.data == {"cpu_number": 2, "cpus": [0.1, 0.2],
                                 "cpu_total": pytest.approx(0.3)}, "at first: since the boot"
    machine.clock += 100
    machine.set(200 * TICKS, 225 * TICKS)
    second = cpu.collect(first.state)
    assert second.report.data["cpus"] == [1.0, 0.25]
    machine.clock += 550
    machine.set(200 * TICKS, 225 * TICKS)
    third = cpu.collect(second.state)
    assert third.report.data["cpus"] == [0.0, 0.0], "what is older than the window does not count"


def test_counters_of_another_boot_or_other_processors_do_not_count(machine: Machine) -> None:
    cpu = CpuAvgLoad(machine.proc, machine.now)
    machine.set(900 * TICKS)
    state = cpu.collect(None).state
    machine.boot, machine.clock = "boot-2", 10.0
    machine.set(5 * TICKS)
    again = cpu.collect(state)
    assert again.report.data["cpus"] == [0.5]
    machine.clock = 20.0
    machine.set(10 * TICKS, 5 * TICKS)
    assert cpu.collect(again.state).report.data["cpus"] == [0.5, 0.25]


def test_the_history_is_bounded_and_keeps_the_beginning_of_the_window(machine: Machine) -> None:
    cpu = CpuAvgLoad(machine.proc, machine.now)
    state = None
    for second in range(750):
        machine.set(second * TICKS)
        machine.clock += 1
        collected = cpu.collect(state)
        state = collected.state
        assert state is not None
        assert len(state["samples"]) <= 150
        if second > 600:
            assert state["samples"][-1][0] - state["samples"][0][0] > 300
    assert collected.report.data["cpus"] == [1.0]


def test_a_device_has_ganetis_fields(tmp_path: Path) -> None:
    (tmp_path / "diskstats").write_text(
        "   8       0 sda 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27\n")
    assert DiskStats(tmp_path).collect().report.data == [{
        "major": 8, "minor": 0, "name": "sda", "readsNum": 11, "mergedReads": 12, "secRead": 13,
        "timeRead": 14, "writes": 15, "mergedWrites": 16, "secWritten": 17, "timeWrite": 18,
        "ios": 19, "timeIO": 20, "wIOmillis": 21}]


def test_waiting_for_memory_is_a_bad_state(machine: Machine) -> None:
    pressure = NodePressure(machine.proc, machine.now)
    machine.set(stalled=0)
    first = pressure.collect(None)
    assert first.report.data == {
        "memory": {"total": 2048, "available": 1024, "swap_total": 0, "swap_free": 0},
        "stalled": {"memory": 0.0}, "status": {"code": 0, "message": ""}}
    machine.clock += 10
    machine.set(stalled=7_500_000)
    data = pressure.collect(first.state).report.data
    assert data["stalled"] == {"memory": 75.0}
    assert data["status"] == {"code": 4, "message": "work waited for memory 75% of the time"}


def asking(rows: list[list[Any]], asked: list[Any]) -> Callable[..., list[list[Any]]]:
    def query(resource: str, fields: Sequence[str], filter_: Any = None, /) -> list[list[Any]]:
        asked.append((resource, list(fields), filter_))
        return rows

    return query


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node")


def test_jobs_are_counted_where_the_master_is(ctx: HookContext) -> None:
    asked: list[Any] = []
    rows = [["queued", [1, 500_000]], ["running", [0, 0]], ["queued", None]]
    report = JobQueue().collect(replace(ctx, query=asking(rows, asked))).report
    data = report.data
    assert data["jobs"] == {"queued": 2, "waiting": 0, "running": 1, "canceling": 0}
    assert data["longest_wait"] > 1_000_000_000
    assert report.samples == {"ganeti_jobs_waiting": [[2]],
                              "ganeti_jobs_longest_wait_seconds": [[data["longest_wait"]]]}
    assert asked[0][:2] == ("job", ["status", "received_ts"])
    assert JobQueue().collect(ctx).report.data == {"master": False}
