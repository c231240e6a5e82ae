"""What plain makes of what LVM says: names, room, stripes, spindles, adoption, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lvm_host import FakeHost

from ganeti_core.errors import BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api import DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.disk_lvm import LvmTemplate

UUID = "d15c0000-0000-4000-8000-000000000000"
LV = f"xenvg/{UUID}.disk0"
SETTINGS = {"volume_group_name": "xenvg"}


@pytest.fixture
def template(host: FakeHost) -> LvmTemplate:
    return LvmTemplate(host.program)


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1", config=SETTINGS)


def plan(size: int = 16, spindles: int | None = None, **options: Any) -> DiskSpec:
    return LvmTemplate().layout(DiskRequest(
        UUID, 0, size, "inst1.example.com", spindles=spindles, options=options,
        params={"stripes": 1, "thin_pool": ""}), SETTINGS)


def test_volumes_are_named_and_tagged_as_in_ganeti(host: FakeHost, template: LvmTemplate) -> None:
    disk = plan()
    template.create(disk)
    assert list(host.state["lvs"]) == [LV]
    assert host.state["lvs"][LV]["tags"] == ["originstname+inst1.example.com"]
    assert disk.logical_id == ("xenvg", f"{UUID}.disk0")
    template.open(replace(disk, instance="renamed.example.com"))
    assert host.state["lvs"][LV]["tags"] == ["originstname+renamed.example.com"]


def test_a_disk_may_name_its_volume_group(host: FakeHost, template: LvmTemplate) -> None:
    disk = plan(vg="other")
    template.create(disk)
    assert list(host.state["lvs"]) == [f"other/{UUID}.disk0"]
    assert template.storage_of(disk) == "other"


@pytest.mark.parametrize(("option", "value"), [
    ("vg", ""), ("vg", "-x"), ("vg", "a/b"), ("adopt", "x_mimage_0"), ("adopt", "snapshot"),
    ("adopt", "a b"), ("thin_pool", "../x")])
def test_names_that_lvm_would_not_take_are_refused(option: str, value: str) -> None:
    if value:
        with pytest.raises(OpPrereqError, match=r"cannot be the name of a"):
            plan(**{option: value})
    else:
        assert plan(**{option: value}).logical_id[0] == "xenvg", "an empty one is none"


def test_a_missing_group_is_named_with_the_remedy(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    with pytest.raises(BlockDeviceError, match=r"'gone'.*there are: other, xenvg.*vgcreate"):
        template.create(plan(vg="gone"))
    assert host.state["lvs"] == {}
    lost = replace(ctx, config={"volume_group_name": "gone"})
    (problem,) = template.verify(lost)
    assert "there is no volume group 'gone'" in problem


def test_a_node_without_lvm_is_told_what_to_install(ctx: HookContext) -> None:
    assert LvmTemplate("no-such-lvm").verify(ctx) == ["no-such-lvm not found: install lvm2"]


def test_a_full_group_is_refused_with_what_is_left(host: FakeHost, template: LvmTemplate) -> None:
    host.add("xenvg/root", 1000)
    with pytest.raises(BlockDeviceError, match=r"'xenvg' has 2072 MiB left.*needs 2076 MiB"):
        template.create(plan(2076))
    template.create(plan(2072))
    with pytest.raises(BlockDeviceError, match=r"has 0 MiB left"):
        template.grow(plan(2072), 2076)
    assert host.state["lvs"][LV]["size"] == 2072


def test_stripes_are_as_many_as_asked_for_or_as_there_is_room_on(
    host: FakeHost, template: LvmTemplate
) -> None:
    template.create(replace(plan(48), params={"stripes": 2}))
    assert len(host.state["lvs"][LV]["on"]) == 2
    template.remove(plan())
    template.create(replace(plan(48), params={"stripes": 9}))
    assert len(host.state["lvs"][LV]["on"]) == 3
    template.remove(plan())
    host.add("xenvg/root", 1016, on={"/dev/sdb": 1016})
    template.create(replace(plan(1800), params={"stripes": 3}))
    assert len(host.state["lvs"][LV]["on"]) == 2, "the room is not spread evenly"


def test_a_disk_with_spindles_has_physical_volumes_for_itself(
    host: FakeHost, template: LvmTemplate
) -> None:
    host.add("xenvg/root", 8)
    with pytest.raises(BlockDeviceError, match=r"needs 2 spindles of 994 MiB each"):
        template.create(plan(1000, spindles=1))
    with pytest.raises(BlockDeviceError, match=r"has 2 empty physical volumes.*have 3 spindles"):
        template.create(plan(1000, spindles=3))
    disk = plan(1000, spindles=2)
    template.create(disk)
    assert sorted(host.state["lvs"][LV]["on"]) == ["/dev/sdc", "/dev/sdd"]
    assert template.status(disk).spindles == 2
    with pytest.raises(BlockDeviceError, match=r"can get 988 MiB .* is to get 1000 MiB"):
        template.grow(disk, 2000)
    template.grow(disk, 1800)
    assert sorted(host.state["lvs"][LV]["on"]) == ["/dev/sdc", "/dev/sdd"]


def test_room_is_that_of_groups_spindles_and_pools(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    host.add("xenvg/root", 24)
    host.add("other/pool", 100, kind="t", on={"/dev/sde": 100})
    found = {space.name: space for space in template.space(ctx)}
    assert list(found) == ["xenvg", "other", "other/pool"], "the cluster's group counts"
    group = found["xenvg"]
    assert (group.total, group.free) == (3072, 3048)
    assert (group.spindles, group.free_spindles, group.spindle_size) == (3, 2, 994)
    assert found["other/pool"].free == 100


def test_a_thin_pool_takes_volumes_and_must_be_there(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    with pytest.raises(BlockDeviceError, match=r"xenvg/pool does not exist.*--type thin-pool"):
        template.create(plan(thin_pool="pool"))
    host.add("xenvg/pool", 100)
    with pytest.raises(BlockDeviceError, match=r"xenvg/pool is no thin pool"):
        template.create(plan(thin_pool="pool"))
    host.change(lvs={})
    host.add("xenvg/pool", 100, kind="t")
    with pytest.raises(BlockDeviceError, match=r"has 100 MiB left.*need 104 MiB"):
        template.create(plan(104, thin_pool="pool"))
    disk = plan(thin_pool="pool")
    template.create(disk)
    assert host.state["lvs"][LV]["pool"] == "pool"
    assert template.status(disk).spindles is None
    assert template.storage_of(disk) == "xenvg/pool"
    assert template.devices(ctx) == [LV], "the pool is nobody's disk, and no orphan"
    copy = template.snapshot(disk, "snap")
    assert Path(copy).name == f"{UUID}.disk0.snap"
    with pytest.raises(OpPrereqError, match=r"cannot have spindles for itself in thin pool"):
        plan(spindles=1, thin_pool="pool")


@pytest.mark.parametrize(("kind", "zeroes", "left"), [("V", True, b"x"), ("V", False, b"\0"),
                                                      ("-", True, b"\0")])
def test_only_a_pool_that_clears_its_pieces_needs_no_wiping(
    host: FakeHost, template: LvmTemplate, ctx: HookContext, kind: str, zeroes: bool, left: bytes
) -> None:
    """The parameter may be newer than the disk, whose volume is then where it always was."""
    device = host.add(LV, 16, kind=kind, pool="pool" if kind == "V" else "", zeroes=zeroes)
    device.write_bytes(b"x" * (16 << 20))
    disk = plan(16, thin_pool="pool")
    template.wipe(ctx, replace(disk, path=template.open(disk).path), 8)
    content = device.read_bytes()
    assert content == b"x" * (8 << 20) + left * (8 << 20)


def test_a_snapshot_needs_room_for_all_that_may_change(
    host: FakeHost, template: LvmTemplate
) -> None:
    disk = plan(2000)
    template.create(disk)
    with pytest.raises(BlockDeviceError, match=r"has 1072 MiB left, and a snapshot of .* 2000 MiB"):
        template.snapshot(disk, "snap")
    assert list(host.state["lvs"]) == [LV]


def test_a_volume_that_is_used_stays(host: FakeHost, template: LvmTemplate) -> None:
    disk = plan()
    template.create(disk)
    host.mark("busy", LV)
    with pytest.raises(BlockDeviceError, match=rf"volume {LV} is used .*fuser -v /.*try again"):
        template.remove(disk)
    assert template.status(disk).exists
    host.mark("busy")
    template.remove(disk)
    assert not template.status(disk).exists


def test_a_volume_is_adopted_and_given_back(host: FakeHost, template: LvmTemplate) -> None:
    device = host.add("xenvg/old.data", 32)
    with device.open("r+b") as file:
        file.write(b"data")
    disk = plan(0, adopt="old.data")
    assert template.adopts(disk) == "xenvg/old.data"
    assert template.adoptable(disk) == 32
    for _ in range(2):
        template.adopt(disk)
    assert Path(template.open(disk).path).read_bytes()[:4] == b"data"
    assert list(host.state["lvs"]) == [LV]
    for _ in range(2):
        template.give_back(disk)
    assert host.state["lvs"]["xenvg/old.data"]["tags"] == []
    assert device.read_bytes()[:4] == b"data"


def test_only_whole_unused_volumes_are_adopted(host: FakeHost, template: LvmTemplate) -> None:
    disk = plan(0, adopt="it")
    with pytest.raises(OpPrereqError, match=r"Missing logical volume\(s\): xenvg/it"):
        template.adoptable(disk)
    with pytest.raises(BlockDeviceError, match=r"Missing logical volume"):
        template.adopt(disk)
    for kind, what in (("t", "a thin pool"), ("s", "a snapshot"), ("v", "lost data")):
        host.add("xenvg/it", kind=kind)
        with pytest.raises(OpPrereqError, match=what):
            template.adoptable(disk)
    host.add("xenvg/it")
    host.mark("busy", "xenvg/it")
    with pytest.raises(OpPrereqError, match=r"Online logical volumes found.*: xenvg/it"):
        template.adoptable(disk)
    with pytest.raises(BlockDeviceError, match=r"Online logical volumes found"):
        template.adopt(disk)
    assert list(host.state["lvs"]) == ["xenvg/it"]


def test_a_disk_that_lost_a_physical_volume_is_faulty_until_the_group_is_repaired(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    host.add("other/rest", 8, on={"/dev/sde": 8})
    template.create(replace(plan(48), params={"stripes": 3}))
    host.mark("lost", "/dev/sdc")
    status = template.status(plan(48))
    assert (status.degraded, status.local, status.reason) == (True, "faulty", "partial")
    with pytest.raises(BlockDeviceError, match=r"has lost data \(partial\)"):
        template.open(plan(48))
    (problem,) = template.verify(ctx)
    assert "lacks 1 of its physical volumes" in problem
    assert "repair-storage NODE lvm-vg xenvg" in problem
    with pytest.raises(OpPrereqError, match=r"lvm-pv cannot be repaired"):
        template.repair_storage("lvm-pv", "/dev/sdc")
    with pytest.raises(OpPrereqError, match=r"no volume group 'x'"):
        template.repair_storage("lvm-vg", "x")
    template.repair_storage("lvm-vg", "xenvg")
    assert template.verify(ctx) == []
    assert list(host.state["lvs"]) == ["other/rest"]


def test_raid_that_has_lost_a_disk_is_used_on(host: FakeHost, template: LvmTemplate) -> None:
    host.add(LV, 16, kind="r", on={"/dev/sdb": 16, "/dev/sdc": 16}, active=False)
    host.mark("lost", "/dev/sdc")
    status = template.status(plan())
    assert (status.degraded, status.local, status.reason) == (True, "ok", "partial")
    template.open(plan())
    assert host.state["lvs"][LV]["active"]


def test_spindles_are_compared_by_the_least_and_the_largest(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    sizes = {one.name: one.size for one in template.storage_units("lvm-pv")}
    found = template.agreements(ctx)
    assert {one.value for one in found} == {1024}, sizes
    host.change(pvs={**host.state["pvs"], "/dev/sdc": {
        **host.state["pvs"]["/dev/sdc"], "size": 1000}})
    assert [one.value for one in template.agreements(ctx)] == [1000, 1024]
    assert all(one.exclusive and one.code == "EGROUPDIFFERENTPVSIZE"
               for one in template.agreements(ctx))
    assert template.agreements(replace(ctx, config={"volume_group_name": "gone"})) == []


def test_physical_volumes_are_listed_and_closed_to_new_disks(
    host: FakeHost, template: LvmTemplate
) -> None:
    host.add("xenvg/root", 24)
    template.modify_storage("lvm-pv", "/dev/sdc", {"allocatable": False})
    found = {unit.name: unit for unit in template.storage_units("lvm-pv")}
    first = found["/dev/sdb"]
    assert (first.size, first.used, first.free, first.allocatable) == (1024, 24, 1000, True)
    assert not found["/dev/sdc"].allocatable
    assert [(unit.name, unit.free) for unit in template.storage_units("lvm-vg")] == [
        ("other", 1024), ("xenvg", 3048)]
    for name, given, changes, said in (
            ("/dev/sdx", "lvm-pv", {"allocatable": True}, "There is no physical volume '/dev/sdx'"),
            ("xenvg", "lvm-vg", {"allocatable": True}, "allocatable of lvm-vg xenvg cannot be"),
            ("/dev/sdb", "lvm-pv", {"size": 1}, "size of lvm-pv /dev/sdb cannot be")):
        with pytest.raises(OpPrereqError, match=said):
            template.modify_storage(given, name, changes)
    with pytest.raises(BlockDeviceError, match=r"has 2024 MiB left"):
        template.create(plan(2028))


def test_orphans_are_looked_for_where_the_cluster_may_have_volumes(
    host: FakeHost, template: LvmTemplate, ctx: HookContext
) -> None:
    template.create(plan(vg="other"))
    for name in ("xenvg/root", "other/theirs"):
        host.add(name, 8)
    assert template.devices(ctx) == [f"other/{UUID}.disk0", "xenvg/root"]
    assert {volume.name for volume in template.volumes()} == {f"{UUID}.disk0", "root", "theirs"}


def test_a_volume_is_listed_once_for_each_physical_volume(
    host: FakeHost, template: LvmTemplate
) -> None:
    host.add("xenvg/root", 32, on={"/dev/sdb": 16, "/dev/sdc": 16})
    assert [(one.name, one.device, one.size) for one in template.volumes()] == [
        ("root", "/dev/sdb", 32), ("root", "/dev/sdc", 32)]


def test_a_program_that_prints_no_report_is_named(host: FakeHost, template: LvmTemplate) -> None:
    Path(host.program).write_text("#!/bin/sh\necho xenvg\n")
    with pytest.raises(BlockDeviceError, match=r"lvm lvs printed no report in JSON"):
        template.status(plan())
    with pytest.raises(BlockDeviceError, match=r"cannot run /no/such/lvm"):
        LvmTemplate("/no/such/lvm").status(plan())
