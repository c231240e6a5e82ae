"""The dashboard asks for metrics that there are, and their names follow Prometheus's rules."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from pages import metrics


def every() -> list[str]:
    return [metric.name for found in metrics.registry().values() for metric in found]


def test_each_metric_has_one_meaning() -> None:
    assert [name for name, times in Counter(every()).items() if times > 1] == []


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    asked = {name for panels in metrics.ROWS.values() for panel in panels
             for name in metrics.names_in(panel.query)}
    assert asked
    parts = {f"{metric.name}_bucket" for found in metrics.registry().values() for metric in found
             if metric.type == "histogram"}
    assert asked - set(every()) - parts == set()


def test_no_two_panels_lie_on_each_other() -> None:
    places = [(one["gridPos"]["x"], one["gridPos"]["y"])
              for one in metrics.dashboard()["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", [
    "ganeti_node_ctotal", "ganeti_node_dfree", "ganeti_node_dtotal", "ganeti_node_mfree",
    "ganeti_node_mtotal", "ganeti_node_pinst_cnt", "ganeti_node_sinst_cnt",
    "ganeti_node_p_oper_vcpus", "ganeti_node_s_oper_vcpus", "ganeti_instance_oper_vcpus",
    "ganeti_instance_oper_ram", "ganeti_cluster_instance_count", "ganeti_cluster_node_count",
    "ganeti_cluster_offline_nodes", "ganeti_cluster_jobs", "ganeti_job_wait_time",
    "ganeti_job_run_time", "ganeti_scrape_duration_seconds", "ganeti_hbal_initial_score",
    "ganeti_hbal_target_score", "ganeti_hspace_allocatable_instances"])
def test_metrics_of_ganetis_exporter_keep_their_names(name: str) -> None:
    assert name in every()
