"""Debian's htools, commands and LUXI library ask our master, and change things through it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ganeti_of_debian import Commands, Failed, Library, library, served_library, tools
from virtual_cluster import Ran, VirtualCluster, wait_until

TOOLS, LIBRARY = tools(), library()
needs_tools = pytest.mark.skipif(
    TOOLS is None, reason="needs Ganeti's htools (apt-get install ganeti-htools)")
needs_library = pytest.mark.skipif(
    LIBRARY is None, reason="needs Ganeti's Python library (make packages unpacks it)")
NAMES = [f"guest{number}.example.com" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    """Three nodes, with three instances on one of them."""
    made = make_cluster("--nodes", "3", "--hypervisor", "fake",
                        "--disk-templates", "diskless,sharedfile")
    for name in NAMES:
        made.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "noop", "-B",
                 "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1",
                 name)
    return made


def htool(cluster: VirtualCluster, tool: str, *words: str) -> Ran:
    """Run Debian's, on the cluster's socket where `words` have ``-L``."""
    assert TOOLS is not None
    socket = str(cluster.paths().master_socket)
    sent = [f"-L{socket}" if word == "-L" else word for word in words]
    done = subprocess.run([TOOLS / tool, *sent], capture_output=True, text=True, timeout=300)
    return Ran((tool, *words), done.returncode, done.stdout, done.stderr)


def without_numbers(text: str) -> str:
    """What stays the same while the machine's free memory changes."""
    return re.sub(r"-?\d+(\.\d+)?%?", "N", text)


@needs_tools
@pytest.mark.parametrize("words", [
    ("hinfo", "-L"), ("hinfo", "-L", "--print-nodes=name,pcnt,scnt,r_mem"),
    ("hcheck", "-L", "--machine-readable"), ("hroller", "-L", "--force"),
    ("hsqueeze", "-L"), ("harep", "-L")], ids=" ".join)
def test_what_htools_say_of_the_cluster(cluster: VirtualCluster, words: tuple[str, ...]) -> None:
    theirs, ours = htool(cluster, *words), cluster.try_(*words)

    assert theirs.status == ours.status == 0, (theirs, ours)
    assert without_numbers(theirs.stdout) == without_numbers(ours.stdout)


@needs_tools
def test_the_socket_for_questions_is_enough_to_watch(cluster: VirtualCluster) -> None:
    reading = f"-L{cluster.paths().read_socket}"

    assert without_numbers(htool(cluster, "hinfo", reading).stdout) == without_numbers(
        htool(cluster, "hinfo", "-L").stdout)
    moved = htool(cluster, "hbal", reading, "-X")
    assert moved.status != 0
    assert "is not served at ganeti-read" in moved.stdout + moved.stderr


@needs_tools
def test_hscan_reads_the_cluster_and_hbal_balances_it(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    for tool in ("mine", "theirs"):
        (tmp_path / tool).mkdir()
    htool(cluster, "hscan", "-L", "-d", str(tmp_path / "theirs"))
    cluster.gnt("hscan", "-L", "-d", str(tmp_path / "mine"))
    scans = [tmp_path / tool / "LOCAL.data" for tool in ("mine", "theirs")]
    assert without_numbers(scans[0].read_text()) == without_numbers(scans[1].read_text())
    for tool in ("hbal", "hspace", "hinfo"):
        words = (tool, "-t", str(scans[1]))
        assert htool(cluster, *words).stdout == cluster.gnt(*words).stdout

    moved = htool(cluster, "hbal", "-L", "-X")
    assert (moved.status, moved.stdout.count("Got job IDs")) == (0, 2), moved
    assert len({pnode for (pnode,) in cluster.instances("pnode")}) == 3
    again = htool(cluster, "hbal", "-L").stdout
    assert "Cluster is already well balanced" in again or "Solution length=0" in again


@pytest.fixture(scope="module")
def commands(cluster: VirtualCluster, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    assert LIBRARY is not None
    return Commands.of(cluster, LIBRARY, tmp_path_factory.mktemp("theirs"))


@needs_library
@pytest.mark.parametrize("words", [
    ("gnt-instance", "list", "-o", "name,status,pnode,be/maxmem,disk.sizes,tags"),
    ("gnt-instance", "list", "--filter", 'name =* "guest[12]*" and be/maxmem < 99'),
    ("gnt-instance", "list-fields"), ("gnt-instance", "info", "--static", NAMES[0]),
    ("gnt-node", "list", "-o", "name,role,pinst_list,group,ctime"), ("gnt-node", "list-fields"),
    ("gnt-node", "info", "node2"), ("gnt-group", "list"), ("gnt-group", "info"),
    ("gnt-network", "list"), ("gnt-job", "list", "-o", "id,status,summary"),
    ("gnt-job", "info", "4"), ("gnt-os", "list"), ("gnt-os", "diagnose"), ("gnt-backup", "list"),
    ("gnt-cluster", "getmaster"), ("gnt-cluster", "list-tags"),
    ("gnt-filter", "list"), ("gnt-debug", "locks"), ("gnt-storage", "diagnose")], ids=" ".join)
def test_what_commands_show(
    cluster: VirtualCluster, commands: Commands, words: tuple[str, ...]
) -> None:
    theirs, ours = commands.try_(*words), cluster.try_(*words)

    # Ganeti's have sets in some places, in no order, and in others uuids of nodes for their names.
    shown = theirs.stdout
    for name, uuid in cluster.table("gnt-node", "list", "-o", "name,uuid"):
        shown = shown.replace(uuid, name)
    assert theirs.status == ours.status
    assert _lines(shown) == _lines(ours.stdout)


def _lines(text: str) -> list[str]:
    return sorted(line.strip("- ") for line in text.splitlines())


@needs_library
def test_what_commands_show_of_the_cluster(cluster: VirtualCluster, commands: Commands) -> None:
    theirs, ours = commands.run("gnt-cluster", "info"), cluster.gnt("gnt-cluster", "info")

    # Theirs look for operating systems where they were built to look.
    assert [line for line in _lines(theirs.stdout) if line not in _lines(ours.stdout)
            and "OS search path" not in line] == []


@needs_library
def test_what_commands_change(cluster: VirtualCluster, commands: Commands) -> None:
    name = "made.example.com"
    commands.run("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "noop", "-B",
                 "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1",
                 name)
    commands.run("gnt-instance", "modify", "-B", "maxmem=32M,minmem=16M", name)
    commands.run("gnt-instance", "add-tags", name, "a", "b")
    commands.run("gnt-instance", "migrate", "-f", "-n", "node3", name)
    commands.run("gnt-instance", "shutdown", "--timeout=1", name)
    assert cluster.table("gnt-instance", "list", "-o", "status,pnode,be/maxmem,tags", name) == [
        ["ADMIN_down", "node3.example.com", "32", "a,b"]]
    commands.run("gnt-instance", "remove", "-f", name)
    commands.run("gnt-group", "add", "east")
    commands.run("gnt-group", "assign-nodes", "east", "node3")
    commands.run("gnt-group", "assign-nodes", "default", "node3")
    commands.run("gnt-group", "remove", "east")
    commands.run("gnt-node", "modify", "--drained=yes", "node3")
    commands.run("gnt-node", "modify", "--drained=no", "--master-candidate=yes", "node3")
    commands.run("gnt-cluster", "modify", "--candidate-pool-size=5")
    refused = commands.try_("gnt-instance", "startup", "nosuch.example.com")
    ours = cluster.try_("gnt-instance", "startup", "nosuch.example.com")
    assert (refused.status, refused.stderr) == (ours.status, ours.stderr)


@needs_library
def test_verify(cluster: VirtualCluster, commands: Commands) -> None:
    assert "ERROR" not in commands.run("gnt-cluster", "verify").stdout
    commands.run("gnt-cluster", "verify-disks")


@pytest.fixture(scope="module")
def luxi(cluster: VirtualCluster) -> Iterator[Library]:
    with served_library("luxi", str(cluster.paths().master_socket), folder=LIBRARY) as api:
        yield api


@needs_library
def test_objects_by_luxi(luxi: Library) -> None:
    assert luxi.QueryInstances([], ["name"], False) == [[name] for name in NAMES]
    assert luxi.QueryNodes(["node2"], ["name", "role"], False) == [["node2.example.com", "C"]]
    assert luxi.QueryGroups([], ["name"], False) == [["default"]]
    assert luxi.QueryNetworks([], ["name"], False) == []
    assert luxi.QueryExports([], False) == []
    assert luxi.QueryClusterInfo()["name"] == "cluster.example.com"
    assert luxi.QueryConfigValues(["cluster_name", "drain_flag"]) == ["cluster.example.com", False]
    assert luxi.QueryTags("cluster", "") == []
    found = luxi.Query("instance", ["name"], ["=", "name", NAMES[0]])
    assert found["data"] == [[[0, NAMES[0]]]]
    assert luxi.QueryFields("job", ["id"])["fields"][0]["kind"] == "number"


@needs_library
def test_jobs_by_luxi(luxi: Library) -> None:
    tag = {"OP_ID": "OP_TAGS_SET", "kind": "cluster", "name": None, "tags": ["luxi"]}
    number = luxi.SubmitJob([tag])
    wait_until(lambda: luxi.QueryJobs([number], ["status"]) == [["success"]], "the job ends")
    info, _ = luxi.WaitForJobChange(number, ["summary"], None, None)
    assert info == [["TAGS_SET"]]
    assert luxi.WaitForJobChangeOnce(number, ["summary"], info, 0, timeout=1) in (
        "nochange", [info, []])
    several = luxi.SubmitManyJobs([[tag], [{"OP_ID": "OP_TEST_DELAY", "duration": 0.01,
                                            "on_master": True}]])
    assert [ok for ok, _ in several] == [True, True]
    assert luxi.CancelJob(number)[0] is False
    assert luxi.ChangeJobPriority(number, -10)[0] is False
    assert luxi.ArchiveJob(number) is True
    luxi.AutoArchiveJobs(3600)
    assert luxi.SetWatcherPause(None) is None


@needs_library
def test_the_queue_by_luxi(luxi: Library) -> None:
    tag = {"OP_ID": "OP_TAGS_SET", "kind": "cluster", "name": None, "tags": ["drained"]}
    luxi.SetQueueDrainFlag(True)
    with pytest.raises(Failed) as caught:
        luxi.SubmitJob([tag])
    assert "Queue drained" in caught.value.text
    assert luxi.SubmitJobToDrainedQueue([tag]) > 0
    luxi.SetQueueDrainFlag(False)
    uuid = luxi.ReplaceFilter(None, 5, [["jobid", [">", "id", 100000]]], "CONTINUE", [])
    assert luxi.QueryFilters([uuid], ["priority"]) == [[5]]
    luxi.DeleteFilter(uuid)
