"""The collector `instance-usage`: the kit, and what it makes of hypervisors' counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import GanetiError, HookContext, NotSupported
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage, NicUsage
from ganeti_plugins.collectors import InstanceUsage

WEB = GuestUsage("web1", "u1", 7.5, 64.5, (DiskUsage(0, 1, 2, 3, 4), DiskUsage(1, 5, 6, 7, 8)),
                 (NicUsage(0, 9, 10, 11, 12),))


class TestInstanceUsage(CollectorContract):
    @pytest.fixture
    def driver(self) -> InstanceUsage:
        return InstanceUsage()

    @pytest.fixture
    def ctx(self, tmp_path: Path) -> HookContext:
        return node(tmp_path, {"first": [WEB]})


def node(folder: Path, answers: Mapping[str, Any]) -> HookContext:
    """A node whose hypervisors give these answers."""
    ctx = make_context(folder / "node1", "node1.example.com")
    data = ctx.root / "var/lib/ganeti"
    data.mkdir(parents=True, exist_ok=True)
    (data / "ssconf_hypervisor_list").write_text("\n".join(answers))

    def call(kind: str, name: str, hook: str, /, **_: Any) -> Any:
        assert (kind, hook) == ("hypervisors", "usage")
        if isinstance(answer := answers[name], Exception):
            raise answer
        return answer

    return replace(ctx, driver=call)


def test_disks_and_cards_have_their_figures(tmp_path: Path) -> None:
    collector = InstanceUsage()
    report = collector.collect(node(tmp_path, {"first": [WEB]})).report
    assert problem_of_samples(collector.describe(), report) == ""
    (shown,) = report.data["instances"]
    assert (shown["name"], shown["hypervisor"], shown["cpu_seconds"]) == ("web1", "first", 7.5)
    assert report.samples["ganeti_instance_memory_held_bytes"] == [
        ["web1", "first", 64 * (1 << 20) + (1 << 19)]]
    found = {name: rows for name, rows in report.samples.items() if "memory" not in name}
    assert found == {
        f"ganeti_instance_{name}_total": [["web1", "first", str(at), figure]
                                          for at, figure in enumerate(figures)]
        for name, figures in {
            "disk_reads": (1, 5), "disk_read_bytes": (2, 6), "disk_writes": (3, 7),
            "disk_written_bytes": (4, 8), "nic_received_packets": (9,),
            "nic_received_bytes": (10,), "nic_sent_packets": (11,), "nic_sent_bytes": (12,)
        }.items()}


def test_one_that_counts_nothing_or_fails_hides_no_other(tmp_path: Path) -> None:
    report = InstanceUsage().collect(node(tmp_path, {
        "silent": NotSupported("silent does not offer usage"), "broken": GanetiError("no cgroups"),
        "last": [WEB]})).report
    assert report.data["problems"] == ["broken: no cgroups"]
    assert [one["hypervisor"] for one in report.data["instances"]] == ["last"]
