"""A real monitoring daemon on a virtual cluster."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver, Told
from prometheus_client.parser import text_string_to_metric_families
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.spans import Place

CLEAR = b"\x1b[H\x1b[2J"
"""What begins a screen."""


@pytest.fixture(scope="module")
def spans() -> Iterator[OtlpReceiver]:
    with OtlpReceiver().serving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def watched(
    make_cluster: Callable[..., VirtualCluster], spans: OtlpReceiver
) -> Iterator[VirtualCluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", spans.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        yield make_cluster("--nodes", "2", "--hypervisor", "fake", "--with", "confd,mond")


def get(cluster: VirtualCluster, node: str, path: str, method: str = "GET") -> tuple[int, str]:
    address = Layout.load(cluster.root).node(node).address
    request = urllib.request.Request(
        f"http://{address}:1815{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as found:  # noqa: S310
            return int(found.status), found.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


def way_up(spans: dict[str, Told], span: Told | None) -> Iterator[tuple[str, str]]:
    """Services and names from a span to the first of its trace, as far as they are known."""
    while span is not None:
        yield span.service, span.name
        span = spans.get(span.parent)


def names(cluster: VirtualCluster, node: str = "node2") -> list[str]:
    return [row[0] for row in json.loads(get(cluster, node, "/1/list/collectors")[1])]


def test_reports_of_what_the_node_has_collected(watched: VirtualCluster) -> None:
    assert get(watched, "node2", "/") == (200, "[1]")
    wait_until(lambda: get(watched, "node2", "/1/report/default/cpu-avg-load")[0] == 200,
               "a report of the load")
    report = json.loads(get(watched, "node2", "/1/report/default/cpu-avg-load")[1])
    assert list(report) == [
        "name", "version", "format_version", "timestamp", "category", "kind", "data"]
    assert report["data"]["cpu_number"] == len(report["data"]["cpus"])
    assert abs(report["timestamp"] / 1e9 - time.time()) < 600


def test_on_a_virtual_node_it_runs_as_who_started_the_cluster(watched: VirtualCluster) -> None:
    pid = watched.status()["node2"]["daemons"]["ganeti-mond"]["pid"]
    assert Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    ran = watched.on("node2", "ganeti-mond", "--foreground", "--user", "nosuch")
    assert ran.status == 1
    assert ran.stderr.startswith("ganeti-mond: this host has no user nosuch")


def test_figures_for_prometheus(watched: VirtualCluster) -> None:
    def found() -> set[str]:
        return {one.name for one in text_string_to_metric_families(
            get(watched, "node1", "/metrics")[1])}

    wait_until(lambda: {"ganeti_cpu_load_ratio", "ganeti_memory_total_bytes",
                        "ganeti_collector_failed"} <= found(), "figures of all collectors")


def test_guests_and_the_cluster_are_watched(watched: VirtualCluster) -> None:
    watched.gnt("gnt-cluster", "modify", "--data-collector-interval",
                "inst-status=1,cluster-state=1,master-figures=1,placement=1,"
                "instance-usage=1")
    watched.gnt("gnt-cluster", "modify", "--driver-settings",
                r"hspace_disk_template=diskless,hspace_standard_alloc=0\,1g\,1")
    watched.gnt("gnt-instance", "add", "-t", "diskless", "--no-install", "--no-nics",
                "--no-name-check", "--no-ip-check",
                "-n", "node2", "web1")

    def sample(node: str, path: str, name: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(get(watched, node, path)[1])
        return next((one.value for family in families for one in family.samples
                     if one.name == name and labels.items() <= one.labels.items()), None)

    guest = {"instance": "web1"}
    for name, figure in (("running", 1), ("status", 0)):
        wait_until(lambda name=name, figure=figure: sample(
            "node2", "/metrics", f"ganeti_instance_{name}", **guest) == figure,
            f"ganeti_instance_{name} is {figure}")
    wait_until(lambda: sample("node2", "/metrics", "ganeti_instance_memory_held_bytes",
                              hypervisor="fake", **guest) == 128 << 20,
               "the memory that the instance holds")
    wait_until(lambda: sample("node1", "/metrics/cluster", "ganeti_instance_oper_ram",
                              cluster="cluster.example.com", **guest) == 128,
               "the cluster has the instance's memory")
    assert sample("node1", "/metrics/cluster", "ganeti_cluster_node_count") == 2
    assert get(watched, "node2", "/metrics/cluster") == (
        200, "# node2.example.com is not the master: ask node1.example.com\n")
    report = json.loads(get(watched, "node2", "/1/report/instance/inst-status")[1])
    assert [one["name"] for one in report["data"]["instances"]] == ["web1"]

    created = {"cluster": "cluster.example.com", "opcode": "INSTANCE_CREATE"}
    for name, labels in (("job_wait_seconds", created), ("job_run_seconds", created),
                         ("lock_wait_seconds", {}), ("commit_seconds", {})):
        wait_until(lambda name=name, labels=labels: (sample(
            "node1", "/metrics/cluster", f"ganeti_{name}_count", **labels) or 0) >= 1, name)
    assert sample("node1", "/metrics/cluster", "ganeti_stale_candidates") is not None
    assert sample("node1", "/metrics/cluster", "ganeti_node_n1_instances") == 0

    for name, labels in (("hbal_initial_score", {"node_group": "default"}),
                         ("hbal_target_score", {"node_group": "default"}),
                         ("hspace_allocatable_instances", {})):
        wait_until(lambda name=name, labels=labels: sample(
            "node1", "/metrics/cluster", f"ganeti_{name}", cluster="cluster.example.com",
            **labels) is not None, name)

    shown = watched.gnt("gnt-cluster", "top").stdout
    assert "2 nodes (0 offline, 0 silent)  1 instances (1 running)" in shown
    assert "ALARMS" not in shown or "inst-status" not in shown
    (watched.paths("node2").plugin_state / "hypervisors/fake/web1.guest").unlink()
    bad = "inst-status: web1: The instance is not running as it should be"
    wait_until(lambda: sample("node2", "/metrics", "ganeti_instance_status", **guest) == 4,
               "the instance is seen to be down")
    assert f"node2.example.com: {bad}" in watched.gnt("gnt-cluster", "top", "--once").lines
    wait_until(lambda: bad in watched.gnt("gnt-node", "info", "node2").stdout,
               "the node answers, and says so")
    told = {node["name"]: node["alarms"] for node in json.loads(
        watched.gnt("gnt-node", "info", "--format=json").stdout)}
    assert f"inst-status: {told['node2.example.com']['inst-status']}" == bad
    assert "inst-status" not in told["node1.example.com"]
    verified = watched.try_("gnt-cluster", "verify", "--error-codes")
    assert f"WARNING:ENODECOLLECTOR:node:node2.example.com:data collector {bad}" in (
        verified.stdout)
    watched.gnt("gnt-instance", "remove", "-f", "web1")


def test_a_job_is_a_trace_down_to_the_hooks(
    watched: VirtualCluster, spans: OtlpReceiver
) -> None:
    job = int(watched.submit("gnt-instance", "add", "-t", "diskless", "--no-install", "--no-nics",
                             "--no-name-check", "--no-ip-check", "-n", "node2", "traced"))
    with watched.luxi() as luxi:
        uuid = luxi.query_cluster_info()["uuid"]
    place = Place.of_job(uuid, job)
    hook = "hypervisors fake: start"
    wanted = [("ganeti-noded", hook), ("ganeti-noded", hook), ("ganeti-masterd", hook),
              ("ganeti-masterd", "INSTANCE_CREATE"), ("ganeti-masterd", "job")]

    def arrived() -> bool:
        found = spans.of_trace(place.trace)
        return any(list(way_up(found, one)) == wanted for one in found.values())

    wait_until(arrived, "the span of a hook, and all above it")
    found = spans.of_trace(place.trace)
    job_span = found[place.span]
    assert (job_span.parent, job_span.attributes["ganeti.job.id"]) == ("", job)
    assert all(job_span.begin <= one.begin <= one.end for one in found.values())
    assert {one.attributes.get("ganeti.node") for one in found.values()} >= {"node2.example.com"}
    assert not any(one.error for one in found.values())
    watched.gnt("gnt-instance", "remove", "-f", "traced")


def test_hooks_on_the_master_are_in_the_trace_of_their_job(
    watched: VirtualCluster, spans: OtlpReceiver
) -> None:
    job = int(watched.submit("gnt-instance", "add", "-t", "diskless", "--no-install", "--no-nics",
                             "--no-name-check", "--no-ip-check", "-I", "hail", "placed"))
    with watched.luxi() as luxi:
        place = Place.of_job(luxi.query_cluster_info()["uuid"], job)
    wanted = [("ganeti-masterd", "iallocators hail: solve"),
              ("ganeti-masterd", "INSTANCE_CREATE"), ("ganeti-masterd", "job")]

    def arrived() -> bool:
        found = spans.of_trace(place.trace)
        return any(list(way_up(found, one)) == wanted for one in found.values())

    wait_until(arrived, "the span of the allocator, and all above it")
    watched.gnt("gnt-instance", "remove", "-f", "placed")


def test_hbal_takes_the_load_that_the_daemons_tell(watched: VirtualCluster) -> None:
    wait_until(lambda: all(get(watched, node, "/1/report/default/cpu-avg-load")[0] == 200
                           for node in ("node1", "node2")), "reports of the load")
    ask = ("hbal", "-L", "--mond=yes", "--exit-on-missing-mond-data")
    watched.gnt(*ask)
    watched.tool("stop", "node2", "mond")
    ran = watched.try_(*ask)
    assert ran.status == 1
    assert "Not all required data available" in ran.stderr
    watched.bring_back()


def test_top_draws_its_screen_again_on_a_terminal(watched: VirtualCluster) -> None:
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 60, 0, 0))
    environment = os.environ | Layout.load(watched.root).node("node1").environment()
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    # Who runs the tests in the background may have interrupts ignored: nobody at a terminal has.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", Path(sys.executable).parent / "gnt-cluster", "top",
         "--interval=1"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True)
    try:
        os.close(terminal)
        seen = b""
        while seen.count(CLEAR) < 3:
            assert select.select([master], [], [], 60)[0], seen
            seen += os.read(master, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    first, second = (part.decode().split("\r\n") for part in seen.split(CLEAR)[1:3])
    for drawn in (first, second):
        assert drawn[0].startswith("cluster.example.com  ")
        head = next(line for line in drawn if line.startswith("NODE"))
        assert head.split()[:4] == ["NODE", "STATE", "CPUS", "LOAD"]
        assert len(drawn) <= 12
        assert max(map(len, drawn)) <= 60


def test_a_collector_that_is_switched_off_is_gone(watched: VirtualCluster) -> None:
    wait_until(lambda: "diskstats" in names(watched), "the collector is there")
    watched.gnt("gnt-cluster", "modify", "--enabled-data-collectors", "diskstats=off")
    wait_until(lambda: "diskstats" not in names(watched), "the collector is gone")
    assert get(watched, "node2", "/1/report/storage/diskstats")[0] == 404
    watched.gnt("gnt-cluster", "modify", "--enabled-data-collectors", "diskstats=on")
    wait_until(lambda: "diskstats" in names(watched), "the collector is back")


def test_it_is_read_only(watched: VirtualCluster) -> None:
    assert get(watched, "node1", "/1/report/all", "POST")[0] == 405
    assert get(watched, "node1", "/1/report/all", "DELETE")[0] == 405
    assert get(watched, "node1", "/", "HEAD") == (200, "")


def test_a_collector_runs_by_hand(watched: VirtualCluster) -> None:
    ran = watched.on("node2", "mon-collector", "diskstats")
    report = json.loads(ran.stdout)
    assert list(report) == [
        "name", "version", "format_version", "timestamp", "category", "kind", "data"]
    assert (report["name"], report["category"], report["kind"]) == ("diskstats", "storage", 0)
    for node, is_master in (("node1", True), ("node2", False)):
        ran = watched.on(node, "mon-collector", "cluster-state")
        assert json.loads(ran.stdout)["data"]["master"] is is_master
    ran = watched.on("node2", "mon-collector", "nosuch")
    assert ran.status == 1
    assert "There is no data collector 'nosuch' (there are: cluster-state" in ran.stderr


def test_reports_stay_when_the_node_daemon_is_down(watched: VirtualCluster) -> None:
    wait_until(lambda: get(watched, "node2", "/1/report/default/cpu-avg-load")[0] == 200,
               "a report of the load")
    watched.tool("stop", "node2", "noded")
    assert get(watched, "node2", "/1/report/default/cpu-avg-load")[0] == 200
    watched.bring_back()


def test_a_header_without_an_end_is_refused(watched: VirtualCluster) -> None:
    with connected(watched) as sock:
        sent = 0
        try:
            sock.sendall(b"GET / HTTP/1.1\r\nX: ")
            while sent < 8 << 20:
                sent += sock.send(b"y" * 65536)
            answer = sock.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            return  # it has hung up
    assert answer.startswith(b"HTTP/1.1 431")


def test_clients_that_only_hold_connections_keep_nobody_from_it(watched: VirtualCluster) -> None:
    with ExitStack() as stack:
        for number in range(150):
            stack.enter_context(connected(watched, f"127.0.0.{2 + number % 3}"))
        assert get(watched, "node2", "/") == (200, "[1]")


def connected(cluster: VirtualCluster, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(
        (Layout.load(cluster.root).node("node2").address, 1815), 60, (source, 0))


def test_a_port_that_is_taken_is_reported(watched: VirtualCluster) -> None:
    watched.tool("stop", "node2", "mond")
    address = Layout.load(watched.root).node("node1").address
    ran = watched.on("node2", "ganeti-mond", "--foreground", "--bind", address)
    assert ran.status == 1
    assert f"cannot serve at {address} port 1815" in ran.stderr
    watched.bring_back()
