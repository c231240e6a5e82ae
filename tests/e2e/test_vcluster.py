"""``gnt-vcluster``: clusters come up, come back, live side by side, and go without a trace."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import Ran, VirtualCluster, processes_of, run, virtual_cluster, wait_until

MASTERD, NODED = "ganeti-masterd", "ganeti-noded"


@pytest.fixture(scope="module")
def pair(make_cluster) -> VirtualCluster:
    return make_cluster("--nodes", "2")


@pytest.fixture
def vcluster(pair: VirtualCluster) -> Iterator[VirtualCluster]:
    yield pair
    pair.bring_back()


def pid(cluster: VirtualCluster, node: str, daemon: str) -> int | None:
    return cluster.status()[node]["daemons"][daemon]["pid"]


def test_status_tells_every_daemon_in_the_agreed_form(vcluster):
    nodes = json.loads(vcluster.tool("status", "--json").stdout)["nodes"]
    assert [node["name"] for node in nodes] == ["node1.example.com", "node2.example.com"]
    assert [set(node) for node in nodes] == [{"name", "address", "root", "daemons"}] * 2
    assert [set(node["daemons"]) for node in nodes] == [{MASTERD, NODED}, {NODED}]
    for node in nodes:
        assert node["address"].startswith("127.")
        assert Path(node["root"]).parent == vcluster.root
        for daemon in node["daemons"].values():
            assert set(daemon) == {"pid", "port"}
            os.kill(daemon["pid"], 0)
        assert node["daemons"][NODED]["port"] == 1811


def test_files_lie_where_ganeti_has_them(vcluster):
    root = vcluster.root / "node1"
    assert (root / "var/run/ganeti/socket/ganeti-query").is_socket()
    assert (root / "var/lib/ganeti/ssconf_master_node").read_text() == "node1.example.com\n"
    assert (root / "var/log/ganeti/node-daemon.log").exists()
    assert (root / "var/run/ganeti/ganeti-noded.pid").exists()


def test_each_daemon_is_a_process_of_its_own_with_its_name(vcluster):
    pids = {pid(vcluster, "node1", MASTERD): MASTERD, pid(vcluster, "node1", NODED): NODED,
            pid(vcluster, "node2", NODED): NODED}
    assert len(pids) == 3
    for number, name in pids.items():
        assert Path(f"/proc/{number}/comm").read_text().strip() == name
        assert Path(f"/proc/{number}/cmdline").read_bytes().rstrip(b"\0") == name.encode()
        assert os.getsid(number) != os.getsid(0)


def test_env_makes_a_shell_one_on_the_master(vcluster):
    exports = vcluster.tool("env").stdout
    names = {line.removeprefix("export ").partition("=")[0] for line in exports.splitlines()}
    assert names == {"GANETI_ROOT", "GANETI_HOSTNAME", "PATH"}
    ran = run("sh", "-c", 'eval "$0"; gnt-cluster getmaster; hash -r; echo "$GANETI_ROOT"', exports)
    assert ran.lines == ["node1.example.com", str(vcluster.root / "node1")], ran


def test_exec_runs_on_the_node_and_gives_its_status(vcluster):
    def execute(*words: str, **options) -> Ran:
        return run("gnt-vcluster", "exec", "--root", str(vcluster.root), *words, **options)

    ran = execute("node2", "sh", "-c", "echo $GANETI_HOSTNAME; cat; exit 7", stdin="typed")
    assert (ran.status, ran.stdout) == (7, "node2.example.com\ntyped")
    assert execute("node9", "true").status == 1
    assert execute("node1", "no-such-program").status == 127


def test_ssh_to_a_node_needs_no_server(vcluster):
    words = ["ssh", "-q", "-t", "-p", "22", "-oBatchMode=yes", "root@node2.example.com",
             "echo $GANETI_HOSTNAME"]
    assert vcluster.on("node1", *words).stdout == "node2.example.com\n"


def test_a_killed_daemon_is_seen_and_brought_back(vcluster):
    killed = pid(vcluster, "node2", NODED)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: pid(vcluster, "node2", NODED) is None, "the killed daemon is gone")
    ran = run("gnt-vcluster", "status", "--root", str(vcluster.root))
    assert ran.status == 3
    assert "ganeti-noded is down" in ran.stdout
    assert vcluster.tool("start").lines == ["started ganeti-noded of node2.example.com"]
    assert pid(vcluster, "node2", NODED) not in (None, killed)
    assert vcluster.tool("start").lines == []


def test_stop_ends_what_is_named_and_nothing_else(vcluster):
    vcluster.tool("stop", "node1", "masterd")
    assert pid(vcluster, "node1", MASTERD) is None
    assert pid(vcluster, "node1", NODED)
    refused = vcluster.try_("gnt-cluster", "info")
    assert refused.status == 1
    assert "Cannot communicate with the master daemon" in refused.stderr
    vcluster.tool("stop", "--kill", "node2")
    assert pid(vcluster, "node2", NODED) is None
    vcluster.tool("stop")
    wait_until(lambda: processes_of(vcluster.root) == [], "all is stopped")


@pytest.mark.parametrize(("words", "complaint"), [
    (("stop", "node7"), "no node node7: it has node1 to node2"),
    (("stop", "node1", "sshd"), "there is no daemon sshd"),
    (("up",), "gnt-vcluster start brings it back"),
    (("exec", "node1"), "needs a command"),
])
def test_wrong_arguments_are_refused_with_advice(vcluster, words, complaint):
    ran = run("gnt-vcluster", words[0], "--root", str(vcluster.root), *words[1:])
    assert ran.status == 1
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("options", "complaint"), [
    (("--nodes", "0"), "has 1 to 200"),
    (("--nodes", "1000"), "has 1 to 200"),
    (("--hypervisor", "nonsense"), "nonsense"),
])
def test_a_cluster_that_cannot_be_leaves_no_process(tmp_path, options, complaint):
    root = tmp_path / "c"
    ran = run("gnt-vcluster", "up", "--root", str(root), *options)
    assert ran.status == 1
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert processes_of(root) == []
    assert run("gnt-vcluster", "start", "--root", str(root)).status == 1
    assert run("gnt-vcluster", "down", "--root", str(root)).status == 0
    assert not root.exists()


def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    assert run("gnt-vcluster", "up", "--root", str(tmp_path)).status == 1
    down = run("gnt-vcluster", "down", "--root", str(tmp_path))
    assert down.status == 1
    assert "no virtual cluster" in down.stderr
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_clusters_live_side_by_side_and_go_without_a_trace(vcluster, tmp_path):
    root = tmp_path / "other"
    with virtual_cluster(root, "--nodes", "1") as other:
        addresses = {node["address"] for cluster in (vcluster, other)
                     for node in cluster.status().values()}
        assert len(addresses) == 3
        assert other.gnt("gnt-node", "list", "--no-headers", "-o", "name").lines == [
            "node1.example.com"]
        other.tool("down")
        assert not root.exists()
        assert processes_of(root) == []
    assert vcluster.gnt("gnt-cluster", "getmaster").lines == ["node1.example.com"]


def test_a_root_longer_than_the_path_of_a_socket_may_be(tmp_path):
    root = tmp_path / ("long" * 50) / "and spaced"
    with virtual_cluster(root, "--nodes", "2") as far:
        exports = dict(word.split("=", 1) for word in shlex.split(far.tool("env").stdout)
                       if "=" in word)
        assert len(exports["GANETI_ROOT"]) > 200
        assert len(far.table("gnt-node", "list")) == 2
        far.gnt("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-B", "memory=16M",
                "--no-nics", "--no-name-check", "--no-ip-check", "one.example.com")
        assert far.instances("name", "status") == [["one.example.com", "running"]]
        far.verify()
