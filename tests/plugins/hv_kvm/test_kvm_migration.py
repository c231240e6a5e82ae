"""Live migration between two nodes that share the disk's file."""

import base64
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from kvm_moves import Trip
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec, NodeRef
from ganeti_core.plugin_api.data import MigrationOffer, MigrationStatus, MigrationTarget
from ganeti_plugins.hv_kvm import KvmHypervisor, encryption, processes
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = pytest.mark.needs_qemu

TARGET = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")


@dataclass(frozen=True)
class Pair:
    """Two nodes; the instance runs on `source`."""

    kvm: KvmHypervisor
    source: HookContext
    target: HookContext
    instance: InstanceSpec

    def wait(self) -> MigrationStatus:
        deadline = time.monotonic() + 30
        while (status := self.status()).state == "active" and time.monotonic() < deadline:
            time.sleep(0.01)
        return status

    def status(self) -> MigrationStatus:
        return self.kvm.migration_status(self.source, self.instance)

    def runs_on(self) -> list[str]:
        return [ctx.node for ctx in (self.source, self.target)
                for guest in self.kvm.running(ctx) if guest.state == "running"]


@pytest.fixture
def pair(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> Pair:
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
    return Pair(kvm, ctx, other_ctx, guest_instance)


def slow(instance: InstanceSpec) -> InstanceSpec:
    """The same, sent so slowly that it takes long: with 256 MiB and 1 MiB/s."""
    return replace(instance, hvparams={**instance.hvparams, "migration_bandwidth": 1})


@pytest.mark.parametrize("live", [True, False])
def test_no_count_is_missing_after_a_migration(pair: Pair, live: bool) -> None:
    kvm, instance = pair.kvm, pair.instance
    target = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    with Serial(pair.source, instance.name) as before, Serial(pair.target, instance.name) as after:
        before.wait_for("count .*\r\n")
        kvm.migrate_out(pair.source, instance, target, live)
        status = pair.wait()
        assert status.state == "completed"
        assert status.transferred_ram > 0
        kvm.migration_finish(pair.target, instance, False, True)
        kvm.migration_finish(pair.source, instance, True, True)
        before.drain()
        after.wait_for("(?s)count .*count .*\r\n")
    counts = before.counts + after.counts
    # A line may be cut where the guest changed sides; a number is never skipped over.
    assert counts == sorted(counts)
    assert len(range(counts[0], counts[-1] + 1)) - len(set(counts)) <= 1
    assert pair.runs_on() == ["node2.example.com"]


@pytest.mark.parametrize("success", [True, False])
@pytest.mark.parametrize("never_ran", [True, False])
def test_a_paused_guest_does_not_run_because_it_was_sent(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    success: bool, never_ran: bool,
) -> None:
    trip = Trip(kvm, ctx, other_ctx, guest_instance)
    kvm.start(ctx, guest_instance, never_ran)
    if not never_ran:
        with trip.qmp(ctx) as qmp:
            qmp.execute("stop")
    trip.send(live=never_ran)
    assert trip.wait().state == "completed"
    for _ in range(2):
        trip.finish(success=success)
    (guest,) = (guest for end in (ctx, other_ctx) for guest in kvm.running(end))
    assert guest.state == "paused"
    end = other_ctx if success else ctx
    with Serial(end, guest_instance.name) as serial:
        with trip.qmp(end) as qmp:
            qmp.execute("cont")
        serial.wait_for(COUNTS)


@pytest.mark.parametrize(("live", "major", "has_kvm", "warned"), [
    (True, 8, False, True), (True, 9, False, False), (True, 8, True, False),
    (False, 8, False, False)])
def test_who_sends_a_guest_is_told_where_qemu_may_miss_what_it_writes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, live: bool, major: int, has_kvm: bool,
    warned: bool,
) -> None:
    """QEMU before 9.0, where it emulates: the guest may arrive with old memory."""
    execute, said = Qmp.execute, list[str]()

    def of_that_version(self: Qmp, command: str, *arguments: Any) -> Any:
        match command:
            case "query-version":
                return {"qemu": {"major": major, "minor": 2, "micro": 0}}
            case "query-kvm":
                return {"enabled": has_kvm, "present": True}
        return execute(self, command, *arguments)

    source = replace(pair.source, feedback=said.append)
    target = pair.kvm.migration_prepare(pair.target, pair.instance, TARGET, MigrationOffer())
    monkeypatch.setattr(Qmp, "execute", of_that_version)
    pair.kvm.migrate_out(source, pair.instance, target, live)
    assert pair.wait().state == "completed"
    assert ["--non-live" in line for line in said] == [True] * warned


def test_a_migration_to_a_closed_port_leaves_the_guest_running(pair: Pair) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(HypervisorError, match="did not begin"):
            pair.kvm.migrate_out(
                pair.source, pair.instance, MigrationTarget("127.0.0.1", port, {"key": "0" * 64}),
                True)
    with Serial(pair.source, pair.instance.name) as serial:
        serial.wait_for("count")
    assert pair.runs_on() == ["node1.example.com"]


def test_a_target_that_cannot_load_the_guest_fails_the_migration(pair: Pair) -> None:
    """The source believes the target, not its own sending."""
    bigger = replace(pair.instance, beparams={"maxmem": 32, "vcpus": 1})
    target = pair.kvm.migration_prepare(pair.target, bigger, TARGET, MigrationOffer())
    try:
        pair.kvm.migrate_out(pair.source, pair.instance, target, True)
        assert pair.wait().state == "failed"
    except HypervisorError as exc:
        assert "did not begin" in str(exc)  # noqa: PT017  # QEMU may see it early or late
    pair.kvm.migration_finish(pair.target, bigger, False, False)
    pair.kvm.migration_finish(pair.source, pair.instance, True, False)
    with Serial(pair.source, pair.instance.name) as serial:
        serial.wait_for("count")
    assert pair.runs_on() == ["node1.example.com"]
    assert list(pair.target.state.iterdir()) == []


def test_a_throttled_migration_can_be_aborted(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    instance = slow(guest_instance)
    kvm.start(ctx, instance, False)
    pair = Pair(kvm, ctx, other_ctx, instance)
    target = kvm.migration_prepare(other_ctx, instance, TARGET, MigrationOffer())
    kvm.migrate_out(ctx, instance, target, True)
    kvm.migration_abort(ctx, instance)
    assert pair.status().state in ("cancelled", "failed")
    kvm.migration_finish(other_ctx, instance, False, False)
    kvm.migration_finish(ctx, instance, True, False)
    assert kvm.running(other_ctx) == []
    with Serial(ctx, instance.name) as serial:
        serial.wait_for("count")


def test_aborts_at_any_moment_leave_exactly_one_running_guest(pair: Pair) -> None:
    """Also where the abort and the guest's change of sides cross."""
    kvm, instance = pair.kvm, pair.instance
    for delay in (0.0, 0.005, 0.01, 0.015, 0.02, 0.03):
        target = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
        kvm.migrate_out(pair.source, instance, target, True)
        time.sleep(delay)
        kvm.migration_abort(pair.source, instance)
        if pair.status().guest == "sent":
            kvm.migration_finish(pair.target, instance, False, True)
            kvm.migration_finish(pair.source, instance, True, True)
            assert pair.runs_on() == [pair.target.node]
            pair = replace(pair, source=pair.target, target=pair.source)
        else:
            kvm.migration_finish(pair.target, instance, False, False)
            kvm.migration_finish(pair.source, instance, True, False)
            assert pair.runs_on() == [pair.source.node]
            assert kvm.running(pair.target) == []


def test_a_guest_whose_target_is_lost_after_the_transfer_counts_on(pair: Pair) -> None:
    """QEMU said completed; the receiver was killed before it was let run."""
    kvm, instance = pair.kvm, pair.instance
    target = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    kvm.migrate_out(pair.source, instance, target, True)
    assert pair.wait().state == "completed"
    assert pair.runs_on() == []
    kvm.stop(pair.target, instance, True, 0.0)
    with pytest.raises(HypervisorError, match="did not arrive"):
        kvm.migration_finish(pair.target, instance, False, True)
    kvm.migration_finish(pair.source, instance, True, False)
    with Serial(pair.source, instance.name) as serial:
        serial.wait_for(COUNTS)
    assert pair.runs_on() == [pair.source.node]


def test_a_source_takes_its_disks_back_while_the_receiver_is_there(pair: Pair) -> None:
    """As where its connection ends after all has come: QEMU does so by itself then."""
    kvm, instance = pair.kvm, pair.instance
    target = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    kvm.migrate_out(pair.source, instance, target, True)
    assert pair.wait().state == "completed"
    receiver = Trip(kvm, pair.source, pair.target, instance)
    with receiver.qmp(pair.target) as qmp:
        deadline = time.monotonic() + 60
        while qmp.execute("query-status")["status"] == "inmigrate":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    kvm.migration_finish(pair.source, instance, True, False)
    assert pair.runs_on() == [pair.source.node]
    kvm.migration_finish(pair.target, instance, False, False)
    with Serial(pair.source, instance.name) as serial:
        serial.wait_for(COUNTS)
    assert pair.runs_on() == [pair.source.node]


def test_a_receiver_that_dies_while_it_receives_leaves_the_guest_running(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    """As when the connection is cut."""
    instance = slow(guest_instance)
    kvm.start(ctx, instance, False)
    pair = Pair(kvm, ctx, other_ctx, instance)
    target = kvm.migration_prepare(other_ctx, instance, TARGET, MigrationOffer())
    kvm.migrate_out(ctx, instance, target, True)
    kvm.stop(other_ctx, instance, True, 0.0)
    assert pair.wait().state == "failed"
    kvm.migration_finish(ctx, instance, True, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
    assert pair.runs_on() == [ctx.node]


def test_a_receiver_refuses_strangers_and_still_gets_its_guest(pair: Pair) -> None:
    """Neither one that speaks plainly nor one that has another key gets anything into it."""
    kvm, instance = pair.kvm, pair.instance
    target = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    with socket.create_connection((target.address, target.port), timeout=20) as stranger:
        stranger.sendall(b"QEVM" + bytes(1 << 16))
        stranger.settimeout(20)
        with suppress(ConnectionError):
            while stranger.recv(4096):
                pass
    with pytest.raises(HypervisorError, match="did not begin"):
        kvm.migrate_out(pair.source, instance, replace(target, details={"key": "0" * 64}), True)
    assert pair.runs_on() == [pair.source.node]
    assert kvm.migration_status(pair.target, instance).guest == "receiving"
    kvm.migrate_out(pair.source, instance, target, True)
    assert pair.wait().state == "completed"
    kvm.migration_finish(pair.target, instance, False, True)
    kvm.migration_finish(pair.source, instance, True, True)
    assert pair.runs_on() == [pair.target.node]
    assert list(pair.target.state.rglob("*.psk")) == []


def test_a_key_opens_one_transfer_and_no_later_one(pair: Pair) -> None:
    """A node that took part in a transfer, and was removed since, has had its key."""
    kvm, instance = pair.kvm, pair.instance
    first = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    kvm.migration_finish(pair.target, instance, False, False)
    second = kvm.migration_prepare(pair.target, instance, TARGET, MigrationOffer())
    assert first.details["key"] != second.details["key"]
    with pytest.raises(HypervisorError, match="did not begin"):
        kvm.migrate_out(pair.source, instance, replace(second, details=first.details), True)
    assert pair.runs_on() == [pair.source.node]
    assert kvm.migration_status(pair.target, instance).guest == "receiving"
    kvm.migration_finish(pair.target, instance, False, False)
    assert list(pair.target.state.iterdir()) == []


def test_qemu_does_not_look_for_a_group_of_its_own(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes it seconds. The one that it gets is of a safe prime, and it does read it."""
    numbers = base64.b64decode("".join(encryption.GROUP.splitlines()[1:-1]))
    assert numbers[-3:] == b"\x02\x01\x02"  # the generator: an integer of one byte
    prime = int.from_bytes(numbers[8:-3])
    assert prime.bit_length() == 2048
    assert pow(2, prime - 1, prime) == pow(2, (prime - 1) // 2, prime) == 1
    monkeypatch.setattr(encryption, "GROUP", "no group")
    with pytest.raises(HypervisorError, match="object-add"):
        pair.kvm.migration_prepare(
            pair.target, pair.instance, TARGET, pair.kvm.migration_offer(
                pair.source, pair.instance))


def test_a_guest_is_not_sent_where_nothing_would_encrypt_it(pair: Pair) -> None:
    target = pair.kvm.migration_prepare(pair.target, pair.instance, TARGET, MigrationOffer())
    with pytest.raises(HypervisorError, match="gave no key"):
        pair.kvm.migrate_out(pair.source, pair.instance, replace(target, details={}), True)
    pair.kvm.migration_finish(pair.target, pair.instance, False, False)
    assert pair.runs_on() == [pair.source.node]


def test_a_transfer_that_stands_still_can_be_given_up(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    """As when the connection is cut without a word: nobody closes it, nothing gets through."""
    instance = slow(guest_instance)
    kvm.start(ctx, instance, False)
    pair = Pair(kvm, ctx, other_ctx, instance)
    target = kvm.migration_prepare(other_ctx, instance, TARGET, MigrationOffer())
    kvm.migrate_out(ctx, instance, target, True)
    (receiver,) = processes.find("-pidfile", str(other_ctx.state / instance.name / "pid"))
    os.kill(receiver, signal.SIGSTOP)
    kvm.migration_abort(ctx, instance)
    assert pair.status().guest == "runs"
    kvm.migration_finish(other_ctx, instance, False, False)
    kvm.migration_finish(ctx, instance, True, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
    assert pair.runs_on() == [ctx.node]


def test_a_receiver_left_behind_does_not_keep_the_guest_from_starting(
    pair: Pair,
) -> None:
    """The source's node died before it sent anything."""
    pair.kvm.migration_prepare(pair.target, pair.instance, TARGET, MigrationOffer())
    pair.kvm.stop(pair.source, pair.instance, True, 0.0)
    pair.kvm.start(pair.target, pair.instance, False)
    with Serial(pair.target, pair.instance.name) as serial:
        serial.wait_for("count")


def test_an_unknown_capability_is_refused_before_anything_is_sent(pair: Pair) -> None:
    odd = replace(pair.instance, hvparams={**pair.instance.hvparams, "migration_caps": "teleport"})
    with pytest.raises(HypervisorError, match="teleport"):
        pair.kvm.migration_prepare(pair.target, odd, TARGET, MigrationOffer())
    assert list(pair.target.state.iterdir()) == []
    assert pair.runs_on() == ["node1.example.com"]
