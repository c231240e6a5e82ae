"""``gnt-backup`` on a cluster of real daemons: what goes out comes back, or nothing has changed."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import Ran, VirtualCluster, processes_of, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

NEVER = ["-n", "node1", "--no-ip-check", "--no-name-check", "--no-start"]
MIB = 1 << 20


def add(
    cluster: VirtualCluster, name: str, *more: str, template: str = "file", os_type: str = "noop"
) -> Path:
    """Add an instance with one disk of 4 MiB on node1, half of it used; the disk's file."""
    cluster.gnt("gnt-instance", "add", "-t", template, "-s", "4m", "-o", os_type, *NEVER, *more,
                name)
    disk = disk_of(cluster, name)
    with disk.open("r+b") as file:
        file.seek(MIB)
        file.write(random.Random(name).randbytes(MIB + 5))
    return disk


def disk_of(cluster: VirtualCluster, name: str, node: str = "node1") -> Path:
    info = json.loads(cluster.gnt("gnt-instance", "info", "--format=json", name).stdout)
    (found,) = [path for path in (cluster.root / node).rglob(f"*{info[0]['disks'][0]['uuid']}*")
                if path.is_file() and "export" not in path.parts and "export-" not in path.name]
    return found


def digest(path: Path, skip: int = 0) -> str:
    return hashlib.sha256(path.read_bytes()[skip:]).hexdigest()


def export_of(cluster: VirtualCluster, node: str, name: str) -> Path:
    return cluster.root / node / "srv/ganeti/export" / name


def config_of(cluster: VirtualCluster, node: str, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string((export_of(cluster, node, name) / "config.ini").read_text())
    return parser


def exports(cluster: VirtualCluster) -> list[list[str]]:
    return cluster.table("gnt-backup", "list")


def left_over(cluster: VirtualCluster) -> list[str]:
    """Drafts of exports, and ends of streams that wait for nobody."""
    return [str(path) for path in cluster.root.glob("node*/srv/ganeti/export/.*")]


@pytest.fixture
def clean(cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    """Afterwards there are no instances and no exports, and nothing else is left."""
    yield cluster
    for name, in cluster.instances():
        cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", name)
    for _, name in exports(cluster):
        if name != "?":
            cluster.gnt("gnt-backup", "remove", name)
    assert left_over(cluster) == []
    with cluster.luxi() as client:
        assert client.debts() == []
        assert [row for row in client.query("lock", ["name", "owner"], None)["data"]
                if row[1][1]] == []


def refused(ran: Ran, *words: str) -> None:
    assert ran.status == 1, ran
    for word in words:
        assert word in ran.stderr, ran


def run_op(cluster: VirtualCluster, **op: object) -> tuple[str, object]:
    with cluster.luxi() as client:
        job = client.submit_job([op])
        status, results = wait_until(
            lambda: (lambda row: row if row[0] in ("success", "error") else None)(
                client.query_jobs([job], ["status", "opresult"])[0]), "the job ends", 60.0)
        return status, results[0]


def test_a_node_that_stores_nothing_is_not_listed_as_one_that_fails(clean: VirtualCluster) -> None:
    folder = export_of(clean, "node3", "x").parent
    if folder.exists():
        folder.rmdir()
    clean.tool("stop", "node3")
    clean.tool("start")
    assert folder.is_dir()
    assert "node3.example.com" not in clean.gnt("gnt-backup", "list").stdout


@pytest.mark.parametrize("compression", [
    "zstd", *(pytest.param(name, marks=pytest.mark.torture) for name in ("none", "gzip"))])
def test_an_os_in_python_exports_and_imports(clean: VirtualCluster, compression: str) -> None:
    disk = add(clean, "a1.example.com", "--os-parameters-private=token=sesame",
               os_type="used+small")
    assert disk.read_bytes().startswith(b"small a1.example.com\n")
    before = digest(disk, skip=100)
    clean.gnt("gnt-backup", "export", "-n", "node2", f"--transport-compression={compression}",
              "a1.example.com")
    assert ["node2.example.com", "a1.example.com"] in exports(clean)
    folder = export_of(clean, "node2", "a1.example.com")
    config = config_of(clean, "node2", "a1.example.com")
    assert config["export"]["os"] == "used+small"
    assert config["os_private"]["token"] == "sesame"
    assert dict(config["os_variables"]) == {"PIECE": "65536", "VARIANT": "small"}
    assert (folder / "config.ini").stat().st_mode & 0o077 == 0
    dump = folder / config["instance"]["disk0_dump"]
    assert MIB < dump.stat().st_size < 2 * MIB, "what is not used is not in it"
    assert dump.stat().st_size == int(config["instance"]["disk0_bytes"])
    clean.gnt("gnt-instance", "remove", "-f", "a1.example.com")
    clean.gnt("gnt-backup", "import", "-n", "node3", "--src-node=node2", "--src-dir=a1.example.com",
              f"--compress={compression}", "--no-ip-check", "--no-name-check", "b1.example.com")
    again = disk_of(clean, "b1.example.com", "node3")
    assert again.read_bytes().startswith(b"small b1.example.com, was a1.example.com\n")
    assert digest(again, skip=100) == before
    assert clean.instances("name", "status", "os") == [
        ["b1.example.com", "ADMIN_down", "used+small"]]


@pytest.mark.parametrize("system", ["noop", "busybox"])
def test_scripts_of_an_os_export_and_import(clean: VirtualCluster, system: str) -> None:
    disk = add(clean, "a2.example.com", "-B", "maxmem=200,minmem=152,vcpus=2", "--tags=one,two",
               "--net", "0:mac=aa:00:00:12:34:56", os_type=system)
    before, mac = digest(disk), "aa:00:00:12:34:56"
    clean.gnt("gnt-backup", "export", "-n", "node1", "a2.example.com")
    assert digest(export_of(clean, "node1", "a2.example.com") / config_of(
        clean, "node1", "a2.example.com")["instance"]["disk0_dump"]) == before
    clean.gnt("gnt-instance", "remove", "-f", "a2.example.com")
    clean.gnt("gnt-backup", "import", "-n", "node2", "--no-ip-check", "--no-name-check",
              "a2.example.com")
    skip = 512 if system == "busybox" else 0
    assert digest(disk_of(clean, "a2.example.com", "node2"), skip) == digest(
        export_of(clean, "node1", "a2.example.com") / config_of(
            clean, "node1", "a2.example.com")["instance"]["disk0_dump"], skip)
    assert clean.instances("name", "be/maxmem", "be/minmem", "be/vcpus", "tags", "nic.macs",
                           "disk_template", "hypervisor") == [
        ["a2.example.com", "200", "152", "2", "one,two", mac, "file", "fake"]]


def test_an_instance_without_an_os_is_copied_as_it_is(clean: VirtualCluster) -> None:
    clean.gnt("gnt-instance", "add", "-t", "file", "-s", "4m", "--no-install", *NEVER,
              "a3.example.com")
    disk = disk_of(clean, "a3.example.com")
    with disk.open("r+b") as file:
        file.write(os.urandom(70_000))
    before = digest(disk)
    clean.gnt("gnt-backup", "export", "-n", "node3", "--transport-compression=zstd",
              "a3.example.com")
    clean.gnt("gnt-instance", "remove", "-f", "a3.example.com")
    clean.gnt("gnt-backup", "import", "-n", "node2", "--disk=0:size=8m", "--no-ip-check",
              "--no-name-check", "a3.example.com")
    again = disk_of(clean, "a3.example.com", "node2")
    assert again.stat().st_size == 8 * MIB
    assert hashlib.sha256(again.read_bytes()[:4 * MIB]).hexdigest() == before
    assert again.stat().st_blocks * 512 < 2 * MIB, "holes stay holes"


def test_a_device_that_has_more_than_its_disk_comes_back_whole(clean: VirtualCluster) -> None:
    """As a disk in a volume group whose extents it does not fill: a guest sees the rest, too."""
    disk = add(clean, "large.example.com")
    with disk.open("ab") as file:
        file.write(os.urandom(512))
    before = digest(disk)
    clean.gnt("gnt-backup", "export", "-n", "node2", "large.example.com")
    clean.gnt("gnt-instance", "remove", "-f", "large.example.com")
    clean.gnt("gnt-backup", "import", *NEVER[:-1], "large.example.com")
    assert clean.instances("name", "disk.sizes") == [["large.example.com", "5"]]
    again = disk_of(clean, "large.example.com").read_bytes()
    assert hashlib.sha256(again[:4 * MIB + 512]).hexdigest() == before


def test_a_running_guest_stands_still_only_if_it_may(clean: VirtualCluster) -> None:
    add(clean, "a4.example.com")
    clean.gnt("gnt-instance", "startup", "a4.example.com")
    export = ("gnt-backup", "export", "-n", "node2")
    refused(clean.try_(*export, "a4.example.com"), "no snapshots", "--long-sleep")
    refused(clean.try_(*export, "--noshutdown", "a4.example.com"), "live export")
    refused(clean.try_(*export, "--noshutdown", "--long-sleep", "a4.example.com"), "only makes")
    assert clean.instances("status") == [["running"]]
    clean.gnt(*export, "--long-sleep", "--shutdown-timeout=0", "a4.example.com")
    assert clean.instances("status") == [["running"]]
    assert ["node2.example.com", "a4.example.com"] in exports(clean)


@pytest.mark.parametrize("stop", [(), ("--noshutdown",)], ids=["stops", "runs on"])
def test_with_snapshots_a_guest_runs_meanwhile(
    clean: VirtualCluster, stop: tuple[str, ...]
) -> None:
    disk = add(clean, "a5.example.com", template="snapped", os_type="used+large")
    clean.gnt("gnt-instance", "startup", "a5.example.com")
    told = clean.gnt("gnt-backup", "export", "-n", "node2", "--shutdown-timeout=0", *stop,
                     "a5.example.com").stdout
    assert ("Shutting down" in told) is (not stop)
    assert "Exporting snapshot/0 from node1.example.com to node2.example.com" in told
    assert clean.instances("status") == [["running"]]
    assert [path.name for path in disk.parent.iterdir()] == [disk.name], "no snapshot is left"
    if not stop:
        order = [told.index(word) for word in ("Shutting down", "Starting", "Exporting snapshot")]
        assert order == sorted(order)


def test_a_guest_that_runs_on_stands_still_for_its_snapshot(clean: VirtualCluster) -> None:
    add(clean, "a8.example.com", template="snapped")
    clean.gnt("gnt-instance", "startup", "a8.example.com")
    export = ("gnt-backup", "export", "-n", "node2", "--noshutdown", "a8.example.com")
    told = clean.gnt(*export).stdout
    assert "as after a crash" not in told
    seen = clean.root / "node1/guests-at-snapshot"
    assert '"is_quiet": true' in seen.read_text()
    guest = next(clean.root.glob("node1/**/hypervisors/fake/a8.example.com*"))
    assert '"is_quiet": false' in guest.read_text()
    faults = clean.root / "node1/etc/ganeti/fake-faults.json"
    write_faults(faults, {"quiet": {"mode": "fail"}})
    told = clean.gnt(*export).stdout
    write_faults(faults, {})
    assert "the copies of the disks are as after a crash" in told
    assert '"is_quiet": false' in seen.read_text()


def test_a_guest_does_not_wait_for_the_removal_of_a_snapshot(clean: VirtualCluster) -> None:
    add(clean, "a19.example.com", template="snapped")
    clean.gnt("gnt-instance", "startup", "a19.example.com")
    broken = clean.root / "node1/no-snapshots"
    broken.touch()
    refused(clean.try_("gnt-backup", "export", "-n", "node2", "--noshutdown", "a19.example.com"),
            "the pool of snapshots is read-only")
    guest = next(clean.root.glob("node1/**/hypervisors/fake/a19.example.com*"))
    assert '"is_quiet": false' in guest.read_text()
    broken.unlink()
    assert "remove the snapshot of disk 0" in clean.gnt("gnt-node", "list-debts").stdout
    clean.gnt("gnt-node", "retry-debts", "--all")


def test_an_instance_can_be_removed_with_its_export(clean: VirtualCluster) -> None:
    disk = add(clean, "a6.example.com")
    clean.gnt("gnt-instance", "startup", "a6.example.com")
    refused(clean.try_("gnt-backup", "export", "-n", "node3", "--noshutdown", "--remove-instance",
                       "a6.example.com"), "Can not remove instance without shutting it down")
    clean.gnt("gnt-backup", "export", "-n", "node3", "--remove-instance", "--shutdown-timeout=0",
              "a6.example.com")
    assert clean.instances() == []
    assert not disk.exists()
    assert ["node3.example.com", "a6.example.com"] in exports(clean)


def differences(one: Path, other: Path) -> list[str]:
    """Where two files differ, in blocks of 4 KiB."""
    first, second = one.read_bytes(), other.read_bytes()
    found = [at for at in range(0, max(len(first), len(second)), 4096)
             if first[at:at + 4096] != second[at:at + 4096]]
    return [f"{len(first)} and {len(second)} bytes, {len(found)} blocks from {found[0]} to "
            f"{found[-1]}"] if found else []


def test_a_new_export_takes_the_place_of_the_older_one(clean: VirtualCluster) -> None:
    disk = add(clean, "a7.example.com")
    for node in ("node2", "node2", "node3"):
        disk.write_bytes(os.urandom(4 * MIB))
        clean.gnt("gnt-backup", "export", "-n", node, "a7.example.com")
        found = export_of(clean, node, "a7.example.com")
        assert sorted(path.name for path in found.iterdir()) == sorted([
            "config.ini", config_of(clean, node, "a7.example.com")["instance"]["disk0_dump"]])
        (dump,) = [path for path in found.iterdir() if path.name != "config.ini"]
        assert differences(dump, disk) == []
    assert [row for row in exports(clean) if row[1] != "?"] == [
        ["node3.example.com", "a7.example.com"]]


def test_a_removal_that_is_still_owed_does_not_take_a_newer_export(clean: VirtualCluster) -> None:
    name = "a20.example.com"
    add(clean, name)
    export = ("gnt-backup", "export", "-n", "node2", name)
    clean.gnt(*export)
    in_the_way = export_of(clean, "node2", name).with_name(f".{name}.gone")
    in_the_way.touch()
    clean.gnt("gnt-backup", "remove", name)
    assert f"remove the export of {name}" in clean.gnt("gnt-node", "list-debts").stdout
    refused(clean.try_(*export), "must first finish what an earlier job left there")

    in_the_way.unlink()
    clean.gnt(*export)
    with clean.luxi() as client:
        assert client.debts() == []
    assert export_of(clean, "node2", name).exists()


def test_an_end_that_is_still_owed_does_not_take_a_newer_export(clean: VirtualCluster) -> None:
    """Nor where the instance has gone, and another one has its name."""
    name = "a21.example.com"
    add(clean, name, "-O", "fails=to end", os_type="used+small")
    export = ("gnt-backup", "export", "-n", "node2", name)
    job = clean.submit(*export)
    place = export_of(clean, "node2", name)
    wait_until(lambda: [line for line in processes_of(clean.root / "node2")
                        if '"part": "receiver"' in line], "a stream is under way", 60.0)
    in_the_way = place.with_name(f".{name}.old")
    in_the_way.mkdir()
    place.symlink_to("nowhere")
    clean.try_("gnt-job", "cancel", job)
    clean.try_("gnt-job", "watch", job)
    assert f"give up the export of {name}" in clean.gnt("gnt-node", "list-debts").stdout
    clean.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", name)
    add(clean, name)
    refused(clean.try_(*export), "must first finish what an earlier job left there")

    place.unlink()
    in_the_way.rmdir()
    clean.gnt(*export)
    with clean.luxi() as client:
        assert client.debts() == []
    assert place.is_dir()


def test_an_export_that_fails_changes_nothing(clean: VirtualCluster) -> None:
    add(clean, "a8.example.com", os_type="used+small")
    clean.gnt("gnt-backup", "export", "-n", "node2", "a8.example.com")
    older = (export_of(clean, "node2", "a8.example.com") / "config.ini").read_text()
    clean.gnt("gnt-instance", "modify", "-O", "fails=export", "a8.example.com")
    clean.gnt("gnt-instance", "startup", "a8.example.com")
    failed = clean.try_("gnt-backup", "export", "-n", "node2", "--long-sleep",
                        "--shutdown-timeout=0", "a8.example.com")
    refused(failed, "the last sector cannot be read")
    assert clean.instances("status") == [["running"]], "it is started again"
    assert (export_of(clean, "node2", "a8.example.com") / "config.ini").read_text() == older
    assert left_over(clean) == []


@pytest.mark.parametrize("how", ["the job is cancelled", "the target is lost"])
def test_an_export_under_way_can_be_ended(clean: VirtualCluster, how: str) -> None:
    add(clean, "a17.example.com", os_type="used+small")
    clean.gnt("gnt-backup", "export", "-n", "node2", "a17.example.com")
    older = (export_of(clean, "node2", "a17.example.com") / "config.ini").read_text()
    clean.gnt("gnt-instance", "modify", "-O", "fails=to end", "a17.example.com")
    clean.gnt("gnt-instance", "startup", "a17.example.com")
    job = clean.submit("gnt-backup", "export", "-n", "node2", "--long-sleep",
                       "--shutdown-timeout=0", "a17.example.com")
    receiver = wait_until(lambda: [line for line in processes_of(clean.root / "node2")
                                   if '"part": "receiver"' in line], "a stream is under way", 60.0)
    states = "node2/var/run/ganeti/plugins/*/*/receiver-a17.example.com.json"
    wait_until(lambda: any(json.loads(file.read_text())["transferred"]
                           for file in clean.root.glob(states)), "bytes arrive", 60.0)
    if how == "the job is cancelled":
        assert "informed it anyway" in str(clean.try_("gnt-job", "cancel", job))
    else:
        os.kill(int(receiver[0].split(":")[0]), 9)
    ended = clean.try_("gnt-job", "watch", job)
    assert clean.table("gnt-job", "list", "-o", "status", job) == [
        ["canceled" if how == "the job is cancelled" else "error"]], ended
    assert clean.instances("status") == [["running"]], "it is started again"
    assert (export_of(clean, "node2", "a17.example.com") / "config.ini").read_text() == older
    assert left_over(clean) == []


def test_an_import_that_fails_leaves_nothing(clean: VirtualCluster) -> None:
    add(clean, "a9.example.com", "-O", "fails=import", os_type="used+small")
    clean.gnt("gnt-backup", "export", "-n", "node2", "--remove-instance", "a9.example.com")
    failed = clean.try_("gnt-backup", "import", "-n", "node3", "--no-ip-check", "--no-name-check",
                        "a9.example.com")
    refused(failed, "this disk is not to be written")
    assert clean.instances() == []
    assert list((clean.root / "node3/srv/ganeti/file-storage").glob("*/*")) == []
    clean.gnt("gnt-backup", "import", "-n", "node3", "-O", "fails=", "--no-ip-check",
              "--no-name-check", "a9.example.com")


def test_wrong_input_is_refused_by_name(clean: VirtualCluster) -> None:
    add(clean, "a10.example.com")
    export, import_ = ("gnt-backup", "export"), ("gnt-backup", "import", "-n", "node3",
                                                 "--no-ip-check", "--no-name-check")
    assert clean.try_(*export, "a10.example.com").stderr == (
        "Failure: prerequisites not met for this operation:\nerror type: wrong_input, error "
        "details:\nTarget node must be specified\n")
    assert clean.try_(*export, "-n", "nosuch", "a10.example.com").stderr == (
        "Failure: prerequisites not met for this operation:\nerror type: unknown_entity, error "
        "details:\nNode 'nosuch' not known\n")
    refused(clean.try_(*export, "-n", "node2", "nosuch"), "nosuch")
    refused(clean.try_(*export, "-n", "node2", "--transport-compression=lzop", "a10.example.com"),
            "tools allowed are [none, gzip, zstd]")
    refused(clean.try_(*import_, "a11.example.com"), "No export found for relative path",
            "a11.example.com")
    refused(clean.try_(*import_, "--src-dir=/srv/ganeti/export/x", "a11.example.com"),
            "requires a source node option")
    refused(clean.try_(*import_, "--src-node=node2", "--src-dir=/etc", "a11.example.com"),
            "'/etc' does not lie in the folder of exports")
    refused(clean.try_(*import_, "--src-node=node2", "--src-dir=../x", "a11.example.com"),
            "does not lie in the folder of exports")
    refused(clean.try_(*import_, "--src-node=node2", "a11.example.com"),
            "No export or invalid export found in dir a11.example.com")
    refused(clean.try_(*import_, "--no-nics", "a11.example.com"), "--no-nics cannot be used")
    for op_id in ("OP_BACKUP_EXPORT", "OP_BACKUP_PREPARE"):
        more = {"target_node": [["x"]]} if op_id == "OP_BACKUP_EXPORT" else {}
        status, result = run_op(clean, OP_ID=op_id, instance_name="a10.example.com", mode="remote",
                                **more)
        assert (status, "to another cluster, is not available" in str(result)) == ("error", True)
    assert run_op(clean, OP_ID="OP_BACKUP_PREPARE", instance_name="a10.example.com",
                  mode="local") == ("success", None)


DAMAGES = {
    "no section": ("[export]", "[exports]", "no section [export]"),
    "no ini file": ("[export]", "export]", "damaged"),
    "another version": ("version = 0", "version = 7", "Wrong export version 7 (wanted 0)"),
    "no number": ("disk0_size = 4", "disk0_size = four", "disk0_size in [instance] is 'four'"),
    "another folder": ("disk0_dump = ", "disk0_dump = ../../", "not the name of a file"),
    "a reference": ("tags = ", "tags = %(nothing)s", "nothing"),
    "another file": ("disk0_dump = ", "disk0_dump = x", "is missing"),
    "shorter": ("disk0_bytes = 4", "disk0_bytes = 5", "bytes"),
}


def test_a_damaged_export_is_refused(clean: VirtualCluster) -> None:
    add(clean, "a12.example.com")
    clean.gnt("gnt-backup", "export", "-n", "node2", "--remove-instance", "a12.example.com")
    file = export_of(clean, "node2", "a12.example.com") / "config.ini"
    good = file.read_text()
    for name, (old, new, said) in DAMAGES.items():
        assert old in good, name
        file.write_text(good.replace(old, new))
        ran = clean.try_("gnt-backup", "import", "-n", "node3", "--no-ip-check", "--no-name-check",
                         "a12.example.com")
        assert said in ran.stderr, (name, ran)
    file.write_bytes(b"\xff\xfe\0" * 100)
    refused(clean.try_("gnt-backup", "import", "-n", "node3", "--no-ip-check", "--no-name-check",
                       "a12.example.com"), "cannot be read")
    file.write_text(good)
    clean.gnt("gnt-backup", "import", "-n", "node3", "--no-ip-check", "--no-name-check",
              "a12.example.com")


def test_exports_are_listed_and_removed_as_ganeti_does(clean: VirtualCluster) -> None:
    for node in ("node1", "node2", "node3"):
        folder = export_of(clean, node, "x").parent
        if folder.exists():
            folder.rmdir()
    add(clean, "a13.example.com")
    clean.gnt("gnt-backup", "export", "-n", "node2", "a13.example.com")
    shown = clean.gnt("gnt-backup", "list").stdout
    assert shown == ("Node              Export\nnode1.example.com ?\n"
                     "node2.example.com a13.example.com\nnode3.example.com ?\n")
    assert clean.table("gnt-backup", "list", "-n", "node2", "-o", "export") == [
        ["a13.example.com"]]
    assert clean.gnt("gnt-backup", "list-fields").stdout == (
        "Name   Type Title  Description\nexport Text Export Export name\n"
        "node   Text Node   Node name\n")
    with clean.luxi() as client:
        assert client.query_exports([]) == [
            ["node1.example.com", None], ["node2.example.com", "a13.example.com"],
            ["node3.example.com", None]]
    gone = clean.gnt("gnt-backup", "remove", "nosuch.example.com").stdout
    assert "WARNING: Failed to query node node1.example.com (continuing): No exports dir" in gone
    assert "Export not found. If trying to remove an export belonging to a deleted instance" in gone
    clean.gnt("gnt-backup", "remove", "a13")
    assert exports(clean) == [["node1.example.com", "?"], ["node3.example.com", "?"]]


def test_what_the_cluster_says_anyway_can_be_left_out(clean: VirtualCluster) -> None:
    add(clean, "a14.example.com", "-B", "maxmem=200,minmem=200")
    clean.gnt("gnt-backup", "export", "-n", "node2", "--remove-instance", "a14.example.com")
    import_ = ("gnt-backup", "import", "-n", "node1", "--no-ip-check", "--no-name-check")
    own = {}
    for words in ((), ("--identify-defaults",)):
        clean.gnt(*import_, *words, "a14.example.com")
        info = json.loads(clean.gnt("gnt-instance", "info", "--format=json",
                                    "a14.example.com").stdout)[0]
        own[words] = info["be_instance"]
        clean.gnt("gnt-instance", "remove", "-f", "a14.example.com")
    assert own[()]["vcpus"] == 1
    assert own["--identify-defaults",] == {"maxmem": 200, "minmem": 200}


def test_a_variant_that_was_forced_comes_back(clean: VirtualCluster) -> None:
    refused(clean.try_("gnt-instance", "add", "-t", "file", "-s", "4m", "-o", "used+huge", *NEVER,
                       "a15.example.com"), "no variant huge", "--force-variant")
    add(clean, "a15.example.com", "--force-variant", os_type="used+huge")
    clean.gnt("gnt-backup", "export", "-n", "node2", "--remove-instance", "a15.example.com")
    clean.gnt("gnt-backup", "import", "-n", "node1", "--no-ip-check", "--no-name-check",
              "a15.example.com")
    assert disk_of(clean, "a15.example.com").read_bytes().startswith(b"huge a15.example.com, was")


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system must be mounted")
def test_a_full_disk_is_said_and_leaves_nothing(clean: VirtualCluster) -> None:
    disk = add(clean, "a16.example.com")
    disk.write_bytes(os.urandom(4 * MIB))
    folder = export_of(clean, "node3", "x").parent
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        refused(clean.try_("gnt-backup", "export", "-n", "node3", "a16.example.com"),
                "No space left on device")
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)
