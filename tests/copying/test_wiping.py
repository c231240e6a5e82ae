"""``prealloc_wipe_disks``: what a storage held before is no part of a new disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster, virtual_cluster, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

PLUGINS = '''
import json
from dataclasses import replace

from ganeti_core.plugin_api import (
    ECODE_INVAL, BlockDeviceError, Description, OpPrereqError, hookimpl)
from ganeti_core.plugin_api.data import StorageSpace, StorageUnit, Volume
from ganeti_core.plugin_api.disk import ADOPTION, EXCLUSIVE_STORAGE, GROWABLE, LOCAL_SPACE
from ganeti_core.plugin_api.file_disks import MIB, FileDisks


class Used(FileDisks):
    """New disks hold what others have left, as those of a volume group do."""

    template = "used"

    @hookimpl
    def describe(self):
        return Description(
            api_version=0, title="Used disks", storage_types=(f"{self.template}-pool", "part"),
            capabilities=frozenset({LOCAL_SPACE, GROWABLE, ADOPTION, EXCLUSIVE_STORAGE}),
            parameters={"type": "object", "properties": {"adopt": {
                "type": "string", "x-disk": True, "description": "A file to make a disk of"}}})

    @hookimpl
    def layout(self, request):
        planned = super().layout(request)
        return replace(planned, params={**planned.params, **request.options},
                       spindles=request.spindles)

    @hookimpl
    def space(self, ctx):
        (found,) = super().space(ctx)
        return [replace(found, spindles=3, free_spindles=2, spindle_size=50)]

    @hookimpl
    def verify(self, ctx):
        return []

    def make(self, disk, draft):
        draft.write_bytes(b"x" * (disk.size * MIB))

    @hookimpl
    def grow(self, ctx, disk, size):
        file = self.file_of(ctx, disk)
        with file.open("ab") as opened:
            opened.write(b"x" * (size * MIB - file.stat().st_size))


    @hookimpl
    def adopts(self, disk):
        return disk.params["adopt"]

    @hookimpl
    def adoptable(self, ctx, disk):
        file = ctx.keep / disk.params["adopt"]
        if not file.exists():
            raise OpPrereqError(f"there is no {file.name}", ECODE_INVAL)
        return file.stat().st_size // MIB

    @hookimpl
    def adopt(self, ctx, disk):
        (ctx.keep / disk.params["adopt"]).rename(self.file_of(ctx, disk))

    @hookimpl
    def give_back(self, ctx, disk):
        if self.file_of(ctx, disk).exists():
            self.file_of(ctx, disk).rename(ctx.keep / disk.params["adopt"])

    @hookimpl
    def open(self, ctx, disk):
        opened = super().open(ctx, disk)
        if (ctx.keep / "cannot-be-opened").exists():
            raise BlockDeviceError("it cannot be opened")
        return opened

    @hookimpl
    def storage_units(self, ctx, storage_type):
        if storage_type == "part":
            return [StorageUnit("disk1", 8, 3, 5, allocatable=False)]
        return [StorageUnit("pool", 16, 4, 12)]

    @hookimpl
    def volumes(self, ctx):
        found = [Volume("pool", path.name, str(path), path.stat().st_size // MIB, path.name)
                 for path in ctx.keep.glob("*.used")]
        return [*found, Volume("pool", "scratch", "/dev/scratch", 7)]

    @hookimpl
    def modify_storage(self, ctx, storage_type, name, changes):
        if name != "pool":
            raise OpPrereqError(f"there is no storage unit {name}, but pool", ECODE_INVAL)
        (ctx.state / "changes").write_text(f"{storage_type} {json.dumps(changes)}")

    @hookimpl
    def repair_storage(self, ctx, name):
        (ctx.state / "repaired").write_text(name)


class Lent(Used):
    """What is adopted stays where it is, as a block device does."""

    template = "lent"

    @hookimpl
    def describe(self):
        return replace(super().describe(), storage_types=())

    @hookimpl
    def volumes(self, ctx):
        return []

    @hookimpl
    def adopt(self, ctx, disk):
        self.file_of(ctx, disk).hardlink_to(ctx.keep / disk.params["adopt"])

    @hookimpl
    def give_back(self, ctx, disk):
        self.file_of(ctx, disk).unlink(missing_ok=True)


class Worn(Used):
    """Its disks cannot be wiped."""

    template = "worn"

    @hookimpl
    def volumes(self, ctx):
        return []

    @hookimpl
    def wipe(self, ctx, disk, start):
        raise BlockDeviceError("the first sector cannot be written")
'''
NAME = "inst1.example.com"
ADD = ("gnt-instance", "add", "-n", "node1", "-o", "noop", "-B", "memory=64M", "--no-nics",
       "--no-ip-check", "--no-name-check", "--no-start")


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    folder = tmp_path_factory.mktemp("wiping")
    install(folder, "ganeti-used", {"disk_templates:used": "Used", "disk_templates:worn": "Worn",
                                    "disk_templates:lent": "Lent"}, PLUGINS)
    with present(folder), virtual_cluster(
            folder / "c", "--nodes", "1", "--hypervisor", "fake") as made:
        made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=used,worn,lent",
                 "--ipolicy-disk-templates=used,worn,lent", "--prealloc-wipe-disks=yes")
        yield made


@pytest.fixture
def cluster(wiping: VirtualCluster) -> Iterator[VirtualCluster]:
    yield wiping
    wiping.gnt("gnt-cluster", "modify", "--prealloc-wipe-disks=yes")
    for (name,) in wiping.instances("name"):
        wiping.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", name)
    assert disks(wiping) == []


def disks(cluster: VirtualCluster) -> list[Path]:
    return [path for template in ("used", "worn", "lent")
            for path in (cluster.root / "node1").rglob(f"*.{template}") if path.is_file()]


def marks(path: Path) -> int:
    """How much of what others have left is on a disk, MiB."""
    return path.read_bytes().count(b"x") >> 20


def test_new_disks_hold_nothing(cluster: VirtualCluster) -> None:
    ran = cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
    assert f"Wiping disk 0 of {NAME} on node node1.example.com" in ran.stderr + ran.stdout
    cluster.gnt("gnt-instance", "modify", "--disk", "add:size=4m", NAME)
    assert [marks(path) for path in disks(cluster)] == [0, 0]


def test_what_has_grown_holds_nothing_and_the_rest_stays(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-cluster", "modify", "--prealloc-wipe-disks=no")
    cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
    cluster.gnt("gnt-cluster", "modify", "--prealloc-wipe-disks=yes")
    (path,) = disks(cluster)
    assert marks(path) == 4
    cluster.gnt("gnt-instance", "grow-disk", NAME, "0", "4m")
    assert (path.stat().st_size >> 20, marks(path)) == (8, 4)


def test_disks_that_are_made_again_hold_nothing(cluster: VirtualCluster) -> None:
    cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
    disks(cluster)[0].unlink()
    cluster.gnt("gnt-instance", "recreate-disks", NAME)
    assert [marks(path) for path in disks(cluster)] == [0]


def test_volumes_are_listed_with_their_owners(cluster: VirtualCluster) -> None:
    cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
    (path,) = disks(cluster)
    assert cluster.table("gnt-node", "volumes", "-o", "node,vg,name,size,instance",
                         "--units=m") == [
        ["node1.example.com", "pool", "scratch", "7", "-"],
        ["node1.example.com", "pool", path.name, "4", NAME]]
    wrong = cluster.try_("gnt-node", "volumes", "-o", "node,nosuch")
    assert wrong.status == 1


def test_storage_units_are_changed_and_repaired(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-node", "modify-storage", "--allocatable=no", "node1", "part", "pool")
    cluster.gnt("gnt-node", "repair-storage", "node1", "used", "pool")
    left = {path.name: path.read_text() for path in (cluster.root / "node1").rglob(
        "disk_templates/used/*") if path.is_file()}
    assert left == {"changes": 'part {"allocatable": false}', "repaired": "pool"}
    refused = cluster.try_("gnt-node", "modify-storage", "--allocatable=no", "node1", "used", "x")
    assert "there is no storage unit x, but pool" in refused.stderr
    other = cluster.try_("gnt-node", "repair-storage", "node1", "diskless", "x")
    assert ("Storage units of type 'diskless' can not be repaired (types that can: used-pool, part,"
            " worn-pool, part, lent)") in other.stderr
    for path in (cluster.root / "node1").rglob("disk_templates/used/*"):
        path.unlink()


def test_storage_units_are_listed_by_type(cluster: VirtualCluster) -> None:
    listing = ("gnt-node", "list-storage", "-o", "type,name,size,used,free,allocatable",
               "--units=m")
    pool = [["used-pool", "pool", "16", "4", "12", "Y"]]
    assert cluster.table(*listing) == pool
    assert cluster.table(*listing, "-t", "used-pool") == pool
    assert cluster.table(*listing, "-t", "part") == [["part", "disk1", "8", "3", "5", "N"]]


def left_by_others(cluster: VirtualCluster, name: str, template: str = "used") -> Path:
    """A file in the storage that is no instance's disk."""
    folder = cluster.paths().data / "plugins/disk_templates" / template
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x" * (6 << 20))
    return folder / name


def test_adopted_disks_keep_size_and_data(cluster: VirtualCluster) -> None:
    old = left_by_others(cluster, "old.data")
    ran = cluster.gnt(*ADD, "-t", "used", "--disk", "0:adopt=old.data", NAME)
    assert "Wiping" not in ran.stderr + ran.stdout
    assert "OS create scripts" not in ran.stderr + ran.stdout
    (path,) = disks(cluster)
    assert (marks(path), old.exists()) == (6, False)
    assert cluster.instances("disk.size/0") == [["6"]]
    path.unlink()
    cluster.gnt("gnt-instance", "recreate-disks", NAME)
    assert [path.stat().st_size >> 20 for path in disks(cluster)] == [6], "it is as any other now"


def test_an_adoption_that_fails_gives_back(cluster: VirtualCluster) -> None:
    old = left_by_others(cluster, "old.data")
    block = old.with_name("cannot-be-opened")
    block.touch()
    try:
        ran = cluster.try_(*ADD, "-t", "used", "--disk", "0:adopt=old.data", NAME)
    finally:
        block.unlink()
    assert "it cannot be opened" in ran.stderr
    assert marks(old) == 6
    old.unlink()


@pytest.mark.parametrize(("words", "why"), [
    (["--disk", "0:adopt=gone"], "there is no gone"),
    (["--disk", "0:adopt=a", "--disk", "1:size=4m"], "Either all disks are adopted or none is"),
    (["--disk", "0:adopt=a", "--disk", "1:adopt=a"], "Duplicate volume names given for adoption"),
    (["--disk", "0:size=4m,spindles=1"], "Spindles in instance disks cannot be specified when"),
])
def test_what_cannot_be_adopted_is_refused(
    cluster: VirtualCluster, words: list[str], why: str
) -> None:
    ran = cluster.try_(*ADD, "-t", "used", *words, NAME)
    assert ran.status == 1
    assert why in ran.stderr
    assert cluster.instances() == []


def test_a_disk_of_another_instance_is_not_adopted(cluster: VirtualCluster) -> None:
    cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
    (path,) = disks(cluster)
    ran = cluster.try_(*ADD, "-t", "used", "--disk", f"0:adopt={path.name}", "inst2.example.com")
    assert f"LV named {path.name} used by another instance ({NAME})" in ran.stderr
    added = cluster.try_("gnt-instance", "modify", "--disk", "add:adopt=x", NAME)
    assert "Disk adoption is only possible for new instances" in added.stderr


def test_what_a_job_adopts_is_not_adopted_by_another_one(cluster: VirtualCluster) -> None:
    """Both found it free, and two instances wrote to it."""
    left_by_others(cluster, "old.data", template="lent")
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    write_faults(faults, {"start": [{"mode": "block", "times": 1}]})
    words = ("-t", "lent", "--disk", "0:adopt=old.data")
    add = tuple(word for word in ADD if word != "--no-start")
    try:
        job = cluster.gnt(*add, *words, "--submit", NAME).stderr.split()[-1]
        wait_until(lambda: '"times": 0' in faults.read_text(), "the first one is about to start")
        ran = cluster.try_(*ADD, *words, "inst2.example.com")
    finally:
        write_faults(faults, {})
    assert "LV named old.data is being adopted by another job" in ran.stderr
    assert cluster.try_("gnt-job", "watch", job).status == 0
    assert cluster.instances() == [[NAME]]


def test_where_storage_is_exclusive_disks_have_spindles(cluster: VirtualCluster) -> None:
    figures = ("gnt-node", "list", "-o", "dfree,spfree,sptotal", "--units=m", "--no-headers")
    assert cluster.gnt(*figures).stdout.split()[1:] == ["?", "?"]
    cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=true", "node1")
    try:
        assert cluster.gnt(*figures).stdout.split() == ["100", "2", "3"]
        none = cluster.try_(*ADD, "-t", "used", "--disk", "0:size=4m", NAME)
        assert "You must specify spindles in instance disks when exclusive storage" in none.stderr
        much = cluster.try_(*ADD, "-t", "used", "--disk", "0:size=104m,spindles=2", NAME)
        assert "required 104 MiB, available 100 MiB" in much.stderr
        cluster.gnt(*ADD, "-t", "used", "--disk", "0:size=4m,spindles=2", NAME)
        assert cluster.instances("disk.spindles") == [["[2]"]]
    finally:
        cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=default", "node1")


def test_a_disk_that_cannot_be_wiped_is_not_given_to_anybody(cluster: VirtualCluster) -> None:
    ran = cluster.try_(*ADD, "-t", "worn", "--disk", "0:size=4m", NAME)
    assert ran.status == 1
    assert "the first sector cannot be written" in ran.stderr
    assert cluster.instances() == []
    assert disks(cluster) == []
