"""Disks of real guests become others while they count; whoever is killed, no count is lost."""

import json
import os
import re
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from kvm_moves import Trip
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.data import MirrorStatus
from ganeti_core.plugin_api.testing.killing import killed_at_each_step
from ganeti_plugins.hv_kvm import KvmHypervisor

pytestmark = pytest.mark.needs_qemu

LONG = 60.0
MOST_KILLS = 10


@dataclass
class Pair:
    """A guest that runs with the disk `old`, and one that is to take its place."""

    kvm: KvmHypervisor
    ctx: HookContext
    instance: InstanceSpec
    old: DiskSpec
    new: DiskSpec

    def mirror(self) -> None:
        self.kvm.mirror_disk(self.ctx, self.instance, self.old, self.new)

    def status(self) -> MirrorStatus:
        return self.kvm.mirror_status(self.ctx, self.instance, self.old, self.new)

    def wait(self) -> MirrorStatus:
        deadline = time.monotonic() + LONG
        while (status := self.status()).state == "active":
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def in_sync(self) -> None:
        self.mirror()
        status = self.wait()
        assert status.state == "synced", status

    def switch(self) -> None:
        self.kvm.switch_disk(self.ctx, self.instance, self.old, self.new)

    def turn(self) -> None:
        """What it has is the old one from now on, and the other way."""
        self.old, self.new = self.new, self.old
        self.instance = replace(self.instance, disks=(self.old,))

    def states(self) -> list[str]:
        return [guest.state for guest in self.kvm.running(self.ctx)]

    def end_qemu(self) -> None:
        pid = int((self.ctx.state / self.instance.name / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + LONG
        while self.states():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def count_on(disk: DiskSpec) -> int:
    """The count that a guest has written to a disk, every eighth; 0 before the first."""
    found = re.match(rb"count ([0-9A-F]{8})", Path(disk.path).read_bytes()[512:530])
    return int(found[1], 16) if found else 0


def await_written(disk: DiskSpec) -> int:
    """Wait until the guest has written its count anew; return it."""
    before, deadline = count_on(disk), time.monotonic() + LONG
    while (count := count_on(disk)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return count


@pytest.fixture
def pair(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path
) -> Pair:
    other = tmp_path / "other.raw"
    other.write_bytes(b"x" * (1 << 20))
    (old,) = guest_instance.disks
    new = replace(old, uuid="d15cffff-0000-4000-8000-000000000002", path=str(other))
    kvm.start(ctx, guest_instance, False)
    return Pair(kvm, ctx, guest_instance, old, new)


def test_a_guest_counts_on_while_its_disk_becomes_another_and_can_then_be_migrated(
    pair: Pair, other_ctx: HookContext
) -> None:
    with Serial(pair.ctx, pair.instance.name) as serial:
        serial.wait_for(COUNTS)
        pair.in_sync()
        pair.switch()
    at = await_written(pair.new)
    assert count_on(pair.old) < at
    pair.turn()
    trip = Trip(pair.kvm, pair.ctx, other_ctx, pair.instance)
    trip.send(live=False)
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    with Serial(other_ctx, pair.instance.name) as after:
        after.wait_for(COUNTS)
    assert "TINY READY" not in after.said
    assert after.counts[0] >= at


def test_a_copy_that_is_ended_leaves_the_guest_its_disk(pair: Pair) -> None:
    pair.in_sync()
    pair.kvm.end_mirror(pair.ctx, pair.instance, pair.old, pair.new)
    assert pair.status().state == "none"
    at = await_written(pair.old)
    assert count_on(pair.new) < at


def test_a_guest_that_ends_before_it_is_switched_finds_all_on_its_new_disk(pair: Pair) -> None:
    os.truncate(pair.new.path, 1 << 21)  # larger, as volumes may be
    pair.in_sync()
    at = await_written(pair.new)
    pair.end_qemu()
    with open(pair.new.path, "r+b") as file:  # as if the last writes were only on the old one
        file.seek(512)
        file.write(b"count 00000000")
    pair.kvm.recover(pair.ctx)
    pair.switch()
    assert count_on(pair.new) == count_on(pair.old) >= at
    # What is written from now on is not overwritten by a repetition.
    with open(pair.new.path, "r+b") as file:
        file.seek(512)
        file.write(b"count 00FFFFFF")
    pair.switch()
    assert count_on(pair.new) == 0xFFFFFF
    pair.turn()
    pair.kvm.start(pair.ctx, pair.instance, False)
    assert list((pair.ctx.keep / "mirrors").iterdir()) == []


@pytest.mark.parametrize("ends", [False, True], ids=["guest-lives", "guest-ends"])
def test_a_switch_that_is_killed_at_any_step_can_be_repeated(pair: Pair, ends: bool) -> None:
    """Also where the guest ends before that: it goes on from what it has written."""
    pair.in_sync()
    for _ in killed_at_each_step(pair.switch, MOST_KILLS):
        at = max(count_on(pair.old), count_on(pair.new))
        if ends:
            pair.end_qemu()
            pair.kvm.recover(pair.ctx)
        pair.switch()
        assert count_on(pair.new) >= at
        pair.turn()
        pair.kvm.start(pair.ctx, pair.instance, False)
        assert pair.states() == ["running"]
        pair.in_sync()


def test_a_copy_that_breaks_off_does_not_disturb_and_is_made_anew(pair: Pair) -> None:
    node = {"driver": "blkdebug", "image": {"driver": "file", "filename": pair.new.path},
            "inject-error": [{"event": "write_aio", "iotype": "write", "errno": 5, "once": True}]}
    pair.new = replace(pair.new, uris={"kvm": f"json:{json.dumps(node)}"})
    pair.mirror()
    status = pair.wait()
    assert (status.state, bool(status.message)) == ("failed", True)
    with Serial(pair.ctx, pair.instance.name) as serial:
        serial.wait_for(COUNTS)
    with pytest.raises(HypervisorError, match=r"broke off \(.*\) and is made anew"):
        pair.switch()
    assert pair.wait().state == "synced"
    pair.switch()
    assert (pair.status().state, pair.states()) == ("switched", ["running"])


def test_a_disk_that_is_too_small_is_refused_and_nothing_is_left(pair: Pair) -> None:
    os.truncate(pair.new.path, 1 << 16)
    with pytest.raises(HypervisorError):
        pair.mirror()
    assert pair.status().state == "none"
    os.truncate(pair.new.path, 1 << 20)
    pair.in_sync()


@pytest.mark.needs_root
def test_the_disk_of_a_guest_that_may_open_nothing_becomes_another(
    pair: Pair
) -> None:
    pair.kvm.stop(pair.ctx, pair.instance, True, 0.0)
    pair.instance = replace(
        pair.instance, hvparams={**pair.instance.hvparams, "use_chroot": True})
    pair.kvm.start(pair.ctx, pair.instance, False)
    for _ in range(3):
        pair.in_sync()
        pair.switch()
        pair.turn()
    with Serial(pair.ctx, pair.instance.name) as serial:
        serial.wait_for(COUNTS)
