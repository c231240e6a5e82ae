"""The figures for Prometheus, as collectors describe them, and a dashboard of Grafana of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.mond.own_metrics import OWN
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugins import PluginHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.plugin_api.data import Metric

DASHBOARD = "ganeti.json"
NOTE = "<!-- Written by `python docs/build.py`; changes made here are lost. -->\n"
_NAME = re.compile(r"ganeti_\w+")


class Panel(NamedTuple):
    """A graph: what it is called, what is asked of Prometheus, the unit, and the legend."""

    title: str
    query: str
    unit: str
    legend: str


ROWS: dict[str, tuple[Panel, ...]] = {
    "Cluster": (
        Panel("Nodes", 'ganeti_cluster_node_count{cluster=~"$cluster"}', "short", "nodes"),
        Panel("Nodes that do not answer", 'ganeti_cluster_silent_nodes{cluster=~"$cluster"}',
              "short", "silent"),
        Panel("Instances", 'ganeti_cluster_instance_count{cluster=~"$cluster"}', "short",
              "instances"),
        Panel("Jobs", 'ganeti_cluster_jobs{cluster=~"$cluster",'
              'job_status=~"queued|waiting|running|canceling"}', "short", "{{job_status}}"),
        Panel("Longest wait of a job that has not begun",
              'ganeti_jobs_longest_wait_seconds{cluster=~"$cluster"}', "s", "longest"),
        Panel("Run time of the last jobs", 'ganeti_job_run_time{cluster=~"$cluster"}', "s",
              "{{job_operation}} {{job_id}}"),
        Panel("Wait of jobs, nine of ten below",
              "histogram_quantile(0.9, sum by (le, opcode) "
              '(rate(ganeti_job_wait_seconds_bucket{cluster=~"$cluster"}[1h])))', "s",
              "{{opcode}}"),
        Panel("Run time of jobs, nine of ten below",
              "histogram_quantile(0.9, sum by (le, opcode) "
              '(rate(ganeti_job_run_seconds_bucket{cluster=~"$cluster"}[1h])))', "s",
              "{{opcode}}"),
        Panel("Commits, nine of ten below",
              "histogram_quantile(0.9, sum by (le) "
              '(rate(ganeti_commit_seconds_bucket{cluster=~"$cluster"}[5m])))', "s", "commits"),
        Panel("Calls to nodes that fail",
              'rate(ganeti_rpc_errors_total{cluster=~"$cluster"}[5m])', "short",
              "{{node}} {{kind}}"),
        Panel("Owed to nodes", 'ganeti_debts{cluster=~"$cluster"}', "short",
              "{{node}} {{kind}}"),
        Panel("Copies that are not current", 'ganeti_stale_candidates{cluster=~"$cluster"}',
              "short", "candidates"),
        Panel("Requests for locks that wait", 'ganeti_lock_waits{cluster=~"$cluster"}', "short",
              "waiting")),
    "Room on the nodes": (
        Panel("Free memory", 'ganeti_node_mfree{cluster=~"$cluster"} * 1048576', "bytes",
              "{{node}}"),
        Panel("Free disk space", 'ganeti_node_dfree{cluster=~"$cluster"} * 1048576', "bytes",
              "{{node}}"),
        Panel("Instances without memory elsewhere if the node fails",
              'ganeti_node_n1_instances{cluster=~"$cluster"} > 0', "short", "{{node}}"),
        Panel("Score of balance, as it is",
              'ganeti_hbal_initial_score{cluster=~"$cluster"}', "short", "{{node_group}}"),
        Panel("Score that hbal would reach",
              'ganeti_hbal_target_score{cluster=~"$cluster"}', "short", "{{node_group}}"),
        Panel("Instances of the standard size that still fit",
              'ganeti_hspace_allocatable_instances{cluster=~"$cluster"}', "short", "instances"),
        Panel("Processors of running instances per processor",
              'ganeti_node_p_oper_vcpus{cluster=~"$cluster"} / '
              'ganeti_node_ctotal{cluster=~"$cluster"}', "percentunit", "{{node}}")),
    "Load of the nodes": (
        Panel("Busy processors, of ten minutes", "sum by (instance) (ganeti_cpu_load_ratio)",
              "short", "{{instance}}"),
        Panel("Time in which work waited for memory",
              'rate(ganeti_pressure_stalled_seconds_total{resource="memory"}[5m])', "percentunit",
              "{{instance}}"),
        Panel("Nodes that need a repair", "ganeti_node_repair_need > 0", "short", "{{instance}}"),
        Panel("Reads from disks", "sum by (instance) (rate(ganeti_disk_read_bytes_total[5m]))",
              "Bps", "{{instance}}"),
        Panel("Writes to disks", "sum by (instance) (rate(ganeti_disk_written_bytes_total[5m]))",
              "Bps", "{{instance}}")),
    "Guests": (
        Panel("Processors in use", "rate(ganeti_instance_cpu_seconds_total[5m])", "short",
              "{{exported_instance}}"),
        Panel("Memory", "ganeti_instance_memory_bytes", "bytes", "{{exported_instance}}"),
        Panel("Reads from instances' disks",
              "rate(ganeti_instance_disk_read_bytes_total[5m])", "Bps",
              "{{exported_instance}} {{disk}}"),
        Panel("Writes to instances' disks",
              "rate(ganeti_instance_disk_written_bytes_total[5m])", "Bps",
              "{{exported_instance}} {{disk}}"),
        Panel("Received by instances", "rate(ganeti_instance_nic_received_bytes_total[5m])",
              "Bps", "{{exported_instance}} {{nic}}"),
        Panel("Sent by instances", "rate(ganeti_instance_nic_sent_bytes_total[5m])", "Bps",
              "{{exported_instance}} {{nic}}"),
        Panel("Instances that are not as they should be", "ganeti_instance_status > 0", "short",
              "{{exported_instance}}"),
        Panel("Mirrored devices: what differs", "ganeti_drbd_out_of_sync_bytes > 0", "bytes",
              "{{instance}} {{minor}}")),
    "The eyes themselves": (
        Panel("Collectors that cannot report", "ganeti_collector_failed > 0", "short",
              "{{instance}} {{collector}}"),
        Panel("Age of reports", "time() - ganeti_collector_report_timestamp_seconds", "s",
              "{{instance}} {{collector}}")),
}


def pages() -> dict[str, str]:
    """Text by file name."""
    return {"metrics.md": NOTE + "\n" + "\n".join(_page()) + "\n"}


def files() -> dict[str, str]:
    """Files of other folders of the documentation."""
    return {f"grafana/{DASHBOARD}": json.dumps(dashboard(), indent=1) + "\n"}


def registry() -> dict[str, list[Metric]]:
    """Every metric, by the collector that reports it."""
    host = PluginHost()
    host.load([COLLECTORS])
    return {**{name: list(host.describe(COLLECTORS, name).metrics)
               for name in host.names(COLLECTORS)}, "": list(OWN)}


def _page() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield ("`ganeti-mond` shows these figures in Prometheus's text format: those of a node at "
           "`/metrics`, those of the whole cluster, which have the label `cluster`, at "
           "`/metrics/cluster` of the master. Each comes from a data collector; one that is "
           "switched off, or has nothing to say, has no samples. A dashboard of Grafana that "
           "uses them is `docs/grafana/ganeti.json`.")
    yield ""
    yield ("Labels called `instance` are instances of Ganeti. Prometheus has a label of its own "
           "of that name, the target, and calls ours `exported_instance` unless the job says "
           "`honor_labels: true`.")
    for name, metrics in registry().items():
        if not metrics:
            continue
        yield ""
        yield f"## {f'Of the collector `{name}`' if name else 'Of the collectors themselves'}"
        yield ""
        yield "| metric | type | labels | what it is |"
        yield "|---|---|---|---|"
        for metric in metrics:
            labels = (("cluster", *metric.labels) if metric.cluster_wide else metric.labels)
            shown = ", ".join(f"`{label}`" for label in labels)
            yield f"| `{metric.name}` | {metric.type} | {shown} | {metric.title} |"


def names_in(query: str) -> set[str]:
    """The metrics of a query."""
    return set(_NAME.findall(query))


def dashboard() -> dict[str, Any]:
    """The dashboard, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, members in ROWS.items():
        panels.append({"type": "row", "title": row, "id": len(panels) + 1, "collapsed": False,
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}, "panels": []})
        for at, panel in enumerate(members):
            panels.append(_panel(panel, len(panels) + 1, at % 3 * 8, top + 1 + at // 3 * 8))
        top += 1 + (len(members) + 2) // 3 * 8
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "title": "Ganeti", "uid": "ganeti-core", "schemaVersion": 38, "version": 1,
        "tags": ["ganeti"], "time": {"from": "now-6h", "to": "now"}, "refresh": "30s",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {"name": "cluster", "type": "query", "datasource": source, "refresh": 2,
             "includeAll": True, "multi": True,
             "query": "label_values(ganeti_cluster_node_count, cluster)"}]},
        "panels": panels}


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    return {
        "type": "timeseries", "title": panel.title, "id": number,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": 8, "w": 8, "x": left, "y": top},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": panel.query, "legendFormat": panel.legend}]}
