"""The template blockdev keeps its contract, and touches nothing but the devices it was given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loop_devices import give_name, loop_device

from ganeti_core.errors import BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api import DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_block import BlockdevTemplate

BY_ID = "/dev/disk/by-id/scsi-3600"
REQUEST = DiskRequest("d15c0000-0000-4000-8000-000000000000", 0, 8, "inst1.example.com",
                      name="root", options={"adopt": BY_ID})


@pytest.mark.needs_root
class TestBlockdev(DiskTemplateContract):
    @pytest.fixture
    def driver(self) -> BlockdevTemplate:
        return BlockdevTemplate()

    @pytest.fixture
    def disk_request(self) -> DiskRequest:
        return REQUEST

    @pytest.fixture
    def adopting_disk(
        self, ctx: HookContext, tmp_path: Path, lay_out: Callable[[int], DiskSpec]
    ) -> Iterator[DiskSpec]:
        disk = lay_out(0)
        with loop_device(tmp_path / "lun", disk.size) as device:
            give_name(ctx.root, str(disk.logical_id[1]), device)
            yield disk.on(disk.nodes[0].uuid)


TEMPLATE = BlockdevTemplate()


def plan(path: str) -> DiskSpec:
    return TEMPLATE.layout(replace(REQUEST, options={"adopt": path}))


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1")


def test_a_disk_is_called_as_ganetis() -> None:
    assert plan("/dev/disk/by-id/../by-path/x").logical_id == ("manual", "/dev/disk/by-path/x")


@pytest.mark.parametrize("path", [
    "/dev/sdb", "/dev/disk", "/dev/disk/", "/dev/disk/../sdb", "by-id/x", "/dev/disks/x",
    "//dev/disk/by-id/x", "/dev/disk/by-id/x\0y",
])
def test_devices_outside_of_lasting_names_are_refused(path: str, ctx: HookContext) -> None:
    with pytest.raises(OpPrereqError, match="does not lie below /dev/disk/"):
        plan(path)
    imported = replace(plan(BY_ID), logical_id=("manual", path))
    for act in (TEMPLATE.open, TEMPLATE.status):
        with pytest.raises(BlockDeviceError, match=r"disk d15c.*does not lie below /dev/disk/"):
            act(ctx, imported)


@pytest.mark.parametrize(("target", "message"), [
    ("", "No such file or directory"), ("outside", "which is not in /dev"),
    ("dev/file", "is no block device"),
])
def test_what_is_no_device_cannot_be_adopted(
    ctx: HookContext, tmp_path: Path, target: str, message: str
) -> None:
    disk = plan(BY_ID)
    if target:
        (ctx.root / target).parent.mkdir(exist_ok=True)
        (ctx.root / target).write_bytes(b"data")
        give_name(ctx.root, BY_ID, str(ctx.root / target))
    with pytest.raises((OpPrereqError, BlockDeviceError), match=message):
        TEMPLATE.adoptable(ctx, disk)
    with pytest.raises(BlockDeviceError, match=message):
        TEMPLATE.adopt(ctx, disk)
    TEMPLATE.remove(disk)
    assert not target or (ctx.root / target).read_bytes() == b"data"


@pytest.mark.needs_root
def test_a_device_that_is_used_or_another_one_is_refused(
    ctx: HookContext, tmp_path: Path
) -> None:
    with loop_device(tmp_path / "lun", 4) as device:
        give_name(ctx.root, BY_ID, device)
        assert TEMPLATE.adoptable(ctx, plan(BY_ID)) == 4
        # As a mount has it, and a device that lies on it.
        held = os.open(device, os.O_RDONLY | os.O_EXCL)
        try:
            with pytest.raises(OpPrereqError, match="is used on node1") as refused:
                TEMPLATE.adoptable(ctx, plan(BY_ID))
            assert refused.value.ecode == "wrong_state"
        finally:
            os.close(held)
        with pytest.raises(BlockDeviceError, match="has 4 MiB, and the disk 8 MiB"):
            TEMPLATE.open(ctx, plan(BY_ID))
