"""A guest that writes to its memory faster than it is sent: it moves as configured, or not at all,
with the reason."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_qemu import fake_qemu
from kvm_moves import LONG, TARGET, Trip
from kvm_serial import Serial

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor, convergence, migration

pytestmark = pytest.mark.needs_qemu

# One byte in each page of 512 KiB, again and again; a "d" on the console now and then:
#          cli
#   again: mov bx,0xf000
#   sweep: mov ax,0x1000
#   part:  mov ds,ax; xor si,si
#   page:  inc byte [si]; invlpg [si]; add si,4096; jnz page
#          add ax,0x1000; cmp ax,0x9000; jb part
#          inc bx; jnz sweep
#          mov dx,0x3f8; mov al,'d'; out dx,al; jmp again
# Without invlpg QEMU before 9.0 does not notice, when it emulates, that a page is written again.
# Without cli an interrupt may need a page that was not sent: QEMU, where it emulates, waits for it
# with its big lock then, and answers no command.
SWEEPS = bytes.fromhex(
    "fa bb00f0 b80010 8ed8 31f6 fe04 0f013c 81c60010 75f5 050010 3d0090 72e9 43 75e3"
    "baf803 b064 ee eb d8")


@pytest.fixture
def restless(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    disk_file: Path,
) -> Trip:
    """A guest that is to be sent within a pause of 1 ms, in which its memory cannot be."""
    disk_file.write_bytes((SWEEPS.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0"))
    params = {**guest_instance.hvparams, "migration_downtime": 1}
    trip = Trip(kvm, ctx, other_ctx, replace(guest_instance, hvparams=params))
    kvm.start(ctx, trip.instance, False)
    with Serial(ctx, trip.instance.name) as serial:
        serial.wait_for("d")
    return trip


def test_a_transfer_that_would_never_end_says_so_and_can_be_given_up(
    restless: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pass takes 250 ms: also on a busy machine the guest writes something meanwhile.
    monkeypatch.setattr(convergence, "PASSES", 5)
    monkeypatch.setattr(convergence, "TIMES", 0)
    restless = restless.with_params(migration_bandwidth=2)
    restless.send()
    status = restless.wait()
    assert status.state == "active"
    assert "times over, and the guest still writes to it" in status.endless
    assert "add auto-converge or postcopy-ram to migration_caps" in status.endless
    assert restless.runs_on() == [restless.source.node]
    restless.give_up()
    assert restless.runs_on() == [restless.source.node]
    assert list(restless.target.state.iterdir()) == []


def test_a_guest_that_may_be_slowed_down_moves(restless: Trip) -> None:
    slowed = restless.with_params(migration_caps="auto-converge")
    with slowed.qmp(slowed.source) as qmp:
        # QEMU begins with 20 % and adds 10 every other second: too long for a test.
        qmp.execute("migrate-set-parameters", {"cpu-throttle-initial": 90})
    slowed.send()
    assert slowed.wait().state == "completed"
    slowed.finish(success=True)
    assert slowed.runs_on() == [slowed.target.node]


def test_a_guest_that_may_pause_long_enough_moves(restless: Trip) -> None:
    patient = restless.with_params(migration_downtime=2000)
    patient.send()
    assert patient.wait().state == "completed"
    patient.finish(success=True)
    assert patient.runs_on() == [patient.target.node]


def test_what_remains_is_reported(restless: Trip) -> None:
    slow = restless.with_params(migration_bandwidth=1)
    slow.send()
    deadline = time.monotonic() + LONG
    while not (status := slow.status()).transferred_ram:
        assert time.monotonic() < deadline
    assert status.remaining_ram is not None
    assert 0 < status.remaining_ram <= status.total_ram
    slow.give_up()
    assert slow.runs_on() == [slow.source.node]


@pytest.fixture
def split(restless: Trip) -> Trip:
    """A guest that was handed over; the rest of its memory is sent on demand, slowly."""
    trip = restless.with_params(migration_caps="postcopy-ram", migration_bandwidth=4)
    trip.send()
    deadline = time.monotonic() + LONG
    while not trip.status().can_switch:
        assert time.monotonic() < deadline
    with trip.qmp(trip.source) as qmp:
        qmp.execute("migrate-set-parameters", {"max-postcopy-bandwidth": 4096})
    for _ in range(2):
        trip.kvm.migration_switch(trip.source, trip.instance)
    status = trip.status()
    assert (status.state, status.guest) == ("completed", "sent")
    assert trip.runs_on() == []
    return trip


def test_a_guest_may_be_handed_over_before_its_memory_is(split: Trip) -> None:
    split.kvm.migration_finish(split.target, split.instance, False, True)
    assert split.runs_on() == [split.target.node]
    with split.qmp(split.source) as qmp:
        qmp.execute("migrate-set-parameters", {"max-postcopy-bandwidth": 0})
    split.kvm.migration_finish(split.source, split.instance, True, True)
    assert list(split.source.state.iterdir()) == []
    with Serial(split.target, split.instance.name) as serial:
        serial.wait_for("d", fresh=True)


def test_what_is_still_needed_is_not_ended(
    split: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "REST_ON_DEMAND_LIMIT", 0.1)
    split.kvm.migration_finish(split.target, split.instance, False, True)
    with split.qmp(split.source) as qmp:
        is_over = qmp.execute("query-migrate")["status"] == "completed"
    if is_over:
        pytest.skip("all was sent before anybody looked")
    with pytest.raises(HypervisorError, match="still being sent on demand"):
        split.kvm.migration_finish(split.source, split.instance, True, True)
    split.kvm.migration_abort(split.source, split.instance)  # too late, and harmless
    assert split.runs_on() == [split.target.node]


def test_a_source_that_is_about_to_send_on_is_needed(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As QEMU 9.1 and newer call it while the halves are joined again."""
    monkeypatch.setattr(migration, "REST_ON_DEMAND_LIMIT", 0.1)
    kvm.start(ctx, guest_instance, True)
    folder = ctx.state / guest_instance.name
    for name in ("control", "query"):
        (folder / name).unlink()

    def joining(command: str, _arguments: dict[str, object]) -> list[dict[str, object]]:
        said = {"query-migrate": "postcopy-recover-setup", "query-status": "finish-migrate"}
        return [{"return": {"status": said[command]} if command in said else {}}]

    with fake_qemu(folder / "control", joining), fake_qemu(folder / "query", joining):
        with pytest.raises(HypervisorError, match="still being sent on demand"):
            kvm.migration_finish(ctx, guest_instance, True, True)
        status = kvm.migration_status(ctx, guest_instance)
        assert (status.state, status.guest) == ("completed", "sent")
        with pytest.raises(HypervisorError, match="stop it and start it again"):
            kvm.migration_finish(ctx, guest_instance, True, False)


def test_the_halves_of_a_guest_never_run_on_the_source(split: Trip) -> None:
    """Its target has died: it may have run the guest already."""
    split.kvm.stop(split.target, split.instance, True, 0.0)
    with pytest.raises(HypervisorError, match="stop it and start it again"):
        split.kvm.migration_finish(split.source, split.instance, True, False)
    assert split.runs_on() == []
    split.kvm.stop(split.source, split.instance, False, 5.0)
    split.kvm.start(split.source, split.instance, False)
    assert split.runs_on() == [split.source.node]


def run_and_cut(split: Trip) -> None:
    """Let the guest run on the target, and the connection break before it has what it needs.

    The source is held meanwhile, for it sends at once what the guest asks for.
    """
    pid = int((split.source.state / split.instance.name / "pid").read_text())
    deadline = time.monotonic() + LONG
    with split.qmp(split.target) as qmp:
        # The last that the source sends by itself, the state of the devices, may be on its way.
        while qmp.execute("query-status")["status"] == "inmigrate":
            assert time.monotonic() < deadline
    os.kill(pid, signal.SIGSTOP)
    try:
        split.kvm.migration_finish(split.target, split.instance, False, True)
        with split.qmp(split.target) as qmp:
            qmp.execute("yank", {"instances": [{"type": "migration"}]})
    finally:
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + LONG
    for end in (split.source, split.target):
        while not split.kvm.migration_status(end, split.instance).cut:
            assert time.monotonic() < deadline


def test_halves_whose_connection_was_cut_are_joined_again(split: Trip) -> None:
    run_and_cut(split)
    with pytest.raises(HypervisorError, match="gnt-instance migrate --cleanup joins them"):
        split.kvm.migration_finish(split.source, split.instance, True, True)
    for _ in range(2):  # the second makes another offer, and the first is worth nothing any more
        where = split.kvm.migration_reopen(split.target, split.instance, TARGET)
    split.kvm.migration_resume(split.source, split.instance, where)
    with split.qmp(split.source) as qmp:
        qmp.execute("migrate-set-parameters", {"max-postcopy-bandwidth": 0})
    split.kvm.migration_finish(split.source, split.instance, True, True)
    split.kvm.migration_resume(split.target, split.instance, where)  # too late, and harmless
    assert split.runs_on() == [split.target.node]
    with Serial(split.target, split.instance.name) as serial:
        serial.wait_for("d", fresh=True)
    with pytest.raises(HypervisorError, match="awaits no rest"):
        split.kvm.migration_reopen(split.target, split.instance, TARGET)


def test_a_half_that_is_lost_is_not_joined(split: Trip) -> None:
    run_and_cut(split)
    split.kvm.stop(split.target, split.instance, True, 0.0)
    with pytest.raises(HypervisorError, match="is lost: its QEMU on the target has ended"):
        split.kvm.migration_reopen(split.target, split.instance, TARGET)
    assert split.runs_on() == []
