"""A running guest's disk grows, and the guest has all of it at once."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kvm_moves import Trip
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = pytest.mark.needs_qemu

MIB = 1 << 20
LONG = 60.0


def sizes(ctx: HookContext, name: str) -> list[int]:
    """What the guest's devices have, in bytes."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return [device["inserted"]["image"]["virtual-size"] for device in qmp.execute("query-block")
                if device.get("qdev")]


def grow(path: str, size: int) -> None:
    os.truncate(path, size)


def counts_on(ctx: HookContext, instance: InstanceSpec) -> None:
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)


@pytest.mark.parametrize("params", [
    {}, {"disk_type": "scsi-hd", "scsi_controller_type": "virtio-scsi-pci"}, {"disk_type": "ide"},
    {"disk_aio": "native", "virtio_disk_iothreads": 2},
    pytest.param({"use_chroot": True}, marks=pytest.mark.needs_root),
], ids=["virtio", "scsi", "ide", "iothreads", "chroot"])
def test_a_guest_sees_its_grown_disk_and_moves_with_it(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    params: dict[str, object],
) -> None:
    instance = replace(guest_instance, hvparams={**guest_instance.hvparams, **params})
    (disk,) = instance.disks
    kvm.start(ctx, instance, False)
    counts_on(ctx, instance)
    grow(disk.path, 3 * MIB)
    instance = replace(instance, disks=(replace(disk, size=3),))
    for _ in range(2):
        kvm.resize_disk(ctx, instance, replace(disk, size=3, path=""))
    assert sizes(ctx, instance.name) == [3 * MIB]
    trip = Trip(kvm, ctx, other_ctx, instance)
    trip.send()
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    assert sizes(other_ctx, instance.name) == [3 * MIB]
    counts_on(other_ctx, instance)
    grow(disk.path, 4 * MIB)
    kvm.resize_disk(other_ctx, instance, replace(disk, size=4))
    assert sizes(other_ctx, instance.name) == [4 * MIB]
    assert Path(disk.path).stat().st_size == 4 * MIB


def test_nothing_is_cut_off_and_nothing_made_that_is_not_there(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    (disk,) = guest_instance.disks
    with pytest.raises(HypervisorError, match="does not run"):
        kvm.resize_disk(ctx, guest_instance, disk)
    kvm.start(ctx, guest_instance, False)
    with pytest.raises(HypervisorError, match="has 1048576 bytes on this node and should have 2 M"):
        kvm.resize_disk(ctx, guest_instance, replace(disk, size=2))
    assert Path(disk.path).stat().st_size == MIB
    grow(disk.path, 2 * MIB + 512)
    kvm.resize_disk(ctx, guest_instance, replace(disk, size=2))
    assert Path(disk.path).stat().st_size == 2 * MIB + 512
    assert sizes(ctx, guest_instance.name) == [2 * MIB + 512]
    with pytest.raises(HypervisorError, match="has no disk d15c9"):
        kvm.resize_disk(ctx, guest_instance, replace(disk, uuid="d15c9"))


@pytest.mark.parametrize("params", [
    {}, pytest.param({"use_chroot": True}, marks=pytest.mark.needs_root)], ids=["plain", "chroot"])
def test_a_disk_that_took_another_ones_place_grows_too(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path,
    params: dict[str, object],
) -> None:
    """QEMU limits such a disk to the size of the one before."""
    instance = replace(guest_instance, hvparams={**guest_instance.hvparams, **params})
    (old,) = instance.disks
    new = replace(old, uuid="d15cffff-0000-4000-8000-000000000002", path=str(tmp_path / "new.raw"))
    Path(new.path).write_bytes(bytes(2 * MIB))
    kvm.start(ctx, instance, False)
    counts_on(ctx, instance)  # firmware that finds its disk exchanged may not go on to boot
    kvm.mirror_disk(ctx, instance, old, new)
    deadline = time.monotonic() + LONG
    while kvm.mirror_status(ctx, instance, old, new).state != "synced":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kvm.switch_disk(ctx, instance, old, new)
    assert sizes(ctx, instance.name) == [MIB]
    grow(new.path, 3 * MIB)
    instance = replace(instance, disks=(replace(new, size=3),))
    for _ in range(2):
        kvm.resize_disk(ctx, instance, instance.disks[0])
    assert sizes(ctx, instance.name) == [3 * MIB]
    counts_on(ctx, instance)


@pytest.fixture
def loop_disk(guest_instance: InstanceSpec, tmp_path: Path) -> Iterator[DiskSpec]:
    """The guest's disk as a block device of the node."""
    (disk,) = guest_instance.disks
    made = subprocess.run(["losetup", "--find", "--show", disk.path], capture_output=True,
                          text=True, check=False, timeout=60)
    if made.returncode:
        pytest.skip("no loop device can be had here")
    device = made.stdout.strip()
    try:
        yield replace(disk, path=device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, timeout=60)


@pytest.mark.needs_root
def test_a_device_of_the_node_grows(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, loop_disk: DiskSpec
) -> None:
    instance = replace(guest_instance, disks=(loop_disk,))
    try:
        kvm.start(ctx, instance, False)
        grow(guest_instance.disks[0].path, 5 * MIB)
        subprocess.run(["losetup", "--set-capacity", loop_disk.path], check=True, timeout=60)
        kvm.resize_disk(ctx, instance, replace(loop_disk, size=5))
        assert sizes(ctx, instance.name) == [5 * MIB]
        counts_on(ctx, instance)
    finally:
        kvm.stop(ctx, instance, True, 0.0)


def test_what_qemu_opens_itself_grows_without_being_cut_off(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    (disk,) = guest_instance.disks
    node = {"driver": "blkdebug", "image": {"driver": "file", "filename": disk.path}}
    remote = replace(disk, path="", uris={"kvm": f"json:{json.dumps(node)}"})
    instance = replace(guest_instance, disks=(remote,))
    kvm.start(ctx, instance, False)
    grow(disk.path, 3 * MIB + 512)
    for _ in range(2):
        kvm.resize_disk(ctx, instance, replace(remote, size=3))
    assert sizes(ctx, instance.name) == [3 * MIB + 512]
    assert Path(disk.path).stat().st_size == 3 * MIB + 512
    with pytest.raises(HypervisorError, match="should have 9 MiB"):
        kvm.resize_disk(ctx, instance, replace(remote, size=9))
    counts_on(ctx, instance)


@pytest.mark.skipif(not shutil.which("qemu-nbd"), reason="qemu-nbd is not installed")
def test_a_server_that_does_not_tell_of_it_is_said_and_the_guest_goes_on(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path
) -> None:
    """The protocol of NBD has a size only when a client connects."""
    (disk,) = guest_instance.disks
    socket = tmp_path / "nbd"
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--format=raw",
                               f"--socket={socket}", "--export-name=disk", disk.path])
    try:
        deadline = time.monotonic() + LONG
        while not socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        remote = replace(disk, path="", uris={"kvm": f"nbd:unix:{socket}:exportname=disk"})
        instance = replace(guest_instance, disks=(remote,))
        kvm.start(ctx, instance, False)
        grow(disk.path, 2 * MIB)
        with pytest.raises(HypervisorError, match="refused block_resize: Cannot grow NBD nodes"):
            kvm.resize_disk(ctx, instance, replace(remote, size=2))
        counts_on(ctx, instance)
        kvm.stop(ctx, instance, True, 0.0)
    finally:
        server.terminate()
        server.wait()
