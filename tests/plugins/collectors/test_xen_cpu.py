"""The collector `xen-cpu-avg-load`: the kit, and averages of what `xl list` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.data import JsonDict
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.collectors import XenCpuAvgLoad
from ganeti_plugins.collectors.xen_cpu import MOST_SAMPLES, domains

LISTED = """\
Name                                        ID   Mem VCPUs      State   Time(s)
Domain-0                                     0  1024     1     r-----      12.3
web1.example.com                             1   128     1     -b----       4.5
db1.example.com                              7    64     2     --p---   20000.0
(null)                                   28441   789     1     --psc-      1.2
"""


class TestXenCpuAvgLoad(CollectorContract):
    @pytest.fixture
    def driver(self) -> XenCpuAvgLoad:
        return XenCpuAvgLoad(lambda: LISTED)


def proc(folder: Path, boot: str = "b1") -> Path:
    (folder / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (folder / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
    return folder


def collected(folder: Path, now: float, web1: float, previous: JsonDict | None = None,
              boot: str = "b1") -> tuple[dict[str, float], JsonDict | None]:
    collector = XenCpuAvgLoad(lambda: LISTED.replace(" 4.5", f" {web1}"), proc(folder, boot),
                              lambda: now)
    found = collector.collect(previous)
    assert problem_of_samples(collector.describe(), found.report) == ""
    assert found.report.samples["ganeti_xen_domain_load"] == [
        list(one) for one in found.report.data.items()]
    return found.report.data, found.state


def test_the_nodes_own_domain_is_left_out() -> None:
    assert domains(LISTED) == {"web1.example.com": 4.5, "db1.example.com": 20000.0}
    assert domains("") == domains("xl: command hangs\n") == {}


def test_averages_are_of_ten_minutes_and_need_a_while(tmp_path: Path) -> None:
    found, state = collected(tmp_path, 1000.0, 10.0)
    assert found == {}
    found, state = collected(tmp_path, 1099.0, 60.0, state)
    assert found == {}
    found, state = collected(tmp_path, 1200.0, 110.0, state)
    assert found == {"web1.example.com": 0.5, "db1.example.com": 0.0}
    # The first sample is too old by now, the second counts.
    found, state = collected(tmp_path, 1650.0, 610.9, state)
    assert found["web1.example.com"] == pytest.approx(550.9 / 551)


def test_a_domain_that_was_started_anew_begins_anew(tmp_path: Path) -> None:
    _, state = collected(tmp_path, 1000.0, 400.0)
    _, state = collected(tmp_path, 1200.0, 500.0, state)
    found, state = collected(tmp_path, 1300.0, 5.0, state)
    assert found == {"db1.example.com": 0.0}
    found, state = collected(tmp_path, 1400.0, 30.0, state)
    assert found["web1.example.com"] == 0.25
    assert collected(tmp_path, 1500.0, 55.0, state, boot="b2")[0] == {}


def test_samples_stay_bounded(tmp_path: Path) -> None:
    state = None
    for second in range(2 * MOST_SAMPLES):
        found, state = collected(tmp_path, 1000.0 + second, 10.0 + second, state)
    assert state is not None
    assert len(state["samples"]) <= MOST_SAMPLES
    assert found["web1.example.com"] == pytest.approx(1.0)


def test_a_domain_that_its_watchdog_has_ended_is_read() -> None:
    assert domains(LISTED.replace("-b----", "---sw-"))["web1.example.com"] == 4.5
