"""What the fake hypervisor can do beyond its contract: fail on order, pretend a size, be quick."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.errors import HypervisorError
from ganeti_core.plugin_api import HookContext, InstanceSpec, NodeRef
from ganeti_core.plugin_api.data import MigrationOffer
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.faults import write_faults
from ganeti_plugins.hv_fake import FakeHypervisor

DRIVER = FakeHypervisor()
TARGET = NodeRef("n2", "node2.example.com", "192.0.2.2")
OFFER = MigrationOffer()
INSTANCE = InstanceSpec(uuid="u1", name="inst1.example.com", hypervisor="fake",
                        beparams={"maxmem": 256, "vcpus": 2})


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1")


@pytest.fixture
def other(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node2", "node2.example.com")


def order(ctx: HookContext, **rules: object) -> None:
    write_faults(ctx.root / "etc/ganeti/fake-faults.json", rules)


def runs(*nodes: HookContext) -> list[str]:
    return [ctx.node for ctx in nodes if DRIVER.running(ctx)]


def test_memory_and_cpus_can_be_pretended(tmp_path: Path) -> None:
    ctx = make_context(tmp_path, config={"fake_memory": 4096, "fake_cpus": 7})
    DRIVER.start(ctx, INSTANCE, False)
    facts = DRIVER.host_facts(ctx)
    assert (facts.memory_total, facts.memory_free, facts.cpu_total) == (4096, 4096 - 256, 7)


def test_a_node_has_settings_of_its_own(ctx: HookContext) -> None:
    file = ctx.root / "etc/ganeti/fake-node.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"fake_memory": 1000, "fake_cpus": 3}))
    facts = DRIVER.host_facts(ctx)
    assert (facts.memory_total, facts.memory_free, facts.cpu_total) == (1000, 1000, 3)


def test_memory_is_the_hosts_own_otherwise(ctx: HookContext) -> None:
    facts = DRIVER.host_facts(ctx)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    assert abs(facts.memory_total - pages) <= 1


def test_a_start_fails_on_order_and_leaves_nothing(ctx: HookContext) -> None:
    order(ctx, start={"mode": "fail", "times": 1, "instance": INSTANCE.name})
    with pytest.raises(HypervisorError):
        DRIVER.start(ctx, INSTANCE, False)
    assert DRIVER.running(ctx) == []
    DRIVER.start(ctx, INSTANCE, False)
    assert len(DRIVER.running(ctx)) == 1


def test_a_start_that_fails_afterwards_has_acted(ctx: HookContext) -> None:
    order(ctx, start={"mode": "fail", "when": "after"})
    with pytest.raises(HypervisorError):
        DRIVER.start(ctx, INSTANCE, False)
    assert len(DRIVER.running(ctx)) == 1


@pytest.mark.parametrize("broken", ["migration_prepare", "migrate_out", "migration_finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_migration_that_breaks_anywhere_never_runs_the_guest_twice(
    ctx: HookContext, other: HookContext, broken: str, when: str
) -> None:
    DRIVER.start(ctx, INSTANCE, False)
    for node in (ctx, other):
        order(node, **{broken: {"mode": "fail", "when": when, "times": 1}})
    try:
        target = DRIVER.migration_prepare(other, INSTANCE, TARGET, OFFER)
        DRIVER.migrate_out(ctx, INSTANCE, target, True)
        assert runs(ctx, other) == []
        DRIVER.migration_finish(other, INSTANCE, False, True)
    except HypervisorError:
        arrived = bool(DRIVER.running(other))
        if not arrived:
            DRIVER.migration_abort(ctx, INSTANCE)
            for node in (ctx, other):
                order(node)
            DRIVER.migration_finish(other, INSTANCE, False, False)
            DRIVER.migration_finish(ctx, INSTANCE, True, False)
    assert len(runs(ctx, other)) == 1


def test_an_abort_can_be_made_to_come_too_late(ctx: HookContext, other: HookContext) -> None:
    DRIVER.start(ctx, INSTANCE, False)
    DRIVER.migrate_out(
        ctx, INSTANCE, DRIVER.migration_prepare(other, INSTANCE, TARGET, OFFER), True)
    order(ctx, migration_abort={"mode": "skip"})
    DRIVER.migration_abort(ctx, INSTANCE)
    assert DRIVER.migration_status(ctx, INSTANCE).state == "completed"


def test_a_transfer_can_be_made_to_take_time(tmp_path: Path, other: HookContext) -> None:
    ctx = make_context(tmp_path / "slow", config={"fake_migration_seconds": 3600})
    DRIVER.start(ctx, INSTANCE, False)
    DRIVER.migrate_out(
        ctx, INSTANCE, DRIVER.migration_prepare(other, INSTANCE, TARGET, OFFER), True)
    status = DRIVER.migration_status(ctx, INSTANCE)
    assert status.state == "active"
    assert 0 < status.transferred_ram < status.total_ram == 256 * 1024**2
    DRIVER.migration_abort(ctx, INSTANCE)
    assert DRIVER.migration_status(ctx, INSTANCE).state == "cancelled"
    assert runs(ctx, other) == [ctx.node]


def test_a_paused_guest_is_paused_again_after_an_abort(
    tmp_path: Path, other: HookContext
) -> None:
    ctx = make_context(tmp_path / "slow", config={"fake_migration_seconds": 3600})
    DRIVER.start(ctx, INSTANCE, True)
    DRIVER.migrate_out(
        ctx, INSTANCE, DRIVER.migration_prepare(other, INSTANCE, TARGET, OFFER), True)
    assert [guest.state for guest in DRIVER.running(ctx)] == ["paused"]
    DRIVER.migration_abort(ctx, INSTANCE)
    assert [guest.state for guest in DRIVER.running(ctx)] == ["paused"]


def test_recover_removes_what_is_no_guest_and_keeps_the_rest(ctx: HookContext) -> None:
    DRIVER.start(ctx, INSTANCE, False)
    (ctx.state / "broken.guest").write_text("{")
    (ctx.state / ".x.999999999.1.draft").write_text("")
    assert len(DRIVER.recover(ctx)) == 2
    assert DRIVER.recover(ctx) == []
    assert [guest.name for guest in DRIVER.running(ctx)] == [INSTANCE.name]


def test_a_guest_may_be_shown_as_shut_down_by_its_user(ctx: HookContext) -> None:
    DRIVER.start(ctx, INSTANCE, False)
    file = ctx.state / f"{INSTANCE.name}.guest"
    file.write_text(file.read_text().replace('"state": "running"', '"state": "user-down"'))
    assert [guest.state for guest in DRIVER.running(ctx)] == ["user-down"]


def test_a_call_is_quick_among_many_guests(ctx: HookContext) -> None:
    """The bound is ten times what is promised: machines that run tests are busy."""
    many = [replace(INSTANCE, name=f"inst{number}", uuid=f"u{number}") for number in range(300)]
    before = time.process_time()
    for instance in many:
        DRIVER.start(ctx, instance, False)
        DRIVER.info(ctx, instance)
        DRIVER.stop(ctx, instance, True, 0.0)
    assert (time.process_time() - before) / (3 * len(many)) < 0.01


@pytest.mark.parametrize("name", [
    "", "a:b", "a/b", "../a", "nul\0", "\u0431", "a" * 250, "a" * 300])
def test_a_guest_that_cannot_start_is_no_error_to_stop(ctx: HookContext, name: str) -> None:
    with pytest.raises(HypervisorError):
        DRIVER.start(ctx, replace(INSTANCE, name=name), False)
    DRIVER.stop(ctx, replace(INSTANCE, name=name), True, 0.0)
    assert DRIVER.running(ctx) == []
