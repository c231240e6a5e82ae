"""Disks whose devices are larger than they are: nothing of what a guest sees stays behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api import DiskSpec, HookContext
from ganeti_core.plugin_api.disk_streams import plain_receive, plain_send, plain_wipe
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.streams import given_to, giving, sent_by, with_streams

MIB = 1 << 20
SIZE = 3
MORE = MIB + 512
"""As a volume group whose extents have 4 MiB gives a disk of 3 MiB, or the last sector of a device
that was adopted."""


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return with_streams(make_context(tmp_path / "node1"))


def disk_of(path: Path, content: bytes) -> DiskSpec:
    path.write_bytes(content)
    return DiskSpec("d15c0000-0000-4000-8000-000000000000", 0, "plain", SIZE, path=str(path),
                    instance="inst1.example.com")


def test_all_of_a_device_is_sent(ctx: HookContext, tmp_path: Path) -> None:
    content = os.urandom(SIZE * MIB + MORE)
    disk = disk_of(tmp_path / "device", content)
    assert sent_by(ctx, lambda offer: plain_send(ctx, disk, offer)) == content


def test_all_of_a_device_is_filled(ctx: HookContext, tmp_path: Path) -> None:
    content = os.urandom(SIZE * MIB + MORE)
    disk = disk_of(tmp_path / "device", bytes(len(content)))
    given_to(ctx, content, lambda offer: plain_receive(ctx, disk, offer))
    assert Path(disk.path).read_bytes() == content


def test_what_does_not_fit_onto_a_device_is_not_cut_off(ctx: HookContext, tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "device", bytes(SIZE * MIB + MORE))
    with (giving(ctx, [bytes(SIZE * MIB), bytes(MORE + 1)]) as (offer, _),
          pytest.raises(BlockDeviceError, match="repair-disk-sizes")):
        plain_receive(ctx, disk, offer)
    assert os.path.getsize(disk.path) == SIZE * MIB + MORE


def test_all_of_a_device_is_wiped(ctx: HookContext, tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "device", b"x" * (SIZE * MIB + MORE))
    plain_wipe(ctx, disk, 1)
    assert Path(disk.path).read_bytes() == b"x" * MIB + bytes((SIZE - 1) * MIB + MORE)
