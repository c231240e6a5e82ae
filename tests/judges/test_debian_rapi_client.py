"""Debian's client of the remote API, with all that it can do, against the real daemon."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ganeti_of_debian import Failed, Library, has_rapi_client, served_library
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout

pytestmark = pytest.mark.skipif(
    not has_rapi_client(), reason="needs Ganeti's client (apt-get install python3-ganeti-rapi)")
WEB, DATA = "web.example.com", "data.example.com"
NODES = [f"node{number}.example.com" for number in (1, 2, 3)]
PLAIN = {"os": "noop", "name_check": False, "ip_check": False, "hypervisor": "fake",
         "beparams": {"memory": 16}}


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    made = make_cluster("--nodes", "3", "--hypervisor", "fake", "--with", "rapi",
                        "--disk-templates", "diskless,file,sharedfile")
    users = made.paths().rapi_users
    users.parent.mkdir(exist_ok=True)
    users.write_text("jack abc123 write\n")
    users.chmod(0o600)
    return made


@dataclass(frozen=True)
class Judge:
    """The client, and what is done with the jobs that it submits."""

    api: Library

    def job(self, number: Any) -> dict[str, Any]:
        """A job's document once it has ended."""
        status: dict[str, Any] = {}

        def ended() -> bool:
            status.update(self.api.GetJobStatus(number))
            return status["status"] in ("success", "error", "canceled")

        wait_until(ended, f"job {number} ends")
        return status

    def done(self, number: Any) -> Any:
        """The result of a job, which must succeed."""
        job = self.job(number)
        assert job["status"] == "success", job["opresult"]
        return job["opresult"][-1]

    def refused(self, number: Any) -> str:
        """Why a job failed."""
        job = self.job(number)
        assert job["status"] == "error", job["opresult"]
        return str(job["opresult"][-1][1][0])


@pytest.fixture(scope="module")
def judge(cluster: VirtualCluster) -> Iterator[Judge]:
    """The client as somebody who may do everything, and two instances."""
    with served_library("rapi", Layout.load(cluster.root).address, "jack", "abc123") as api:
        wait_until(lambda: _knows_users(api), "the users are known")
        one = Judge(api)
        for number in [api.CreateInstance(
                "create", name, template, disks, [], pnode=NODES[0], **PLAIN)
                for name, template, disks in ((WEB, "sharedfile", [{"size": 4}]),
                                              (DATA, "file", [{"size": 4}]))]:
            one.done(number)
        yield one


def _knows_users(api: Library) -> bool:
    try:
        return bool(api.GetNodeStorageUnits(NODES[0], "file", "name"))
    except Failed:
        return False


@pytest.fixture
def api(judge: Judge) -> Library:
    return judge.api


def test_the_cluster(judge: Judge, api: Library) -> None:
    assert api.GetVersion() == 2
    assert "instance-create-reqv1" in api.GetFeatures()
    assert "noop" in api.GetOperatingSystems()
    assert api.GetInfo()["name"] == "cluster.example.com"
    judge.done(api.RedistributeConfig(reason="as a test"))
    judge.done(api.ModifyCluster(candidate_pool_size=3))
    assert api.GetInfo()["candidate_pool_size"] == 3
    assert judge.done(api.AddClusterTags(["one", "two"])) is None
    judge.done(api.DeleteClusterTags(["one"]))
    assert api.GetClusterTags() == ["two"]


def test_instances_are_shown(judge: Judge, api: Library) -> None:
    assert api.GetInstances() == [DATA, WEB]
    assert {one["name"]: one["status"] for one in api.GetInstances(bulk=True)} == {
        WEB: "running", DATA: "running"}
    assert api.GetInstance(WEB)["pnode"] == NODES[0]
    (known,) = judge.done(api.GetInstanceInfo(WEB, static=True)).values()
    assert known["run_state"] is None
    assert api.GetInstanceConsole(WEB)["kind"]
    with pytest.raises(Failed) as caught:
        api.GetInstance("nosuch.example.com")
    assert (caught.value.sort, caught.value.code) == ("GanetiApiError", 404)


def test_several_instances_at_once(judge: Judge, api: Library) -> None:
    wanted = [api.InstanceAllocation("create", f"multi{number}.example.com", "diskless", [], [],
                                     pnode=NODES[number], **PLAIN) for number in (1, 2)]
    for _, number in judge.done(api.InstancesMultiAlloc(wanted))["jobs"]:
        judge.done(number)
    for number in [api.DeleteInstance(f"multi{number}.example.com") for number in (1, 2)]:
        judge.done(number)


def test_power_and_parameters_of_an_instance(judge: Judge, api: Library) -> None:
    judge.done(api.ModifyInstance(WEB, beparams={"maxmem": 32, "minmem": 16}))
    assert api.GetInstance(WEB)["beparams"]["maxmem"] == 32
    judge.done(api.RebootInstance(WEB, reboot_type="hard", ignore_secondaries=True))
    judge.done(api.ShutdownInstance(WEB, dry_run=True))
    assert api.GetInstance(WEB)["status"] == "running"
    judge.done(api.ShutdownInstance(WEB, timeout=1))
    judge.done(api.RenameInstance(WEB, "wab.example.com", ip_check=False, name_check=False))
    judge.done(api.RenameInstance("wab.example.com", WEB, ip_check=False, name_check=False))
    judge.done(api.StartupInstance(WEB, reason="to work"))
    judge.done(api.ReinstallInstance(WEB, os="noop", no_startup=False))
    assert api.GetInstance(WEB)["status"] == "running"
    judge.done(api.AddInstanceTags(WEB, ["a", "b"]))
    judge.done(api.DeleteInstanceTags(WEB, ["a"]))
    assert api.GetInstanceTags(WEB) == ["b"]


def test_disks_and_exports_of_an_instance(
    cluster: VirtualCluster, judge: Judge, api: Library
) -> None:
    judge.done(api.GrowInstanceDisk(DATA, 0, 4, wait_for_sync=True))
    assert api.GetInstance(DATA)["disk.sizes"] == [8]
    judge.done(api.PrepareExport(DATA, "local"))
    judge.done(api.ShutdownInstance(DATA, timeout=1))
    assert judge.done(api.ExportInstance(DATA, "local", NODES[1], shutdown=False)) == [
        True, [True]]
    judge.done(api.ActivateInstanceDisks(DATA, ignore_size=True))
    judge.done(api.DeactivateInstanceDisks(DATA))
    (file,) = (cluster.root / "node1").glob(f"srv/ganeti/file-storage/{DATA}/*.disk0")
    file.unlink()
    judge.done(api.RecreateInstanceDisks(DATA, disks=[0]))
    assert "Can only run replace disks for" in judge.refused(
        api.ReplaceInstanceDisks(DATA, disks=[0], mode="replace_on_primary"))


def test_instances_move(judge: Judge, api: Library) -> None:
    judge.done(api.MigrateInstance(WEB, mode="live", target_node=NODES[1]))
    judge.done(api.FailoverInstance(WEB, target_node=NODES[2], ignore_consistency=True))
    assert api.GetInstance(WEB)["pnode"] == NODES[2]
    for _, number in judge.done(api.MigrateNode(NODES[2], mode="live"))["jobs"]:
        judge.done(number)
    left = api.GetInstance(WEB)["pnode"]
    assert left != NODES[2]
    jobs = judge.done(api.EvacuateNode(left, mode="primary-only", iallocator="hail"))["jobs"]
    assert not judge.done(api.EvacuateNode(NODES[2], mode="all", iallocator="hail", dry_run=True))
    for _, number in jobs:
        judge.job(number)


def test_nodes(judge: Judge, api: Library) -> None:
    assert api.GetNodes() == NODES
    assert {one["name"] for one in api.GetNodes(bulk=True)} == set(NODES)
    assert api.GetNode(NODES[1])["vm_capable"] is True
    judge.done(api.SetNodeRole(NODES[1], "drained", force=True, auto_promote=True))
    assert api.GetNodeRole(NODES[1]) == "drained"
    judge.done(api.SetNodeRole(NODES[1], "master-candidate"))
    judge.done(api.ModifyNode(NODES[1], ndparams={"spindle_count": 2}))
    judge.done(api.AddNodeTags(NODES[1], ["fast"]))
    assert api.GetNodeTags(NODES[1]) == ["fast"]
    judge.done(api.DeleteNodeTags(NODES[1], ["fast"]))
    assert "reset" in str(judge.done(api.PowercycleNode(NODES[1], force=False)))


def test_storage_units(judge: Judge, api: Library) -> None:
    ((_, size, allocatable),) = judge.done(
        api.GetNodeStorageUnits(NODES[1], "file", "name,size,allocatable"))
    assert (size > 0, allocatable) == (True, True)
    assert "file" in judge.refused(api.ModifyNodeStorageUnits(NODES[1], "file", "x", True))
    assert "file" in judge.refused(api.RepairNodeStorageUnits(NODES[1], "file", "x"))


def test_groups(judge: Judge, api: Library) -> None:
    judge.done(api.CreateGroup("east", alloc_policy="last_resort"))
    judge.done(api.ModifyGroup("east", alloc_policy="preferred"))
    judge.done(api.RenameGroup("east", "west"))
    judge.done(api.AssignGroupNodes("west", [NODES[2]], force=True))
    assert api.GetGroup("west")["node_list"] == [NODES[2]]
    judge.done(api.AssignGroupNodes("default", [NODES[2]], force=True))
    judge.done(api.AddGroupTags("west", ["x"]))
    assert api.GetGroupTags("west") == ["x"]
    judge.done(api.DeleteGroupTags("west", ["x"]))
    assert api.GetGroups() == ["default", "west"]
    judge.done(api.DeleteGroup("west"))
    assert [one["name"] for one in api.GetGroups(bulk=True)] == ["default"]


def test_networks(judge: Judge, api: Library) -> None:
    judge.done(api.CreateNetwork("net1", "198.51.100.0/24", gateway="198.51.100.1", tags="a,b",
                                 add_reserved_ips="198.51.100.9,198.51.100.10"))
    judge.done(api.ModifyNetwork("net1", gateway="198.51.100.2"))
    judge.done(api.ConnectNetwork("net1", "default", "bridged", "br0"))
    shown = api.GetNetwork("net1")
    assert (shown["gateway"], shown["reserved_count"]) == ("198.51.100.2", 5)
    judge.done(api.DisconnectNetwork("net1", "default"))
    judge.done(api.AddNetworkTags("net1", ["c"]))
    judge.done(api.DeleteNetworkTags("net1", ["a"]))
    assert api.GetNetworkTags("net1") == ["b", "c"]
    assert api.GetNetworks() == ["net1"]
    assert api.GetNetworks(bulk=True)[0]["name"] == "net1"
    judge.done(api.DeleteNetwork("net1", dry_run=True))
    judge.done(api.DeleteNetwork("net1"))


def test_queries(api: Library) -> None:
    found = api.Query("instance", ["name", "pnode"], ["=", "name", DATA])
    assert found["data"] == [[[0, DATA], [0, NODES[0]]]]
    assert [one["name"] for one in api.QueryFields("node", ["name", "role"])["fields"]] == [
        "name", "role"]


def test_jobs(judge: Judge, api: Library) -> None:
    number = api.AddClusterTags(["waited"], reason="because")
    change = api.WaitForJobChange(number, ["id", "summary"], None, None)
    assert change["job_info"] == [number, ["TAGS_SET"]]
    assert api.WaitForJobCompletion(number, period=0.05) is True
    assert number in api.GetJobs()
    assert number in [one["id"] for one in api.GetJobs(bulk=True)]
    assert api.CancelJob(number)[0] is False


def test_rules_of_the_queue(api: Library) -> None:
    uuid = api.AddFilter(5, [["jobid", [">", "id", 100000]]], "CONTINUE", [["test", "made", 0]])
    assert api.GetFilters() == [uuid]
    assert api.ReplaceFilter(uuid, 7, [], "CONTINUE") == uuid
    assert api.GetFilters(bulk=True) == [api.GetFilter(uuid)]
    assert api.GetFilter(uuid)["priority"] == 7
    assert api.DeleteFilter(uuid) is None


def test_nothing_that_the_client_can_do_was_left_out(api: Library) -> None:
    asked = set(re.findall(r"api\.([A-Z]\w+)\(", Path(__file__).read_text()))

    assert set(api.methods) == asked
