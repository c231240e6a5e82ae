"""Debian's Prometheus watches three nodes with real guests, and one of them is killed.

Its programs are those that ``make packages`` has unpacked, or that are on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from pages import metrics

UNPACKED = Path(__file__).parents[2] / ".cache/prometheus/usr/bin"
PROMETHEUS, PROMTOOL = (
    shutil.which(name, path=f"{UNPACKED}{os.pathsep}{os.environ['PATH']}") or ""
    for name in ("prometheus", "promtool"))
pytestmark = [pytest.mark.needs_root, pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="needs prometheus (make packages unpacks it)")]

CONFIG = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - {job_name: ganeti, honor_labels: false, static_configs: [{targets: TARGETS}]}
  - {job_name: ganeti-cluster, metrics_path: /metrics/cluster,
     static_configs: [{targets: TARGETS}]}
"""
PANELS = {panel.title: panel.query.replace("$cluster", ".*")
          for row in metrics.ROWS.values() for panel in row}
"""What the dashboard asks, by the titles."""
OF_TROUBLE = frozenset({
    "Calls to nodes that fail", "Owed to nodes", "Nodes that need a repair",
    "Instances without memory elsewhere if the node fails", "Collectors that cannot report",
    "Instances that are not as they should be", "Mirrored devices: what differs",
    "Received by instances", "Sent by instances"})
"""Panels that may have nothing to show while all is well; guests of this kind have no cards."""


@pytest.fixture(scope="module")
def watched(make_cluster: Callable[..., VirtualCluster]) -> Iterator[VirtualCluster]:
    made = make_cluster("--nodes", "3", "--hypervisor", "chroot", "--disk-templates", "file",
                        "--with", "confd,mond")
    made.gnt("gnt-cluster", "modify", "--data-collector-interval", ",".join(
        f"{name}=1" for name in ("cluster-state", "master-figures", "inst-status", "placement",
                                 "instance-usage", "node-pressure", "node-status", "diskstats")))
    for number in (2, 3):
        made.gnt("gnt-instance", "add", "-t", "file", "-s", "16M", "-o", "container", "-n",
                 f"node{number}", "-B", "memory=64M", "--no-nics", "--no-name-check",
                 "--no-ip-check", f"web{number}.example.com")
    try:
        yield made
    finally:
        # Whatever became of the tests: guests have disks that are mounted on this machine.
        made.bring_back()
        for number in (2, 3):
            made.gnt("gnt-instance", "remove", "-f", f"web{number}.example.com")


def addresses(cluster: VirtualCluster) -> list[str]:
    return [f"{node.address}:1815" for node in Layout.load(cluster.root).nodes]


class Prometheus:
    """Its HTTP interface."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, query: str) -> list[dict[str, Any]]:
        """:raises OSError: it does not answer, or the query is wrong"""
        url = f"http://{self._address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=30) as found:
            told = json.load(found)
        assert told["status"] == "success", told
        return list(told["data"]["result"])

    def value(self, query: str) -> float | None:
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module")
def prometheus(watched: VirtualCluster, tmp_path_factory: pytest.TempPathFactory
               ) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.replace("TARGETS", json.dumps(addresses(watched))))
    subprocess.run([PROMTOOL, "check", "config", config], check=True, timeout=60)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("wb") as log, subprocess.Popen(
            [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={address}"], stdout=log, stderr=log) as process:
        try:
            made = Prometheus(address)
            wait_until(lambda: answers(made), "Prometheus answers", pause=0.2)
            yield made
        finally:
            process.terminate()


def answers(prometheus: Prometheus) -> bool:
    try:
        return prometheus.ask("vector(1)") != []
    except OSError:
        return False


@pytest.mark.parametrize("path", ["/metrics", "/metrics/cluster"])
def test_promtool_finds_nothing_wrong(watched: VirtualCluster, path: str) -> None:
    def text() -> bytes:
        with urllib.request.urlopen(
                f"http://{addresses(watched)[0]}{path}", timeout=30) as found:
            return bytes(found.read())

    wait_until(lambda: text().count(b"# TYPE") >= 15, f"figures at {path}", pause=0.2)
    ran = subprocess.run([PROMTOOL, "check", "metrics"], input=text(), capture_output=True,
                         timeout=60)
    # Names of Ganeti's own exporter do not follow all rules; the words for it are in the output.
    complaints = [line for line in (ran.stdout + ran.stderr).decode().splitlines()
                  if not any(name in line for name in ("_cnt", "_count", "job_", "_oper_"))]
    assert complaints == []


def processes_of(cluster: VirtualCluster, node: str) -> list[int]:
    """Those of the guests of a node, which have its folder in the place of the machine's root."""
    root = str(Layout.load(cluster.root).node(node).root)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "root").startswith(root):
                found.append(int(entry.name))
    return found


def test_what_is_wrong_is_on_the_dashboard(
    watched: VirtualCluster, prometheus: Prometheus
) -> None:
    folder = watched.paths("node2").etc / "node-diagnose-commands"
    folder.mkdir(mode=0o755)
    (folder / "look").write_text("""#!/bin/sh\necho '{"status": "evacuate"}'\n""")
    (folder / "look").chmod(0o755)
    # The other nodes have no such program.
    watched.gnt("gnt-cluster", "modify", "--driver-settings", "node_status_command=look")
    stopped = processes_of(watched, "node2")
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for title, labels in (
                ("Nodes that need a repair", {}),
                ("Collectors that cannot report", {"collector": "node-status"}),
                ("Instances that are not as they should be",
                 {"exported_instance": "web2.example.com"})):
            wait_until(lambda title=title, labels=labels: any(
                labels.items() <= one["metric"].items() for one in prometheus.ask(PANELS[title])),
                title, pause=0.5)
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_the_dashboard_has_data_and_a_node_that_dies_is_seen(
    watched: VirtualCluster, prometheus: Prometheus
) -> None:
    assert wait_until(lambda: prometheus.value("sum(up)") == 6, "all are scraped", pause=0.2)
    empty = set(PANELS) - OF_TROUBLE

    def all_have_data() -> bool:
        empty.difference_update([title for title in empty if prometheus.ask(PANELS[title])])
        return not empty

    try:
        wait_until(all_have_data, "data for the dashboard", pause=0.5)
    finally:
        assert empty == set()
    for title in OF_TROUBLE:
        prometheus.ask(PANELS[title])
    guests = prometheus.ask('ganeti_instance_running{exported_instance=~"web.*"} == 1')
    assert {one["metric"]["exported_instance"] for one in guests} == {
        "web2.example.com", "web3.example.com"}

    watched.tool("stop", "node3", "--kill")
    for query, figure in (("sum(up)", 4), ("ganeti_cluster_silent_nodes", 1)):
        wait_until(lambda query=query, figure=figure: prometheus.value(query) == figure,
                   f"{query} is {figure}", pause=0.2)
    wait_until(lambda: prometheus.ask(PANELS["Calls to nodes that fail"]),
               "calls that fail are counted", pause=0.5)
    assert prometheus.value('ganeti_instance_oper_ram{exported_instance="web2.example.com"} or '
                            'ganeti_instance_oper_ram{instance="web2.example.com"}') is not None
    watched.bring_back()
    wait_until(lambda: prometheus.value("sum(up)") == 6, "all are scraped again", pause=0.2)
