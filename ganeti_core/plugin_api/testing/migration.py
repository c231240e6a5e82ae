"""The conformance of live migration, between two nodes; part of `HypervisorContract`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import HypervisorError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import (
    Description,
    InstanceSpec,
    MigrationOffer,
    MigrationStatus,
    MigrationTarget,
    NodeRef,
)
from ganeti_core.plugin_api.hypervisor import LIVE_MIGRATION, HypervisorSpec, MigrationSpec

from .calls import Calls
from .contexts import make_context
from .footprint import Footprint
from .killing import killed_at_each_step
from .promises import not_promised

TARGET = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")
LONGEST = 60.0
ABORTS = 10
"""How often a transfer is begun to find one that has not ended when it is aborted."""


@dataclass(frozen=True)
class Move:
    """One instance on its way from `source` to `target`, each step as the master takes it."""

    hypervisor: HypervisorSpec
    migration: MigrationSpec
    source: HookContext
    target: HookContext
    instance: InstanceSpec

    @property
    def name(self) -> str:
        return self.instance.name

    def offer(self) -> MigrationOffer:
        return self.migration.migration_offer(ctx=self.source, instance=self.instance)

    def prepare(self, offer: MigrationOffer | None = None) -> MigrationTarget:
        return self.migration.migration_prepare(
            ctx=self.target, instance=self.instance, node=TARGET, offer=offer or self.offer())

    def send(self, target: MigrationTarget) -> None:
        self.migration.migrate_out(
            ctx=self.source, instance=self.instance, target=target, live=True)

    def abort(self) -> None:
        self.migration.migration_abort(ctx=self.source, instance=self.instance)

    def status(self) -> MigrationStatus:
        return self.migration.migration_status(ctx=self.source, instance=self.instance)

    def wait(self) -> MigrationStatus:
        """Wait until the transfer has ended, one way or the other."""
        deadline = time.monotonic() + LONGEST
        while (status := self.status()).state == "active" and time.monotonic() < deadline:
            assert status.transferred_ram >= 0
            time.sleep(0.02)
        return status

    def has(self, ctx: HookContext) -> str:
        """What a node has of the guest."""
        return self.migration.migration_status(ctx=ctx, instance=self.instance).guest

    def give_up(self) -> bool:
        """Abort, then settle both ends as the core does; return whether the guest has moved."""
        self.abort()
        assert self.status().state != "active"
        moved = self.has(self.source) == "sent"
        self.finish(source=False, success=moved)
        self.finish(source=True, success=moved)
        return moved

    def finish(self, *, source: bool, success: bool) -> None:
        self.migration.migration_finish(
            ctx=self.source if source else self.target, instance=self.instance, source=source,
            success=success)

    def runs_on(self) -> list[str]:
        """Name the nodes where the guest runs, as the master would see it."""
        return [ctx.node for ctx in (self.source, self.target) if any(
            guest.name == self.name and guest.state == "running"
            for guest in self.hypervisor.running(ctx=ctx))]


class MigrationTests:
    """Asked of drivers that promise ``live_migration``."""

    kill_points: ClassVar[int]

    @pytest.fixture
    def target_ctx(self, tmp_path: Path) -> HookContext:
        """A second node."""
        return make_context(tmp_path / "node2", TARGET.name)

    @pytest.fixture
    def move(
        self, calls: Calls[Any], description: Description, ctx: HookContext,
        target_ctx: HookContext, instance: InstanceSpec,
    ) -> Any:
        if LIVE_MIGRATION not in description.capabilities:
            not_promised(LIVE_MIGRATION)
        hypervisor = calls.of(HypervisorSpec)
        hypervisor.start(ctx=ctx, instance=instance, paused=False)
        yield Move(hypervisor, calls.of(MigrationSpec), ctx, target_ctx, instance)
        for node in (ctx, target_ctx):
            hypervisor.stop(ctx=node, instance=instance, force=True, timeout=0.0)

    def test_migration_moves_the_guest(self, move: Move) -> None:
        target = move.prepare()
        assert target.address
        assert 0 < target.port < 65536
        assert move.runs_on() == [move.source.node]
        move.send(target)
        assert len(move.runs_on()) <= 1
        status = move.wait()
        assert status.state == "completed", status
        move.finish(source=False, success=True)
        assert move.runs_on() == [move.target.node]
        move.finish(source=True, success=True)
        assert move.runs_on() == [move.target.node]
        assert (move.has(move.source), move.has(move.target)) == ("none", "runs")
        assert move.hypervisor.info(ctx=move.source, instance=move.instance) is None

    def test_an_offer_changes_nothing(self, move: Move) -> None:
        before = Footprint((move.source, move.target))
        assert move.offer() == move.offer()
        before.assert_unchanged()
        assert (move.has(move.source), move.has(move.target)) == ("runs", "none")

    def test_a_receiver_is_not_a_running_guest(self, move: Move) -> None:
        assert (move.has(move.source), move.has(move.target)) == ("runs", "none")
        move.prepare()
        assert move.hypervisor.running(ctx=move.target) == []
        assert move.hypervisor.info(ctx=move.target, instance=move.instance) is None
        assert (move.has(move.source), move.has(move.target)) == ("runs", "receiving")
        move.finish(source=False, success=False)
        assert move.has(move.target) == "none"

    def test_the_target_runs_the_guest_only_by_order(self, move: Move) -> None:
        move.send(move.prepare())
        assert move.wait().state == "completed"
        assert (move.has(move.source), move.has(move.target)) == ("sent", "receiving")
        for node in (move.source, move.target):
            assert move.hypervisor.running(ctx=node) == []
            assert move.hypervisor.info(ctx=node, instance=move.instance) is None
        move.finish(source=False, success=True)
        assert (move.has(move.source), move.has(move.target)) == ("sent", "runs")

    def test_a_guest_that_was_sent_runs_on_where_the_target_has_lost_it(self, move: Move) -> None:
        move.send(move.prepare())
        assert move.wait().state == "completed"
        for source in (False, False, True, True):
            move.finish(source=source, success=False)
        assert move.runs_on() == [move.source.node]
        assert (move.has(move.source), move.has(move.target)) == ("runs", "none")

    def test_a_guest_that_runs_on_the_target_is_not_dismissed(self, move: Move) -> None:
        move.send(move.prepare())
        assert move.wait().state == "completed"
        for success in (True, False):
            move.finish(source=False, success=success)
        assert move.has(move.target) == "runs"

    def test_nothing_arrives_where_nothing_was_prepared(self, move: Move) -> None:
        with pytest.raises(HypervisorError):
            move.finish(source=False, success=True)
        assert move.runs_on() == [move.source.node]

    def test_a_source_whose_guest_is_gone_has_nothing_to_keep(self, move: Move) -> None:
        move.prepare()
        move.hypervisor.stop(ctx=move.source, instance=move.instance, force=True, timeout=0.0)
        move.finish(source=False, success=False)
        move.finish(source=True, success=False)
        assert move.runs_on() == []

    def test_the_source_keeps_nothing_of_a_guest_that_moved(self, move: Move) -> None:
        move.hypervisor.stop(ctx=move.source, instance=move.instance, force=True, timeout=0.0)
        before = Footprint((move.source,))
        move.hypervisor.start(ctx=move.source, instance=move.instance, paused=False)
        move.send(move.prepare())
        assert move.wait().state == "completed"
        move.finish(source=False, success=True)
        move.finish(source=True, success=True)
        before.assert_unchanged()

    def test_the_moved_guest_can_move_back(self, move: Move) -> None:
        self.test_migration_moves_the_guest(move)
        self.test_migration_moves_the_guest(
            replace(move, source=move.target, target=move.source))

    def test_finishing_twice_is_harmless(self, move: Move) -> None:
        move.send(move.prepare())
        assert move.wait().state == "completed"
        for source in (False, False, True, True):
            move.finish(source=source, success=True)
        assert move.runs_on() == [move.target.node]

    def test_a_second_receiver_replaces_the_first(self, move: Move) -> None:
        move.prepare()
        move.send(move.prepare())
        assert move.wait().state == "completed"
        move.finish(source=False, success=True)
        move.finish(source=True, success=True)
        assert move.runs_on() == [move.target.node]

    def test_giving_up_before_sending_leaves_the_target_empty(self, move: Move) -> None:
        before = Footprint((move.target,))
        move.prepare()
        for _ in range(2):
            move.finish(source=False, success=False)
        before.assert_unchanged()
        assert move.runs_on() == [move.source.node]

    def test_a_killed_receiver_can_be_given_up(self, move: Move) -> None:
        before = Footprint((move.target,))
        for _ in killed_at_each_step(move.prepare, self.kill_points):
            move.hypervisor.recover(ctx=move.target)
            move.finish(source=False, success=False)
            before.assert_unchanged()
            assert move.runs_on() == [move.source.node]

    def test_an_aborted_transfer_leaves_one_running_guest(self, move: Move) -> None:
        move.send(move.prepare())
        home, other = (move.target, move.source) if move.give_up() else (move.source, move.target)
        assert move.runs_on() == [home.node]
        assert move.hypervisor.info(ctx=other, instance=move.instance) is None

    def test_a_guest_survives_a_target_that_is_lost(self, move: Move) -> None:
        target = move.prepare()
        move.finish(source=False, success=False)  # the receiver is gone before the transfer
        try:
            move.send(target)
        except HypervisorError:
            assert move.runs_on() == [move.source.node]
            return
        move.wait()
        move.abort()
        move.finish(source=True, success=False)
        assert move.runs_on() == [move.source.node]

    def test_after_an_aborted_transfer_a_second_one_succeeds(self, move: Move) -> None:
        for _ in range(ABORTS):
            move.send(move.prepare())
            if not move.give_up():
                break
            # The transfer was quicker: the guest is there, and next sent the other way.
            move = replace(move, source=move.target, target=move.source)
        self.test_migration_moves_the_guest(move)

    def test_no_migration_was_begun(self, move: Move) -> None:
        assert move.status().state == "none"
        move.abort()
        assert move.runs_on() == [move.source.node]

    def test_a_guest_that_does_not_run_cannot_be_sent(self, move: Move) -> None:
        move.hypervisor.stop(ctx=move.source, instance=move.instance, force=True, timeout=0.0)
        target = move.prepare(MigrationOffer())
        with pytest.raises(HypervisorError):
            move.send(target)
        move.finish(source=False, success=False)
