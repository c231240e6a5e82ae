"""Plugin files of a running cluster: used, changed and gone without a restart of any daemon."""

from __future__ import annotations

import json
from typing import Any

from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.cli.plugin.creating import files, words_of
from ganeti_core.plugin_files import FOLDER

NODES = ("node1", "node2", "node3")


def listed(cluster: VirtualCluster) -> dict[str, dict[str, Any]]:
    rows = json.loads(cluster.try_("gnt-plugin", "list", "--format=json").stdout)
    return {row["name"]: row for row in rows if row["kind"] == "hypervisors"}


def pids(cluster: VirtualCluster) -> list[Any]:
    return [(node, one.get("pid"), one.get("pids"), one.get("noded"), one.get("masterd"))
            for node, one in sorted(cluster.status().items())]


def test_a_hypervisor_comes_changes_and_goes_while_daemons_run(cluster: VirtualCluster) -> None:
    source = files("hypervisors", words_of("hypervisors", "mine"))
    text = next(text for path, text in source.items() if path.endswith("src/ganeti_hypervisor_mine"
                                                                       "/__init__.py"))
    paths = [cluster.root / node / FOLDER / "mine.py" for node in NODES]
    for path in paths:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(f'{text}\n\nPLUGIN = "hypervisors:mine"\n')
        path.chmod(0o644)
    running = pids(cluster)
    assert "mine" not in listed(cluster)
    said = cluster.gnt("gnt-plugin", "reload").stdout
    assert "0 of them cannot be used" in said
    mine = listed(cluster)["mine"]
    assert (mine["problem"], mine["distribution"]) == ("", str(paths[0]))

    # Every node is asked to validate its parameters.
    cluster.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake,mine")
    for path in paths:
        path.write_text(path.read_text().replace("def validate(", "def validatee(", 1))
    said = cluster.gnt("gnt-plugin", "reload").stdout
    assert "hypervisors:mine: " in said
    assert "validatee" in listed(cluster)["mine"]["problem"]
    for path in paths:
        path.write_text(f'{text}\n\nimport os\nPLUGIN = "hypervisors:mine"\nos._exit(3)\n')
    assert (f"hypervisors:mine: {paths[0]}: cannot be loaded: it ended the process that tried to"
            in cluster.gnt("gnt-plugin", "reload").stdout)
    cluster.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake")
    refused = cluster.try_("gnt-cluster", "modify", "--enabled-hypervisors=fake,mine")
    assert f"The hypervisor 'mine' cannot be used: {paths[0]}: cannot be loaded" in refused.stderr
    for path in paths:
        path.unlink()
    cluster.gnt("gnt-plugin", "reload")
    wait_until(lambda: "mine" not in listed(cluster), "the plugin is gone")
    assert pids(cluster) == running


COLLECTOR = """
from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, Report

PLUGIN = "collectors:mine"


class Mine:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="Mine", interval=1.0)

    @hookimpl
    def collect(self):
        return Collected(Report({"well": True}))
"""


def test_a_collector_that_comes_is_asked_and_one_that_goes_is_not(cluster: VirtualCluster) -> None:
    """Nobody has to change a setting for that, nor to start a daemon again."""
    file = cluster.root / "node1" / FOLDER / "mine.py"
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    file.write_text(COLLECTOR)
    file.chmod(0o644)
    cluster.gnt("gnt-plugin", "reload")
    wait_until(lambda: '"well": true' in cluster.try_("gnt-plugin", "collect", "mine").stdout,
               "it reports", 60.0, 0.2)
    reports = cluster.paths("node1").reports
    assert any("mine" in path.name for path in reports.iterdir())
    file.unlink()
    cluster.gnt("gnt-plugin", "reload")
    gone = cluster.try_("gnt-plugin", "collect", "mine")
    assert "has no data collector 'mine'" in gone.stderr, gone
    assert not any("mine" in path.name for path in reports.iterdir())


def test_calls_of_a_plugin_are_shown_as_they_end(cluster: VirtualCluster) -> None:
    with cluster.luxi() as client:
        node = client.query_config_values(["master_node"])[0]
        begun = client.trace_plugin(node, "hypervisors", "fake", None)
        assert begun["calls"] == []

        def calls() -> list[dict[str, Any]]:
            # A node that is slow to answer is shown without, and its hook ends later.
            client.query("node", ["name", "mfree"], ["=", "name", node])
            return list(client.trace_plugin(node, "hypervisors", "fake", begun["serial"])["calls"])

        found = wait_until(calls, "a listing asks the hypervisor", pause=0.2)
        assert all(not call["failed"] and call["seconds"] > 0 for call in found)
    shown = cluster.gnt("gnt-plugin", "trace", "hypervisor:fake", "--seconds", "1.2",
                        "--node", "node2.example.com")
    assert shown.lines[0] == "Calls of hypervisors:fake by the master, and on node2.example.com"
    ran = cluster.try_("gnt-plugin", "trace", "hypervisor:fake", "--node", "nowhere")
    assert ran.status == 1, ran
    assert "Node 'nowhere' not known" in ran.stderr
    ran = cluster.try_("gnt-plugin", "trace", "hypervisor:faek", "--seconds", "0.1")
    assert ran.status == 0, ran
    assert "There is no hypervisors:faek on the master node now" in ran.stderr


def test_calls_of_an_allocator_are_shown(cluster: VirtualCluster) -> None:
    with cluster.luxi() as client:
        begun = client.trace_plugin(None, "iallocators", "hail", None)
        cluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-B", "memory=16M",
                    "--no-nics", "--no-name-check", "--no-ip-check", "--no-install", "--no-start",
                    "-I", "hail", "placed.example.com")
        (call,) = client.trace_plugin(None, "iallocators", "hail", begun["serial"])["calls"]
    assert (call["hook"], call["failed"]) == ("solve", False)
    assert "cluster_name" in call["arguments"]
    assert "success" in call["result"]
    cluster.gnt("gnt-instance", "remove", "-f", "placed.example.com")
