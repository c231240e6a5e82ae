"""The collectors of guests, disks and the cluster: the kit, and what they make of what is there.

The outputs of LVM and DRBD are those of real hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import GanetiError, HookContext, NotMaster
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.data import RunningInstance
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.collectors import (
    ClusterState,
    DrbdStatus,
    InstanceStatus,
    LogicalVolumes,
    XenInstanceStatus,
)
from ganeti_plugins.collectors.cluster import LAST_JOBS, n1_samples, node_samples
from ganeti_plugins.collectors.drbd import parse, status_of
from ganeti_plugins.collectors.instances import judged
from ganeti_plugins.collectors.lvm import volume

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> str:
    return (DATA / name).read_text()


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1", "node1.example.com")


class TestLogicalVolumes(CollectorContract):
    @pytest.fixture
    def driver(self) -> LogicalVolumes:
        return LogicalVolumes(lambda: recorded("lvs_lv.txt"))


class TestDrbdStatus(CollectorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> DrbdStatus:
        return DrbdStatus(proc_with(tmp_path, "proc_drbd84_sync.txt"), lambda ctx: {5: "web1"})


class TestInstanceStatus(CollectorContract):
    @pytest.fixture
    def driver(self) -> InstanceStatus:
        return InstanceStatus(lambda ctx: [configured("web1", "up"), configured("db1", "down")])


class TestXenInstanceStatus(CollectorContract):
    @pytest.fixture
    def driver(self) -> XenInstanceStatus:
        return XenInstanceStatus(lambda ctx: [])


class TestClusterState(CollectorContract):
    @pytest.fixture
    def driver(self) -> ClusterState:
        return ClusterState()


def proc_with(folder: Path, name: str) -> Path:
    proc = folder / "proc"
    proc.mkdir(exist_ok=True)
    (proc / "drbd").write_text(recorded(name))
    return proc


def configured(name: str, admin: str) -> dict[str, Any]:
    return {"name": name, "uuid": f"uuid-{name}", "admin_state": admin, "mtime": 5.5,
            "hypervisor": "fake"}


# Logical volumes


def test_a_volume_is_read_as_ganeti_reads_it() -> None:
    first, second = LogicalVolumes(lambda: recorded("lvs_lv.txt")).collect().report.data
    assert first == {
        "uuid": "nhasjL-cnZi-uqLS-WRLj-tkXI-nvCB-n0o2lj",
        "name": "df9ff3f6-a833-48ff-8bd5-bff2eaeab759.disk0_data", "attr": "-wi-ao", "major": -1,
        "minor": -1, "kernel_major": 253, "kernel_minor": 0, "size": 1073741824, "seg_count": 1,
        "tags": "originstname+instance1.example.com", "modules": "",
        "vg_uuid": "uZgXit-eiRr-vRqe-xpEo-e9nU-mTuR-9nfVIU", "vg_name": "xenvg",
        "segtype": "linear", "seg_start": 0, "seg_start_pe": 0, "seg_size": 1073741824,
        "seg_tags": "", "seg_pe_ranges": "/dev/sda5:0-15", "devices": "/dev/sda5(0)",
        "instance": "instance1.example.com"}
    assert second["size"] == 134217728


def test_a_volume_of_two_segments_is_one_figure() -> None:
    line = recorded("lvs_lv.txt").splitlines()[0]
    report = LogicalVolumes(lambda: f"{line}\n{line}\n").collect().report
    assert len(report.data) == 2
    assert report.samples["ganeti_lv_size_bytes"] == [
        ["xenvg", "df9ff3f6-a833-48ff-8bd5-bff2eaeab759.disk0_data", "instance1.example.com",
         1073741824]]


@pytest.mark.parametrize(("line", "problem"), [
    ("a;b;c", "3 fields, not 20"), (";".join(["x"] * 20), "'x' where a number is due")])
def test_what_is_no_volume_is_refused_by_name(line: str, problem: str) -> None:
    with pytest.raises(GanetiError, match=problem):
        volume(line)


# Mirrored devices


def test_devices_are_read_as_ganeti_reads_them() -> None:
    version, devices = parse(recorded("proc_drbd84_sync.txt"))
    assert version == {
        "version": "8.4.2", "api": "1", "proto": "86-101",
        "gitHash": "7ad5f850d711223713d6dcadc3dd48860321070c",
        "buildBy": "root@example.com, 2013-04-10 07:45:25"}
    alone, unconfigured, syncing = devices
    assert unconfigured == {"minor": 3, "connectionState": "Unconfigured"}
    assert (alone["localRole"], alone["remoteRole"], alone["replicationProtocol"]) == (
        "Primary", "Unknown", " ")
    assert syncing == {
        "minor": 5, "connectionState": "SyncSource", "localRole": "Secondary",
        "remoteRole": "Secondary", "localState": "UpToDate", "remoteState": "Inconsistent",
        "replicationProtocol": "C", "ioFlags": "r---n-",
        "perfIndicators": {
            "networkSend": 716992, "networkReceive": 0, "diskWrite": 0, "diskRead": 719432,
            "activityLog": 0, "bitMap": 43, "localCount": 0, "pending": 33, "unacknowledged": 18,
            "applicationPending": 0, "epochs": 1, "writeOrder": "f", "outOfSync": 335744},
        "syncStatus": {"percentage": 68.5, "progress": "335744/1048576",
                       "progressUnit": "KiloByte", "timeToFinish": "00:00:05", "speed": 64800,
                       "speedUnit": "KiloByte/Second"}}


@pytest.mark.parametrize(("name", "code", "messages"), [
    ("proc_drbd84_sync.txt", 4, ["0: No network config available"]),
    ("proc_drbd83_sync.txt", 1, ["4: Trying to establish a network connection"]),
    ("proc_drbd83.txt", 4, ["4: Trying to establish a network connection",
                            "7: Trying to establish a network connection",
                            "8: No network config available"]),
    ("proc_drbd84_emptyfirst.txt", 4, ["4: Trying to establish a network connection",
                                       "8: No network config available"])])
def test_the_status_is_that_of_the_worst_device(
    name: str, code: int, messages: list[str]
) -> None:
    found = status_of(*parse(recorded(name)))
    assert (found["code"], found["message"].splitlines()) == (code, messages)


def test_a_node_without_the_module_is_well(ctx: HookContext, tmp_path: Path) -> None:
    report = DrbdStatus(tmp_path).collect(ctx).report
    assert report.data["status"] == {"code": 0, "message": ""}


def test_a_version_that_lists_no_devices_is_unknown() -> None:
    found = status_of(*parse("version: 9.2.8 (api:2/proto:86-122)\n"))
    assert (found["code"], "DRBD 9.2.8" in found["message"]) == (2, True)


def test_devices_have_their_instances_and_figures(ctx: HookContext, tmp_path: Path) -> None:
    report = DrbdStatus(proc_with(tmp_path, "proc_drbd84_sync.txt"),
                        lambda ctx: {5: "web1"}).collect(ctx).report
    assert [one.get("instance") for one in report.data["deviceInfos"]] == [None, None, "web1"]
    assert report.samples["ganeti_drbd_status"] == [["0", "", 4], ["5", "web1", 0]]
    assert report.samples["ganeti_drbd_out_of_sync_bytes"][1] == ["5", "web1", 335744 * 1024]
    assert report.samples["ganeti_drbd_sync_ratio"] == [["5", "web1", 0.685]]


def test_devices_are_reported_without_confd_too(ctx: HookContext, tmp_path: Path) -> None:
    """No key of confd is on this node."""
    report = DrbdStatus(proc_with(tmp_path, "proc_drbd84_sync.txt")).collect(ctx).report
    assert report.data["status"]["code"] == 4
    assert report.data["deviceInfos"][2]["instance"] is None


# Instances


@pytest.mark.parametrize(("admin", "state", "code"), [
    ("up", "running", 0), ("up", "", 4), ("up", "paused", 4), ("up", "user-down", 1),
    ("up", "crashed", 4), ("up", "stuck", 4), ("down", "stuck", 4),
    ("down", "", 0), ("down", "user-down", 0), ("down", "running", 4), ("down", "paused", 4),
    ("offline", "", 2), ("offline", "running", 2)])
def test_how_an_instance_stands(admin: str, state: str, code: int) -> None:
    found, message = judged(admin, state)
    assert found == code
    assert bool(message) == bool(code)


def with_guests(
    ctx: HookContext, *names: str, broken: Sequence[str] = (),
    hypervisors: Sequence[str] = ("first", "second"),
) -> HookContext:
    """A node with two hypervisors, the first of which runs guests."""
    def running(kind: str, name: str, hook: str, /, **_: Any) -> list[RunningInstance]:
        assert (kind, hook) == ("hypervisors", "running")
        if name in broken:
            raise GanetiError("no libvirt")
        return [RunningInstance(one, f"uuid-{one}", "running", 128, 2, 7.5)
                for one in names] if name == hypervisors[0] else []

    data = ctx.root / "var/lib/ganeti"
    data.mkdir(parents=True, exist_ok=True)
    (data / "ssconf_hypervisor_list").write_text("\n".join([*hypervisors, ""]))
    return replace(ctx, driver=running)


def test_instances_of_every_hypervisor_are_compared_with_the_configuration(
    ctx: HookContext
) -> None:
    wanted = [configured("web1", "up"), configured("db1", "up"), configured("old", "down"),
              {**configured("planned", "down"), "forthcoming": True}]
    collector = InstanceStatus(lambda _: wanted)
    report = collector.collect(with_guests(ctx, "web1", "old")).report
    assert [(one["name"], one["actualState"], one["status"]["code"])
            for one in report.data["instances"]] == [
        ("web1", "running", 0), ("db1", "unknown", 4), ("old", "running", 4)]
    assert report.data["instances"][0] == {
        "name": "web1", "uuid": "uuid-web1", "adminState": "up", "actualState": "running",
        "uptime": None, "mtime": 5.5, "state_reason": [], "status": {"code": 0, "message": ""}}
    assert report.data["status"] == {
        "code": 4, "message": "db1: The instance is not running as it should be\n"
                              "old: The instance is not stopped as it should be"}
    assert report.samples["ganeti_instance_running"] == [
        ["web1", "first", 1], ["db1", "fake", 0], ["old", "first", 1]]
    assert report.samples["ganeti_instance_cpu_seconds_total"] == [
        ["web1", "first", 7.5], ["old", "first", 7.5]]
    assert report.samples["ganeti_instance_memory_bytes"][0] == ["web1", "first", 128 << 20]
    assert problem_of_samples(collector.describe(), report) == ""


def test_ganetis_collector_has_xens_instances_and_no_figures(ctx: HookContext) -> None:
    wanted = [{**configured("web1", "up"), "hypervisor": "xen-pvm"}, configured("db1", "up"),
              {**configured("lost", "up"), "hypervisor": "xen-pvm"}]
    # The other hypervisor is not asked: it would raise.
    here = with_guests(ctx, "web1", hypervisors=("xen-pvm", "other"), broken=["other"])
    report = XenInstanceStatus(lambda _: wanted).collect(here).report
    assert [(one["name"], one["status"]["code"]) for one in report.data["instances"]] == [
        ("web1", 0), ("lost", 4)]
    assert report.data["status"] == {
        "code": 4, "message": "lost: The instance is not running as it should be"}
    assert report.samples == {}


def test_without_xen_nobody_is_asked(ctx: HookContext) -> None:
    report = XenInstanceStatus().collect(with_guests(ctx, "web1")).report
    assert report.data == {"instances": [], "status": {"code": 0, "message": ""}}


def test_a_hypervisor_that_fails_is_named_and_hides_no_other(ctx: HookContext) -> None:
    report = InstanceStatus(lambda _: []).collect(
        with_guests(ctx, "web1", broken=["second"])).report
    assert report.data["status"] == {
        "code": 4, "message": "Unable to receive the list of instances: second: no libvirt"}
    assert report.samples["ganeti_instance_running"] == [["web1", "first", 1]]


def test_without_confd_it_is_unknown_what_should_run(ctx: HookContext) -> None:
    report = InstanceStatus().collect(with_guests(ctx, "web1")).report
    assert report.data["status"]["code"] == 2
    assert "confd cannot be asked from here" in report.data["status"]["message"]
    assert report.samples["ganeti_instance_running"] == [["web1", "first", 1]]


# The cluster


ROWS: dict[str, list[dict[str, Any]]] = {
    "node": [
        {"name": "node1", "offline": False, "ctotal": 4, "dfree": 900, "dtotal": 1000,
         "mfree": 2000, "mtotal": 4096, "pinst_cnt": 2, "sinst_cnt": 0, "vm_capable": True,
         "bootid": "1f2e"},
        {"name": "node2", "offline": False, "ctotal": None, "dfree": None, "dtotal": None,
         "mfree": None, "mtotal": None, "pinst_cnt": 0, "sinst_cnt": 1, "vm_capable": True,
         "bootid": None},
        {"name": "node3", "offline": True, "ctotal": None, "dfree": None, "dtotal": None,
         "mfree": None, "mtotal": None, "pinst_cnt": 0, "sinst_cnt": 0, "vm_capable": True,
         "bootid": None}],
    "instance": [
        {"name": "web1", "pnode": "node1", "snodes": ["node2"], "oper_vcpus": 2, "oper_ram": 128,
         "admin_state": "up", "be/minmem": 128, "be/auto_balance": True},
        {"name": "db1", "pnode": "node1", "snodes": [], "oper_vcpus": None, "oper_ram": None,
         "admin_state": "up", "be/minmem": 128, "be/auto_balance": True}],
    "job": [
        {"id": 7, "status": "success", "summary": ["INSTANCE_CREATE(web1)"],
         "received_ts": [100, 0], "start_ts": [100, 500000], "end_ts": [103, 0]},
        {"id": 8, "status": "running", "summary": ["TEST_DELAY"], "received_ts": [104, 0],
         "start_ts": [104, 0], "end_ts": None},
        {"id": 9, "status": "canceled", "summary": ["TEST_DELAY"], "received_ts": [104, 0],
         "start_ts": None, "end_ts": [105, 0]}],
    "lock": [
        {"name": "node/node1", "owner": ["job8"], "pending": [["exclusive", ["job9", "job10"]]]},
        {"name": "cluster/BGL", "owner": [], "pending": None}]}


def master(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
           ) -> list[list[Any]]:
    ids = {one[2] for one in filter_[1:]} if filter_ else None
    return [[row[field] for field in fields] for row in ROWS[resource]
            if ids is None or row["id"] in ids]


def test_the_cluster_has_the_figures_of_ganetis_exporter(ctx: HookContext) -> None:
    collector = ClusterState(iter([10.0, 10.25]).__next__)
    report = collector.collect(replace(ctx, query=master)).report
    assert problem_of_samples(collector.describe(), report) == ""
    assert report.data == {"master": True, "nodes": 3, "instances": 2,
                           "jobs": {"success": 1, "running": 1, "canceled": 1}}
    found = report.samples
    assert found["ganeti_node_mtotal"] == [["node1", 4096]]
    assert found["ganeti_node_p_oper_vcpus"] == [["node1", 2], ["node2", 0], ["node3", 0]]
    assert found["ganeti_node_s_oper_vcpus"][1] == ["node2", 2]
    assert found["ganeti_instance_oper_ram"] == [["web1", 128], ["db1", 0]]
    assert found["ganeti_cluster_offline_nodes"] == [[1]]
    assert found["ganeti_cluster_silent_nodes"] == [[1]]
    assert ["running", 1] in found["ganeti_cluster_jobs"]
    assert found["ganeti_job_wait_time"] == [["7", "INSTANCE_CREATE", 0.5]]
    assert found["ganeti_job_run_time"] == [["7", "INSTANCE_CREATE", 2.5]]
    assert found["ganeti_locks_held"] == [[1]]
    assert found["ganeti_lock_waits"] == [[2]]
    assert found["ganeti_scrape_duration_seconds"] == [[0.25]]
    assert found["ganeti_node_n1_instances"] == [["node1", 0], ["node2", 0], ["node3", 0]]


def test_a_node_that_is_not_to_run_instances_is_silent_only_if_it_says_nothing() -> None:
    """Of its memory it says nothing anyway."""
    def node(**more: Any) -> dict[str, Any]:
        return ROWS["node"][1] | {"vm_capable": False} | more

    assert node_samples([node(bootid="1f2e"), node(), node(offline=True)], [])[
        "ganeti_cluster_silent_nodes"] == [[1]]


def test_instances_that_would_find_no_memory_are_counted_by_the_node_that_they_are_on() -> None:
    def instance(primary: str, secondary: str, memory: int, **more: Any) -> dict[str, Any]:
        return {"pnode": primary, "snodes": [secondary], "be/minmem": memory,
                "admin_state": "up", "be/auto_balance": True} | more

    nodes = [{"name": "a", "mfree": 100}, {"name": "b", "mfree": 100}, {"name": "c", "mfree": None}]
    assert n1_samples(nodes, [
        # The small ones fit on b; one of 90 and one of 80 do not.
        instance("a", "b", 90), instance("a", "b", 40), instance("a", "b", 60),
        instance("a", "b", 80), instance("a", "c", 999), instance("b", "a", 100),
        instance("b", "a", 1, admin_state="down"),
        instance("b", "a", 1, **{"be/auto_balance": False}),
        instance("c", "a", 101)]) == [["a", 2], ["b", 0], ["c", 1]]


def test_of_many_jobs_the_last_ones_have_their_times(
    ctx: HookContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROWS, "job", [
        {**ROWS["job"][0], "id": number} for number in range(1, LAST_JOBS + 6)])
    found = ClusterState().collect(replace(ctx, query=master)).report.samples
    for name in ("ganeti_job_wait_time", "ganeti_job_run_time"):
        assert [int(one[0]) for one in found[name]] == list(range(6, LAST_JOBS + 6))


def test_only_the_master_reports_the_cluster(ctx: HookContext) -> None:
    def refused(*_: Any) -> list[list[Any]]:
        raise NotMaster("ask another node")

    report = ClusterState().collect(replace(ctx, query=refused)).report
    assert (report.data, report.samples) == ({"master": False}, {})
