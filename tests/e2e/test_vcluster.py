"""``gnt-vcluster``: clusters come up, come back, live side by side, and go without a trace."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from virtual_cluster import Ran, VirtualCluster, processes_of, run, virtual_cluster, wait_until

from ganeti_core.daemons.vcluster.building import Wish
from ganeti_core.daemons.vcluster.commands import make_parser, together
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.node.world import load_node_host
from ganeti_core.plugin_api.processes import MARK

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
    # The daemon does not wait for long until it has written these.
    master = root / "var/lib/ganeti/ssconf_master_node"
    wait_until(master.exists, "the master's own node has its files")
    assert master.read_text() == "node1.example.com\n"
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
    (("start", "node2", "masterd"), "masterd is no daemon of node2"),
    (("start", "node2", "rapi"), "rapi is no daemon of node2"),
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
    (("--disk-templates", "nonsense"), "nonsense"),
    (("-H", "fake:nonsense=1"), "nonsense"),
    (("-H", "nonsense:a=1"), "-H nonsense: the cluster is to have fake"),
])
def test_a_cluster_that_cannot_be_leaves_nothing(tmp_path, options, complaint):
    root = tmp_path / "folder" / "c"
    ran = run("gnt-vcluster", "up", "--root", str(root), *options)
    assert ran.status == 1
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert processes_of(root) == []
    assert list(tmp_path.iterdir()) == []
    assert run("gnt-vcluster", "start", "--root", str(root)).status == 1
    assert run("gnt-vcluster", "down", "--root", str(root)).status == 0
    root.mkdir(parents=True)
    assert run("gnt-vcluster", "up", "--root", str(root), *options).status == 1
    assert list(root.iterdir()) == [], "a folder that was there stays"


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


def test_hypervisors_say_what_a_trial_needs_and_options_go_before(tmp_path):
    wish = Wish(tmp_path, hypervisors=("kvm", "fake"), hvparams={"kvm": {"kvm_flag": "disabled"}})
    options = wish.init_options(Layout.plan(tmp_path, 1), load_node_host())
    assert options.settings["hvparams"] == {"kvm": {"kernel_path": "", "kvm_flag": "disabled"}}
    own = replace(wish, hvparams={"kvm": {"kernel_path": "/boot/mine"}})
    options = own.init_options(Layout.plan(tmp_path, 1), load_node_host())
    assert options.settings["hvparams"] == {"kvm": {"kernel_path": "/boot/mine"}}


def test_parameters_of_one_hypervisor_cometogether(tmp_path):
    given = make_parser().parse_args(
        ["up", "--root", str(tmp_path), "-H", "kvm:acpi=no,cpu_cores=2", "-H", "kvm:kvm_flag="])
    assert together(given.hvparams) == {"kvm": {"acpi": "no", "cpu_cores": 2, "kvm_flag": ""}}
    for wrong in ("kvm", "kvm:", ":acpi=yes", "kvm:acpi"):
        ran = run("gnt-vcluster", "up", "--root", str(tmp_path / "c"), "-H", wrong)
        assert ran.status == 2
        assert "is not HYPERVISOR:KEY=VALUE" in ran.stderr


def shown(number: int) -> str:
    return Path(f"/proc/{number}/comm").read_text().strip()


def test_daemons_bear_their_names_however_they_were_started(vcluster):
    vcluster.tool("stop")
    for node, daemon in (("node1", NODED), ("node2", NODED), ("node1", MASTERD)):
        started = vcluster.on(node, daemon)
        assert started.status == 0, started
        assert shown(pid(vcluster, node, daemon)) == daemon
    vcluster.tool("stop", "--crash")
    vcluster.tool("start")
    assert [shown(pid(vcluster, node, daemon)) for node, daemon in (
        ("node1", NODED), ("node2", NODED), ("node1", MASTERD))] == [NODED, NODED, MASTERD]
    vcluster.wait_for_copies("node2")
    for new in ("node2", "node1"):
        over = vcluster.on(new, "gnt-cluster", "master-failover", "--yes-do-it", timeout=300.0)
        assert over.status == 0, over
        assert shown(pid(vcluster, new, MASTERD)) == MASTERD
        vcluster.wait_for_copies("node1", "node2", master=new)


def begun(vcluster: VirtualCluster, node: str, *, mark: bool = False) -> subprocess.Popen[bytes]:
    """A process in a session of its own: one of the node by its mark, or by a file alone."""
    paths = vcluster.paths(node)
    marks = {MARK: json.dumps([str(paths.plugin_state / "some/thing"), "one", {}])} if mark else {}
    with (paths.log / "begun.log").open("a") as output:
        return subprocess.Popen(
            ["sleep", "600"], env=os.environ | marks, start_new_session=True,
            stdout=subprocess.DEVNULL if mark else output, stderr=subprocess.DEVNULL)


def test_a_crash_ends_what_drivers_have_begun_there_and_nothing_else(vcluster):
    here = [begun(vcluster, "node2"), begun(vcluster, "node2", mark=True)]
    there = begun(vcluster, "node1", mark=True)
    with (vcluster.paths("node2").log / "node-daemon.log").open() as watched:
        mine = subprocess.Popen(["sleep", "600"], stdin=watched)
    try:
        vcluster.tool("stop", "--crash", "node2")
        assert [one.poll() is None for one in here] == [False, False]
        assert there.poll() is None
        assert mine.poll() is None, "it is in the session of who called"
    finally:
        for one in (mine, there, *here):
            one.kill()
            one.wait()


def test_pretended_guests_end_in_a_crash_as_real_ones_do(vcluster):
    vcluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "none", "--no-install",
                 "--no-name-check", "--no-ip-check", "-n", "node2", "-H", "fake", "power.example")
    try:
        vcluster.tool("stop", "--kill", "node2")
        vcluster.tool("start")
        assert _status(vcluster, "power.example") == "running"
        vcluster.tool("stop", "--crash", "node2")
        vcluster.tool("start")
        wait_until(lambda: _status(vcluster, "power.example") == "ERROR_down", "it has ended")
    finally:
        vcluster.gnt("gnt-instance", "remove", "-f", "power.example")


def _status(vcluster: VirtualCluster, instance: str) -> str:
    [line] = vcluster.gnt("gnt-instance", "list", "--no-headers", "-o", "status", instance).lines
    return str(line)


@pytest.mark.needs_root
def test_a_control_group_goes_with_its_processes(vcluster):
    parents = [folder for folder in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))
               if (folder / "cgroup.procs").exists()]
    group = Path(parents[0] if parents else "/sys/fs/cgroup", f"gnt-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as exc:
        pytest.skip(f"no control group can be made here: {exc}")
    try:
        with begun(vcluster, "node2", mark=True) as one:
            (group / "cgroup.procs").write_text(f"{one.pid}\n")
            vcluster.tool("stop", "--crash", "node2")
            assert one.poll() is not None
        assert not group.exists()
    finally:
        if group.exists():
            group.rmdir()


def test_a_crash_is_that_of_a_whole_node(vcluster):
    ran = run("gnt-vcluster", "stop", "--crash", "--root", str(vcluster.root), "node1", "masterd")
    assert ran.status == 1
    assert "leave out masterd, or give --kill" in ran.stderr
    assert pid(vcluster, "node1", MASTERD)


def test_every_node_has_definitions_and_providers_of_its_own(vcluster):
    storage = [vcluster.root / node / "srv/ganeti" for node in ("node1", "node2")]
    assert [sorted(entry.name for entry in folder.iterdir()) for folder in storage] == [
        ["export", "extstorage", "file-storage", "os", "shared-file-storage"]] * 2
    valid = set(vcluster.gnt("gnt-os", "list", "--no-headers").lines)
    assert {"busybox", "noop", "tiny"} <= valid
    try:
        shutil.copytree(storage[0] / "os/noop", storage[0] / "os/mine")
        shown = wait_until(lambda: _diagnosed(vcluster).get("mine"), "it is found")
        assert shown == {"node1"}
        shutil.copytree(storage[1] / "os/noop", storage[1] / "os/mine")
        wait_until(lambda: _diagnosed(vcluster)["mine"] == {"node1", "node2"}, "it is on both")
    finally:
        for folder in storage:
            shutil.rmtree(folder / "os/mine", ignore_errors=True)


def _diagnosed(vcluster: VirtualCluster) -> dict[str, set[str]]:
    """On which nodes each OS definition is."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in vcluster.try_("gnt-os", "diagnose").lines:
        if line.startswith("OS: "):
            name = line.removeprefix("OS: ").split()[0]
        elif (node := re.search(r"Node: (node\d)", line)) and "/mine" in line:
            found.setdefault(name, set()).add(node[1])
    return found
