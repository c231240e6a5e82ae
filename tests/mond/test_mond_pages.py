"""The pages of the monitoring daemon, from reports that lie in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ganeti_core.mond.pages import Response, Sources, respond
from ganeti_core.mond.reports import Reports
from ganeti_core.node.published import Published, publish, withdraw
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.data import Description, Metric, Report

RECORDED = json.loads((Path(__file__).parent / "data/recorded.json").read_text())
LOAD = Metric("ganeti_load_ratio", "gauge", "How busy", ("cpu",))
READS = Metric("ganeti_reads_total", "counter", "Reads \\ of a \n device", ("device", "kind"))
COUNT = Metric("ganeti_cluster_node_count", "gauge", "Nodes", (), cluster_wide=True)
NODE_MEMORY = Metric("ganeti_node_mtotal", "gauge", "Memory", ("node",), cluster_wide=True)


def report(name: str, data: Any, category: str | None = None, kind: int = 0) -> dict[str, Any]:
    return {"name": name, "version": "B", "format_version": 1,
            "timestamp": 1795220350_000_000_000, "category": category, "kind": kind, "data": data}


def a_collector(name: str, **values: Any) -> Published:
    known: dict[str, Any] = {
        "category": "", "kind": 0, "interval": 5.0, "report": report(name, {}), "error": ""}
    return Published(name, **{**known, **values})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What Ganeti's agent had in the recordings, without reports, as there."""
    for name, category, kind in (
            ("cpu-avg-load", "", 0), ("xen-cpu-avg-load", "", 0), ("diskstats", "storage", 0),
            ("drbd", "storage", 1), ("lv", "storage", 0)):
        publish(tmp_path, a_collector(name, category=category, kind=kind, report=None))
    return tmp_path


def get(folder: Path, path: str, *, master: str = "node1", reports: Reports | None = None
        ) -> Response:
    known = reports or Reports(folder)
    return respond(Sources(known.all, lambda: 'c"1', lambda: master, "node1"), path)


def families(response: Response) -> dict[str, Any]:
    """What Prometheus's own parser reads."""
    assert response.status == 200
    assert response.media_type.startswith("text/plain; version=0.0.4")
    return {one.name: one for one in text_string_to_metric_families(response.body)}


@pytest.mark.parametrize(
    "case", [case for case in RECORDED if case["method"] == "GET" and case["status"] != 500],
    ids=lambda case: case["path"])
def test_what_ganeti_answered(folder: Path, case: dict[str, Any]) -> None:
    found = get(folder, case["path"])
    assert found.status == case["status"]
    if case["text"] is not None:
        assert found.body == case["text"]
    elif case["path"] == "/1/list/collectors":
        # Ours are in the order of their names.
        assert json.loads(found.body) == sorted(case["json"])
    else:
        assert json.loads(found.body) == case["json"]


def test_reports_one_by_one_and_all(folder: Path) -> None:
    publish(folder, a_collector("lv", category="storage", report=report("lv", [1], "storage")))
    publish(folder, a_collector("job-queue", report=report("job-queue", {"jobs": 3})))
    assert json.loads(get(folder, "/1/report/storage/lv").body) == report("lv", [1], "storage")
    assert json.loads(get(folder, "/1/report/default/job-queue").body)["data"] == {"jobs": 3}
    assert get(folder, "/1/report/default/lv").status == 404
    assert [one["name"] for one in json.loads(get(folder, "/1/report/all").body)] == [
        "job-queue", "lv"]


def test_a_new_report_is_seen_and_an_old_one_is_not_read_again(folder: Path) -> None:
    reports = Reports(folder)
    first = reports.all()
    assert [id(one) for one in reports.all()] == [id(one) for one in first]
    publish(folder, a_collector("lv", report=report("lv", {"new": True})))
    second = reports.all()
    changed = [one.published.name for one, before in zip(second, first, strict=True)
               if one is not before]
    assert changed == ["lv"]
    withdraw(folder, {"lv"})
    assert [one.published.name for one in reports.all()] == ["lv"]


def test_what_cannot_be_read_is_left_out(folder: Path) -> None:
    (folder / "lv.json").write_text('{"name": ')
    (folder / "drbd.json").write_text('["no report"]')
    (folder / ".diskstats.json.12-abcdefgh").write_text("a draft")
    listed = [row[0] for row in json.loads(get(folder, "/1/list/collectors").body)]
    assert listed == ["cpu-avg-load", "diskstats", "xen-cpu-avg-load"]


def test_what_cannot_be_read_is_logged_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "lv.json").write_text("{}")
    reports = Reports(folder)
    for _ in range(3):
        assert "lv" not in [one.published.name for one in reports.all()]
    assert len([one for one in caplog.messages if "lv.json cannot be read" in one]) == 1
    publish(folder, a_collector("lv", report=report("lv", {"new": True})))
    assert "lv" in [one.published.name for one in reports.all()]


def test_there_are_no_reports_before_the_node_daemon_has_begun(tmp_path: Path) -> None:
    assert get(tmp_path / "nosuch", "/1/report/all").body == "[]"
    assert get(tmp_path / "nosuch", "/metrics").status == 200


def test_figures_are_read_by_prometheus_as_they_were_reported(folder: Path) -> None:
    odd = 'a "b" \\ c\nd'
    publish(folder, a_collector("cpu-avg-load", metrics=(LOAD, READS, COUNT), samples={
        "ganeti_load_ratio": [["0", 0.25], ["1", 1e-07]],
        "ganeti_reads_total": [[odd, "x", 12345678901234567]],
        "ganeti_cluster_node_count": [[3]]}))
    found = families(get(folder, "/metrics"))
    assert found["ganeti_load_ratio"].type == "gauge"
    assert [(s.labels, s.value) for s in found["ganeti_load_ratio"].samples] == [
        ({"cpu": "0"}, 0.25), ({"cpu": "1"}, 1e-07)]
    (sample,) = found["ganeti_reads"].samples
    assert (sample.labels, sample.value) == ({"device": odd, "kind": "x"}, 12345678901234567)
    assert found["ganeti_reads"].documentation == READS.title
    assert "ganeti_cluster_node_count" not in found


def test_histograms_are_read_by_prometheus_as_they_were_reported(folder: Path) -> None:
    waits = Metric("ganeti_wait_seconds", "histogram", "Waiting", ("op",), cluster_wide=True)
    alone = Metric("ganeti_run_seconds", "histogram", "Running")
    rows: dict[str, Any] = {
        waits.name: [["A", [2.5, [[0.1, 1], [1.0, 1], [None, 3]]]]],
        alone.name: [[[0.5, [[1, 2], [None, 2]]]]]}
    assert problem_of_samples(Description(0, "", metrics=(waits, alone)),
                              Report({}, samples=rows)) == ""
    publish(folder, a_collector("master", metrics=(waits, alone), samples=rows))
    found = families(get(folder, "/metrics/cluster"))["ganeti_wait_seconds"]
    assert found.type == "histogram"
    labels = {"cluster": 'c"1', "op": "A"}
    assert [(one.name.removeprefix(waits.name), one.labels, one.value)
            for one in found.samples] == [
        ("_bucket", {**labels, "le": "0.1"}, 1), ("_bucket", {**labels, "le": "1.0"}, 1),
        ("_bucket", {**labels, "le": "+Inf"}, 3), ("_sum", labels, 2.5), ("_count", labels, 3)]
    found = families(get(folder, "/metrics"))["ganeti_run_seconds"]
    assert [(one.name.removeprefix(alone.name), one.labels, one.value)
            for one in found.samples] == [
        ("_bucket", {"le": "1.0"}, 2), ("_bucket", {"le": "+Inf"}, 2), ("_sum", {}, 0.5),
        ("_count", {}, 2)]


@pytest.mark.parametrize("figure", [
    3, [1.0], [1.0, []], [1.0, [[1, 2]]], [1.0, [[1, 2], [None, 1]]], ["x", [[None, 1]]],
    [1.0, [[2, 1], [1, 1], [None, 1]]], [1.0, [[1, -1], [None, 1]]], [1.0, [[1], [None, 1]]]])
def test_what_is_no_histogram_is_refused(figure: Any) -> None:
    waits = Metric("ganeti_wait_seconds", "histogram", "Waiting")
    problem = problem_of_samples(Description(0, "", metrics=(waits,)),
                                 Report({}, samples={waits.name: [[figure]]}))
    assert problem.startswith("a sample of the metric 'ganeti_wait_seconds' is no histogram: ")


def test_metrics_of_the_cluster_are_on_the_master_with_its_name(folder: Path) -> None:
    publish(folder, a_collector("cluster", metrics=(LOAD, COUNT, NODE_MEMORY), samples={
        "ganeti_load_ratio": [["0", 0.25]], "ganeti_cluster_node_count": [[3]],
        "ganeti_node_mtotal": [["node2", 4096]]}))
    found = families(get(folder, "/metrics/cluster"))
    assert sorted(found) == ["ganeti_cluster_node_count", "ganeti_node_mtotal"]
    assert found["ganeti_cluster_node_count"].samples[0].labels == {"cluster": 'c"1'}
    assert found["ganeti_node_mtotal"].samples[0].labels == {"cluster": 'c"1', "node": "node2"}
    elsewhere = get(folder, "/metrics/cluster", master="node2")
    assert elsewhere.body == "# node1 is not the master: ask node2\n"
    assert families(elsewhere) == {}


def test_the_collectors_themselves_are_watched(folder: Path) -> None:
    withdraw(folder, set())
    publish(folder, a_collector("drbd", kind=1, report=report(
        "drbd", {"status": {"code": 4, "message": "bad"}}, kind=1)))
    publish(folder, a_collector("lv", error="it hung", report=report(
        "lv", {"status": {"code": 2, "message": "it hung"}})))
    found = families(get(folder, "/metrics"))
    assert {s.labels["collector"]: s.value for s in found["ganeti_collector_failed"].samples} == {
        "drbd": 0, "lv": 1}
    assert {s.labels["collector"]: s.value for s in found["ganeti_collector_status"].samples} == {
        "drbd": 4, "lv": 2}
    assert {s.value for s in found["ganeti_collector_report_timestamp_seconds"].samples} == {
        1795220350}


def test_two_collectors_may_report_one_metric_and_never_make_the_page_unreadable(
    folder: Path
) -> None:
    other = Metric("ganeti_load_ratio", "gauge", "Something else", ("disk",))
    for name, metric, label in (("a", LOAD, "0"), ("b", LOAD, "1"), ("c", other, "sda")):
        publish(folder, a_collector(name, metrics=(metric,), samples={
            metric.name: [[label, 1]]}))
    response = get(folder, "/metrics")
    assert [s.labels for s in families(response)["ganeti_load_ratio"].samples] == [
        {"cpu": "0"}, {"cpu": "1"}]
    assert response.body.count("# TYPE ganeti_load_ratio ") == 1
