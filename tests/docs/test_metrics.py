"""The dashboard asks for metrics that there are, and their names follow Prometheus's rules."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from pages import metrics

from ganeti_core.mond.exposition import CLUSTER
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugins import PluginHost

FIGURES = 0
"""What collectors of figures say of their kind of report."""


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


@pytest.mark.parametrize(("names", "labels"), [
    ("node_{ctotal,dfree,dtotal,mfree,mtotal,pinst_cnt,sinst_cnt,p_oper_vcpus,s_oper_vcpus}",
     "cluster,node"),
    ("instance_{oper_vcpus,oper_ram}", "cluster,instance"),
    ("cluster_{instance_count,node_count,offline_nodes}", "cluster"),
    ("cluster_{jobs}", "cluster,job_status"),
    ("job_{wait_time,run_time}", "cluster,job_id,job_operation"),
    ("hbal_{initial,target}_score", "cluster,node_group"),
    ("hspace_{allocatable_instances}", "cluster"),
    ("scrape_{duration_seconds}", "cluster")])
def test_metrics_of_ganetis_exporter_keep_their_names_and_labels(names: str, labels: str) -> None:
    before, _, rest = names.partition("{")
    middle, _, after = rest.partition("}")
    wanted = {f"ganeti_{before}{one}{after}" for one in middle.split(",")}
    known = {one.name: one for found in metrics.registry().values() for one in found}
    assert {",".join(((CLUSTER,) if known[name].cluster_wide else ()) + known[name].labels)
            for name in wanted} == {labels}


def test_every_collector_of_figures_has_metrics() -> None:
    host = PluginHost()
    host.load([COLLECTORS])
    described = {name: host.describe(COLLECTORS, name) for name in host.names(COLLECTORS)}
    assert [name for name, one in described.items()
            if one.report_kind == FIGURES and not one.metrics] == []
